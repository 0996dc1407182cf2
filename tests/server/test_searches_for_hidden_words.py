"""Of a hit that nothing may tell, an answer shows nothing: no shorter page, no cursor, no question."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.archive import events as ev
from tests.archive.events import journal
from tests.server.conftest import BOB, CLUB, archive_in
from tests.server.fakes import FakeDevice, FakeSource
from tests.server.test_core_tools import answer, refusal
from tests.server.test_withholding import AT, TOM, WAITS, ruled
from tests.tables import for_each
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.application import create

pytestmark = pytest.mark.anyio
CODE = "Bank: your verification code is {}"
HIDDEN: dict[str, tuple[Callable[[str], Sequence[Any]], Policy]] = {
    "a chat that may not be read": (
        lambda word: [(f"a {word}", CLUB, BOB)] * 3,
        ruled(jid=CLUB, read="deny"),
    ),
    "a chat that is asked about": (lambda word: [(f"a {word}", CLUB, BOB)] * 3, ruled(jid=CLUB, read="ask")),
    "a stranger in lockdown": (lambda word: [(f"a {word}", TOM, TOM)] * 3, Policy.in_mode("lockdown")),
    "a one-time code": (
        lambda word: [(CODE.format(f"{word}-99B"), BOB, BOB)] * 3,
        Policy.in_mode("standard"),
    ),
}
"""Where a word stands that no answer may tell, and the policy."""
SEARCHES: tuple[dict[str, Any], ...] = (
    {"query": "zebra OR kq4*", "limit": 1},
    {"query": "zebra OR kq4*", "limit": 2},
    {"query": "zebra OR kq4*", "limit": 4},
    {"query": "zebra OR kq4*", "limit": 1, "order": "relevance"},
    {"query": "zebra OR kq4*", "limit": 4, "order": "relevance"},
    {"query": "zebra OR kq4", "limit": 2, "substring": True},
    {"query": "from:Bob kq4", "limit": 2},
    {"query": "from:Ann kq4 nothing", "limit": 2},
)


async def told(client: Client, search: dict[str, Any], pages: int = 3) -> list[str]:
    """What an agent sees of a search that it follows to its end, or for a few pages."""
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(pages):
        text, data = await answer(
            client, "search_messages", **search, **({"cursor": cursor} if cursor else {})
        )
        seen.append(text + json.dumps(data))
        cursor = data["next_cursor"]
        if cursor is None:
            break
    return seen


async def stock(archive: Archive, hidden: Sequence[Any]) -> None:
    """Three messages that may be seen, and hidden ones before, between and after them."""
    shown = [(f"zebra {number}", BOB, BOB) for number in range(3)]
    placed = [each for pair in zip(hidden, shown, strict=True) for each in pair]
    events = [
        ev.message(f"W{n}", words, chat=chat, sender=sender, at=AT + n, name="Tom T.")
        for n, (words, chat, sender) in enumerate(placed)
    ]
    await archive.ingest(journal(events, after=await archive.position()))


@asynccontextmanager
async def world(
    home: Path, device: FakeDevice, policy: Policy, hidden: Sequence[Any]
) -> AsyncIterator[Client]:
    """An account with such hidden messages."""
    async with archive_in(home) as archive:
        await stock(archive, hidden)
        source = FakeSource(device, archive, home, policy)
        async with Client(create(source, "all", structured=True, new_code=lambda: "FENCE")) as client:
            yield client


@pytest.fixture(params=HIDDEN)
async def two(
    device: FakeDevice, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[Client, Client]]:
    """Clients of two accounts that differ in a hidden word."""
    hidden, policy = HIDDEN[request.param]
    async with (
        world(tmp_path / "one", device, policy, hidden("KQ4")) as one,
        world(tmp_path / "other", device, policy, hidden("ZZ7")) as other,
    ):
        yield one, other


@for_each("search", SEARCHES)
async def test_two_accounts_that_differ_in_a_hidden_word_answer_alike(
    two: tuple[Client, Client], search: dict[str, Any]
) -> None:
    one, other = two
    assert await told(one, search) == await told(other, search)


@pytest.mark.parametrize("mode", ["standard", "lockdown"])
async def test_who_searches_a_chat_that_is_asked_about_is_told_to_ask_whatever_it_holds(
    device: FakeDevice, tmp_path: Path, mode: Any
) -> None:
    chat, policy = (CLUB, ruled(jid=CLUB, read="ask")) if mode == "standard" else (TOM, Policy.in_mode(mode))
    device.fails = WAITS
    hidden = [("a kingfisher", chat, BOB if mode == "standard" else TOM)] * 3
    async with world(tmp_path, device, policy, hidden) as client:
        found, not_found = [
            await refusal(client, "search_messages", query=word, chat=chat)
            for word in ("kingfisher", "heron")
        ]
        assert found == not_found
        assert found["code"] == "APPROVAL_REQUIRED"
        device.fails = None
        text, _ = await answer(client, "search_messages", query="kingfisher", chat=chat)
    assert "a **kingfisher**" in text


@pytest.mark.parametrize("mode", ["standard", "lockdown"])
async def test_who_lists_one_kind_of_a_chat_that_is_asked_about_is_told_to_ask_whether_there_is_any(
    device: FakeDevice, tmp_path: Path, mode: Any
) -> None:
    chat, policy = (CLUB, ruled(jid=CLUB, read="ask")) if mode == "standard" else (TOM, Policy.in_mode(mode))
    device.fails = WAITS
    hidden = [("a kingfisher", chat, BOB if mode == "standard" else TOM)] * 3
    async with world(tmp_path, device, policy, hidden) as client:
        found, not_found = [
            await refusal(client, "list_messages", chat=chat, kind=[kind]) for kind in ("text", "poll")
        ]
        assert found == not_found
        assert found["code"] == "APPROVAL_REQUIRED"
        device.fails = None
        _, data = await answer(client, "list_messages", chat=chat, kind=["poll"])
    assert data["messages"] == []


@pytest.mark.parametrize(("tool", "items"), [("list_messages", "messages"), ("list_chats", "chats")])
async def test_a_list_is_full_and_goes_on_as_if_a_chat_that_may_not_be_read_were_not_there(
    device: FakeDevice, tmp_path: Path, tool: str, items: str
) -> None:
    hidden = [("a", CLUB, BOB)] * 3
    refs: list[set[tuple[str, str]]] = []
    for name, policy in (("ruled", ruled(jid=CLUB, read="deny")), ("open", Policy.in_mode("open"))):
        async with world(tmp_path / name, device, policy, hidden) as client:
            found: list[Any] = []
            cursor: str | None = ""
            while cursor is not None:
                _, data = await answer(client, tool, limit=2, **({"cursor": cursor} if cursor else {}))
                cursor = data["next_cursor"]
                assert len(data[items]) == 2 or cursor is None
                assert data[items]
                found += data[items]
            places = [(each.get("chat", each.get("jid")), each.get("ref")) for each in found]
            refs.append({place for place in places if place[0] != CLUB})
    assert refs[0] == refs[1]
