"""How much the writer keeps of the file in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import pytest

from tests.archive import events as ev
from tests.archive.events import NOW, journal
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.archive.database.connections import Writer, connect_writer
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio


@pytest.fixture
async def writer(folder: AccountFolder) -> AsyncIterator[Writer]:
    """The writer of an empty file."""
    with closing(connect_writer(folder.archive_db)) as db:
        yield Writer(db)


def cache(db: sqlite3.Connection) -> int:
    """KiB of pages that a connection keeps."""
    return -int(db.execute("PRAGMA cache_size").fetchone()[0])


async def test_what_is_written_at_once_has_a_large_cache_that_the_second_call_in_a_row_gives_back(
    writer: Writer,
) -> None:
    assert await writer.run(cache) <= 1_024
    assert await writer.run(cache, bulk=True) >= 32_768
    assert await writer.run_bare(cache) >= 32_768  # an import goes on after one that came between
    assert await writer.run_bare(cache, bulk=True) >= 32_768
    await writer.run_bare(cache)
    assert await writer.run_bare(cache) <= 1_024


async def test_the_past_is_written_at_once_and_what_comes_live_is_not(
    folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bool] = []
    run_bare = Writer.run_bare

    async def noted(self: Writer, *args: Any, bulk: bool = False) -> Any:
        written.append(bulk)
        return await run_bare(self, *args, bulk=bulk)

    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
        monkeypatch.setattr(Writer, "run_bare", noted)
        await archive.ingest(journal([ev.message("A1", "one")]))
        await archive.ingest(journal([ev.history(ev.conversation([]))], after=1))
        monkeypatch.undo()
    assert written == [False, True]
