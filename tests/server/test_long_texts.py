"""Long texts, made to be slow to read, hold up neither a list nor a page of a file."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.archive import events as ev
from tests.archive.events import journal
from tests.archive.test_file_readings import document
from tests.server.conftest import ANN_LEE, CLUB, incoming
from tests.server.fakes import NOON, FakeDevice
from tests.server.test_core_tools import answer
from tests.server.test_withholding import TOM, serving
from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.models import FileReading, Message, MessageKind, Passage, ReadingKind
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.server.reading import Masker
from whatsapp_mcp.server.reading.withholding import View
from whatsapp_simulator import kinds

pytestmark = pytest.mark.anyio

LONGEST = 65_536
TEXTS = [
    "auth" * 16_250 + " code 1234",
    "code 1234 " * 6_554,
    "OTP 1234 " * 7_282,
    "1 2 3 4 " * 8_192,
    "ABCDE " * 10_923,
    "See https://example.com/a?b=1 and call +49 151 2345678 at 14:30, it is 1.299,00 € for 2 " * 745,
    "验证码1234，" * 7_282,
]
AT = int(NOON.timestamp()) + 7 * 3600
UNIT = "code 1234 zebra "
LIMIT = 0.3
"""Seconds on a computer that does nothing else."""
GENEROUS = 5
"""Times what it may take on a computer that does nothing else; quadratic patterns take a hundred times."""


@pytest.fixture
async def client(archive: Archive, device: FakeDevice, tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(archive, device, tmp_path) as connected:
        yield connected


@pytest.mark.parametrize("text", TEXTS)
async def test_a_list_of_50_of_the_longest_messages_is_shown_at_once(
    archive: Archive, client: Client, text: str
) -> None:
    start = NOON - timedelta(hours=1)
    await archive.ingest(
        [
            incoming(100 + number, CLUB, ANN_LEE, text[:LONGEST], start + timedelta(seconds=number))
            for number in range(50)
        ]
    )
    began = time.process_time()
    shown, _ = await answer(client, "list_messages", chat="Boat club", limit=50)
    assert time.process_time() - began < LIMIT * GENEROUS
    assert "code 1234" not in shown
    assert "older. More: cursor=" in shown


@pytest.mark.parametrize("text", TEXTS)
async def test_a_page_of_a_file_is_shown_at_once(archive: Archive, client: Client, text: str) -> None:
    sent = ev.message("F1", document("long.pdf", 1_000), chat=ANN_LEE, sender=ANN_LEE, at=AT)
    await archive.ingest(journal([sent], after=await archive.position()))
    page = Passage((text * 2)[:100_000])
    await archive.write(
        recording.record_reading, "F1", FileReading(ReadingKind.DOCUMENT, (page,) * 2, "pypdf")
    )
    began = time.process_time()
    shown, _ = await answer(client, "read_file", message="F1", pages="2")
    assert time.process_time() - began < LIMIT * GENEROUS
    assert "code 1234" not in shown


async def test_a_page_of_the_longest_file_is_shown_at_once(archive: Archive, client: Client) -> None:
    sent = ev.message("F1", document("long.pdf", 1_000), chat=ANN_LEE, sender=ANN_LEE, at=AT)
    await archive.ingest(journal([sent], after=await archive.position()))
    pages = tuple(Passage(f"{'code 1234 ' * 400}end {number}") for number in range(250))
    await archive.write(recording.record_reading, "F1", FileReading(ReadingKind.DOCUMENT, pages, "pypdf"))
    for wanted in ("1-", "100", "250"):
        began = time.process_time()
        shown, _ = await answer(client, "read_file", message="F1", pages=wanted)
        assert time.process_time() - began < LIMIT * GENEROUS
        assert "[one-time code hidden]" in shown
        assert "1234" not in shown
        assert f"end {int(wanted.rstrip('-')) - 1}" in shown


def cards() -> E2E.Message:
    """A message that is full of people, each with a name and notes full of codes."""
    return kinds.contacts(
        "zebra", [((UNIT * 500)[:7_000] + str(each), f"+1555017{each:04}") for each in range(17)]
    )


FLOODS: dict[str, Callable[[], E2E.Message | str]] = {
    "texts": lambda: (UNIT * 5_000)[:65_000],
    "cards": cards,
    "polls": lambda: kinds.poll((UNIT * 500)[:6_000], [f"{n} {UNIT * 14}" for n in range(64)], bytes(32)),
}


@pytest.mark.parametrize("flood", FLOODS)
@pytest.mark.parametrize("sender", [ANN_LEE, TOM])
async def test_no_flood_of_long_messages_holds_up_a_call(
    archive: Archive, client: Client, flood: str, sender: str
) -> None:
    start = (await answer(client, "wait_for_messages", wait=0))[1]["next_cursor"]
    sent = [
        ev.message(f"L{each}", FLOODS[flood](), chat=sender, sender=sender, at=AT + each)
        for each in range(60)
    ]
    await archive.ingest(journal(sent, after=await archive.position()))
    calls: tuple[tuple[str, dict[str, Any]], ...] = (
        ("search_messages", {"query": "zebra"}),
        ("search_messages", {"query": "ebr", "substring": True}),
        ("list_messages", {"chat": sender.partition("@")[0], "limit": 50}),
        ("list_chats", {}),
        ("digest", {"since": "2d"}),
        ("wait_for_messages", {"wait": 0, "cursor": start}),
    )
    for tool, arguments in calls:
        began = time.process_time()
        shown, _ = await answer(client, tool, **arguments)
        assert time.process_time() - began < LIMIT * GENEROUS, tool
        assert "1234" not in shown, tool


async def test_behind_a_flood_a_search_goes_on_where_its_cursor_says(
    archive: Archive, client: Client
) -> None:
    wanted = ev.message("L", "The zebra is at pier 4", chat=ANN_LEE, sender=ANN_LEE, at=AT)
    flood = [
        ev.message(f"L{each}", FLOODS["texts"](), chat=TOM, sender=TOM, at=AT + 1 + each)
        for each in range(60)
    ]
    await archive.ingest(journal([wanted, *flood], after=await archive.position()))
    found, cursor = list[Any](), None
    for _ in range(10):
        _, data = await answer(
            client, "search_messages", query="zebra", **({"cursor": cursor} if cursor else {})
        )
        found += data["messages"]
        if (cursor := data.get("next_cursor")) is None:
            break
    assert [each["message_id"] for each in found] == ["L"]


@pytest.mark.parametrize("long", [0, 49])
def test_a_short_message_beside_long_ones_is_read_closely(long: int) -> None:
    text = "We meet at 10 on pier 7. " * 8
    texts = [FLOODS["texts"]()] * 49
    texts.insert(long, text)
    shown = View(True).messages([_text(ref, str(each)) for ref, each in enumerate(texts)])
    assert shown[long].text == text
    assert not any("1234" in each.text for each in shown)


def test_behind_what_is_masked_by_words_everything_is() -> None:
    masker = Masker()
    masker.text("1 code 1234 " * 300_000)
    masker.begin(1)
    assert masker.text("Hello, 12 o'clock") == "[one-time code hidden]"
    assert masker.text("Hello") == "Hello"


def _text(ref: int, text: str) -> Message:
    return Message(
        ref, "", ANN_LEE, "", ANN_LEE, "", from_me=False, kind=MessageKind.TEXT, text=text, timestamp=NOON
    )
