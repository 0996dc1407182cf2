"""A search says how many hits stand in strangers' words, and tells nothing else of what stays back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.archive import events as ev
from tests.archive.events import journal
from tests.server.conftest import ANN_LEE, CLUB
from tests.server.fakes import FakeDevice, ledger_in
from tests.server.test_core_tools import answer
from tests.server.test_withholding import AT, SECRET, TOM, ruled, serving, stocked, tainted
from tests.tables import for_each
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.models import Caller
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.reading import GuardedArchive

pytestmark = pytest.mark.anyio
__all__ = ["stocked"]

OPENS = "by people who are not in the address book, or passed on: get_message_context opens "
CODE = "Your verification code is 481516. Do not share it."


@pytest.fixture
async def client(stocked: Archive, device: FakeDevice, tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(stocked, device, tmp_path) as connected:
        yield connected


async def add(archive: Archive, *told: Any) -> None:
    await archive.ingest(journal(told, after=await archive.position()))


async def test_hits_in_strangers_words_are_counted_by_chat_and_opened_by_ref(
    client: Client, tmp_path: Path
) -> None:
    text, data = await answer(client, "search_messages", query=f"{SECRET} -two")
    assert text.startswith(f"Messages with “{SECRET} -two”, newest first: none that is shown.")
    assert data["messages"] == []
    hits = data["withheld_hits"]
    assert [one["count"] for one in hits] == [3, 1, 1]
    places = "; ".join(" ".join(one["refs"]) for one in hits)
    assert f"5 more {OPENS}{places}." in text
    for name in ("Tom", "Boat club", "Bob"):
        assert name not in text
    assert tainted(tmp_path) == set()
    opened = ""
    for ref in (ref for one in hits for ref in one["refs"]):
        shown, _ = await answer(client, "get_message_context", message=ref, before=0, after=0)
        assert SECRET in shown
        opened += shown
    assert all(f"{SECRET} {word}" in opened for word in ("one", "three", "passed on", "caption"))


async def test_what_is_shown_comes_with_the_number_of_what_is_not(client: Client, stocked: Archive) -> None:
    await add(stocked, ev.message("K1", "I lost my keys", chat=CLUB, sender=TOM, at=AT - 10, name="Tom T."))
    text, data = await answer(client, "search_messages", query="keys")
    assert "I have the **keys**" in text
    assert f"1 more {OPENS}{data['withheld_hits'][0]['refs'][0]}." in text


async def test_of_many_hits_and_chats_the_newest_are_named(client: Client, stocked: Archive) -> None:
    people = [f"1555000{number:04}@s.whatsapp.net" for number in range(5000, 5008)]
    told = [ev.message(f"R{n}", "regatta", chat=jid, at=AT - 8 + n) for n, jid in enumerate(people)]
    told += [ev.message(f"S{n}", "regatta", chat=CLUB, sender=TOM, at=AT + n) for n in range(30)]
    await add(stocked, *told)
    text, data = await answer(client, "search_messages", query="regatta")
    assert [one["count"] for one in data["withheld_hits"]] == [30] + [1] * 8
    assert [len(one["refs"]) for one in data["withheld_hits"]] == [5] + [1] * 8
    assert " and 25 more in that chat; " in text
    assert "; 4 in 4 other chats." in text


async def test_none_is_said_where_there_is_none(client: Client) -> None:
    text, data = await answer(client, "search_messages", query="nowhere")
    assert text.startswith("Messages with “nowhere”: none.\nTry other words")
    assert "withheld_hits" not in data


@pytest.mark.parametrize("query", ["verification", "verification OR nowhere", "nowhere OR code share"])
async def test_a_strangers_message_with_a_code_is_counted_by_its_other_words(
    client: Client, stocked: Archive, query: str
) -> None:
    await add(stocked, ev.message("O1", CODE, chat=TOM, at=AT - 30))
    _, data = await answer(client, "search_messages", query=query)
    assert [one["count"] for one in data["withheld_hits"]] == [1]


@for_each("query", ["{}", '"{}"', "verification {}", "verification -{}", "{} OR nowhere", "{}* share"])
async def test_no_search_tells_which_code_a_stranger_sent(
    client: Client, stocked: Archive, query: str
) -> None:
    await add(stocked, ev.message("O1", CODE, chat=TOM, at=AT - 30))
    told: list[str] = []
    for code in ("481516", "481517"):
        text, data = await answer(client, "search_messages", query=query.format(code))
        told.append((text + json.dumps(data)).replace(code, "CODE"))
    assert told[0] == told[1]
    assert "Not searched for digits or with a -word: messages that hold a one-time code." in told[0]


@pytest.mark.parametrize("verdict", ["ask", "deny"])
async def test_of_a_chat_with_a_rule_no_search_tells_whether_it_holds_a_word(
    stocked: Archive, device: FakeDevice, tmp_path: Path, verdict: str
) -> None:
    await add(stocked, ev.message("W1", "a kingfisher", chat=CLUB, sender=TOM, at=AT, name="Tom T."))
    async with serving(stocked, device, tmp_path, ruled(jid=CLUB, read=verdict)) as client:
        told = [
            (await answer(client, "search_messages", query=word))[0].replace(word, "WORD")
            for word in ("kingfisher", "heron")
        ]
    assert told[0] == told[1]
    assert "Not searched: words that are only shown once the user agrees, or never." in told[0]


async def test_of_chats_with_a_rule_no_hint_counts_messages_or_names_people(
    stocked: Archive, device: FakeDevice, tmp_path: Path
) -> None:
    async with serving(stocked, device, tmp_path, ruled(name="Bob", read="deny")) as client:
        counted, _ = await answer(client, "search_messages", query="heron has:poll")
        named, _ = await answer(client, "search_messages", query="heron from:Bobbert")
    assert "Without the words" not in counted
    assert "Nobody" not in named
    async with serving(stocked, device, tmp_path) as client:
        counted, _ = await answer(client, "search_messages", query="heron has:poll")
        named, _ = await answer(client, "search_messages", query="heron from:Bobbert")
    assert "Without the words: 1." in counted
    assert "Nobody is called “Bobbert”; closest: Bob +15550004444." in named


@pytest.mark.parametrize(("mode", "chat"), [("lockdown", ""), ("standard", CLUB), ("standard", ANN_LEE)])
async def test_who_may_not_open_words_is_told_no_number(
    stocked: Archive, tmp_path: Path, mode: Any, chat: str
) -> None:
    caller = Caller(f"chat:{chat}", chat=chat) if chat else Caller("stdio:x")
    asked = GuardedArchive(stocked, ledger_in(tmp_path), Policy.in_mode(mode), caller)
    page = await asked.search(SECRET)
    assert (page.items, page.withheld) == ((), ())
    assert page.notes == (await asked.search("nowhere")).notes
    assert page.notes
