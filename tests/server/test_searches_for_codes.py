"""No search tells a masked one-time code, not even a pair of its letters: by a hit, or by none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client

from tests.archive import events as ev
from tests.archive.events import journal
from tests.archive.test_file_readings import document, pages, voice
from tests.server.conftest import BOB
from tests.server.fakes import FakeDevice
from tests.server.test_core_tools import answer
from tests.server.test_file_readings import AT, heard
from tests.server.test_parts_of_codes import received
from tests.server.test_withholding import TOM, serving
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.archive.database import tokens
from whatsapp_mcp.archive.read import Sought
from whatsapp_mcp.models import FileReading
from whatsapp_mcp.policy import MASK
from whatsapp_mcp.protobufs import E2E

pytestmark = pytest.mark.anyio

FAR = f"Café account, {'river ' * 45}. Bank says: your verification code is {{code}}"
CODES = ("X7KQ9PZ", "X7BA9PZ", "KQ4-99B")
"""Of which a search that tells nothing finds all, or none."""
INSIDE = ("account kq", "bank zz", "kq", "account 7kq", "a", "ba", "is:KQ account", "from:kq bank", '"is kq"')
WHOLE = (
    *("account kq", "account kq*", "bank x*", "is:kq account", "code:kq4", "river kq4 OR nothing"),
    *('"bank"-kq4*', "is:starred OR kq4", "account", "cafe bank", 'from:"kq4"', "nothing OR acc*"),
)
SEARCHES: tuple[dict[str, Any], ...] = (
    *[{"query": query, "substring": True} for query in INSIDE],
    *[{"query": query} for query in WHOLE],
    {"query": "account kq4 nothing", "order": "relevance"},
)
READINGS: dict[str, Callable[[str], FileReading]] = {
    "document": lambda said: pages("Account", said),
    "voice": lambda said: heard("Hi. " * 90 + said),
}


@pytest.fixture
async def client(archive: Archive, device: FakeDevice, tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(archive, device, tmp_path) as connected:
        yield connected


def body_of(kind: str, code: str) -> Any:
    """A message that carries a code where its kind says."""
    match kind:
        case "document":
            return document()
        case "voice":
            return voice()
        case "name":
            return document(f"login-code_{code}.pdf", caption="Account at the bank")
        case "poll":
            return _poll(f"Your verification code is {code}")
        case _:
            return FAR.format(code=code)


def _poll(option: str) -> Any:
    body: Any = E2E.Message()
    body.pollCreationMessage.name = "Account of the bank?"
    body.pollCreationMessage.options.add(optionName=option)
    body.pollCreationMessage.options.add(optionName="no")
    return body


@pytest.fixture(params=["text", "stranger", "document", "voice", "name", "poll"])
async def coded(client: Client, archive: Archive, request: pytest.FixtureRequest) -> Client:
    """A client of an account in which messages of one kind carry the codes."""
    kind = request.param
    chat = TOM if kind == "stranger" else BOB
    told = [
        ev.message(f"X{index}", body_of(kind, code), chat=chat, at=AT + 50 + index)
        for index, code in enumerate(CODES)
    ]
    await archive.ingest(journal(told, after=await archive.position()))
    if kind in READINGS:
        for index, code in enumerate(CODES):
            await archive.write(recording.record_reading, f"X{index}", READINGS[kind](FAR.format(code=code)))
    return client


@for_each("search", SEARCHES)
async def test_what_a_search_answers_does_not_depend_on_a_masked_code(
    coded: Client, search: dict[str, Any]
) -> None:
    text, data = await answer(coded, "search_messages", detail="full", **search)
    hits = [hit for hit in data["messages"] if hit["message_id"] in ("X0", "X1", "X2")]
    assert len(hits) in (0, len(CODES))
    assert len({str([hit.get(f"snippet{of}") for of in ("", "_of", "_page")]) for hit in hits}) < 2
    withheld = data.get("withheld_hits", [])
    assert sum(each["count"] for each in withheld) in (0, len(CODES))
    assert not [code for code in CODES if code in text + str(data)]


@for_each("query", ["cafe", "café bank", "river*", "ACCOUNT bank", "from:Bob account"])
async def test_a_message_with_a_code_is_found_by_its_other_words(
    client: Client, archive: Archive, query: str
) -> None:
    await received(archive, FAR.format(code="X7KQ9PZ"))
    text, data = await answer(client, "search_messages", query=query)
    assert [each["message_id"] for each in data["messages"]] == ["X1"]
    assert "**" in text


@for_each(
    "query, mode, found",
    [
        ("pay bank", "words", True),
        ("pay nothing", "words", False),
        ("pay nothing", "any", True),
        ("pay OR nothing", "words", True),
        ('"the bank"', "words", True),
        ('"bank the"', "words", False),
        ("ban*", "words", True),
        ("ban", "words", False),
        ("an", "substring", True),
        ("has:image", "words", True),
        ("hidden", "words", False),
        ("from:Bob pay", "words", True),
        ("in:Bob pay", "words", False),
    ],
)
def test_a_query_finds_a_masked_text_as_a_search_does(query: str, mode: Any, found: bool) -> None:
    sought = Sought(query, mode, missing=MASK)
    assert sought.finds(f"Pay the bank, log in: {MASK}") is found


@given(
    st.lists(st.sampled_from(["pay", "bank", "pa", "ban", "银", "é", "🙂"]), min_size=1, max_size=3),
    st.lists(
        st.sampled_from(["pay", "bank", "BAN", "ban", "k", "银行", "e\u0301", "🙂", " ", "-", MASK]),
        max_size=8,
    ),
)
def test_a_phrase_stands_in_a_masked_text_where_its_tokens_follow_each_other(
    phrase: list[str], pieces: list[str]
) -> None:
    wanted = " ".join(tokens(" ".join(phrase)))
    parts = "".join(pieces).split(MASK)
    stands = any(f" {wanted} " in f" {' '.join(tokens(part))} " for part in parts)
    quoted = " ".join(phrase)
    assert Sought(f'"{quoted}"', missing=MASK).finds("".join(pieces)) is stands
