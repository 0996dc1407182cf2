"""A page has fewer messages where these are large: the server checks a page in one go."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.archive.events import ANA
from tests.features.imports.backups.lharries import bridge_database
from tests.features.imports.foreign.archives import pages_of
from whatsapp_mcp.features.imports.foreign import __main__ as process

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("forked")]
COUNT = 150
LENGTH = 60_000


async def test_large_messages_come_in_small_pages_and_none_is_missing(tmp_path: Path) -> None:
    times = (f"2023-11-14 22:{number // 60:02}:{number % 60:02}" for number in range(COUNT))
    rows = [(f"3A{number:04}", ANA, "15550000001", "x" * LENGTH, at, 0) for number, at in enumerate(times)]
    pages = await pages_of(bridge_database(tmp_path / "messages.db", [], rows))
    ids = [message.id for page in pages for message in page.messages]
    assert ids == [row[0] for row in rows]
    assert max(sum(len(message.text) for message in page.messages) for page in pages) < 4_000_000
    assert len(pages) > 2


def test_memory_that_is_too_small_for_a_page_is_enough_for_a_smaller_one() -> None:
    asked: list[int] = []

    class Large(process.Reading):
        def _page(self, after: int | None, rows: int) -> bytes:
            asked.append(rows)
            if rows > 10:
                raise MemoryError
            return b"{}"

    reading = Large.__new__(Large)
    reading._found = ()  # type: ignore[assignment]
    assert reading.page(None, {"after": None, "rows": 1_000}) == ({}, b"{}")  # type: ignore[arg-type]
    assert asked == [1_000, 250, 62, 15, 3]
