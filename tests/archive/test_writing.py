"""How much the writer keeps of the file in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing

import pytest

from whatsapp_mcp.archive.store import Writer, connect_writer
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


async def test_what_is_written_at_once_has_a_large_cache_that_the_next_call_gives_back(
    writer: Writer,
) -> None:
    assert await writer.run(cache) <= 1_024
    assert await writer.run(cache, bulk=True) >= 32_768
    assert await writer.run_bare(cache, bulk=True) >= 32_768
    assert await writer.run_bare(cache) <= 1_024
