"""Long texts, made to be slow to read, hold up neither a list nor a page of a file."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from mcp import Client

from tests.archive import events as ev
from tests.archive.events import journal
from tests.archive.test_file_readings import document
from tests.server.conftest import ANN_LEE, CLUB, incoming
from tests.server.fakes import NOON, FakeDevice
from tests.server.test_core_tools import answer
from tests.server.test_withholding import serving
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.models import FileReading, Passage, ReadingKind

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
    assert time.process_time() - began < 0.3 * GENEROUS
    assert "code 1234" not in shown
    assert "older. More: cursor=" in shown


@pytest.mark.parametrize("text", TEXTS)
async def test_a_page_of_a_file_is_shown_at_once(archive: Archive, client: Client, text: str) -> None:
    sent = ev.message("F1", document("long.pdf", 1_000), chat=ANN_LEE, sender=ANN_LEE, at=AT)
    await archive.ingest(journal([sent], after=await archive.position()))
    page = Passage((text * 2)[:100_000])
    await archive.record_reading("F1", FileReading(ReadingKind.DOCUMENT, (page,) * 2, "pypdf"))
    began = time.process_time()
    shown, _ = await answer(client, "read_file", message="F1", pages="2")
    assert time.process_time() - began < GENEROUS
    assert "code 1234" not in shown
    began = time.process_time()
    await answer(client, "read_file", message="F1", pages="1")
    assert time.process_time() - began < 0.3 * GENEROUS
