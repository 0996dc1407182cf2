"""A damaged `raw.db` costs what it held, and nothing else."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.archive import events as ev
from tests.archive.events import NOW, journal
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio


def damage(path: Path, at: int) -> None:
    """Overwrite all of a file from an offset."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = path.stat().st_size
    assert size > at
    with path.open("r+b") as file:
        file.seek(at)
        file.write(os.urandom(size - at))


@pytest.mark.parametrize("at", [0, 4096], ids=["no database", "malformed"])
async def test_a_damaged_raw_file_is_put_aside(folder: AccountFolder, at: int) -> None:
    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
        await archive.ingest(journal([ev.message(f"A{number}", "x" * 500) for number in range(50)]))
    damage(folder.raw_db, at)
    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
        for _ in range(2):  # whoever archives tries again
            with suppress(sqlite3.DatabaseError):
                await archive.ingest(journal([ev.message("B", "after")], after=50))
                break
        assert (await archive.message("B")).text == "after"
        assert (await archive.statistics()).messages == 51
    assert folder.raw_db.with_name("raw.db.damaged").exists()
    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
        await archive.ingest(journal([ev.message("C", "later")], after=51))
        assert (await archive.message("C")).text == "later"
