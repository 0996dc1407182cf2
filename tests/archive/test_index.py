"""Care of the search index."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.archive import events as ev
from tests.archive.events import NOON, journal
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.archive.care import maintenance
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio


async def test_merging_the_index_in_steps_leaves_one_piece_and_every_hit(
    archive: Archive, folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "_MERGE_PAGES", 1)
    for number in range(30):
        texts = " ".join(f"word{number}x{n}" for n in range(100))
        await archive.ingest(journal([ev.message(f"M{number}", texts, at=NOON + number)], after=number))
    steps = 0
    while await archive.merge_index():
        steps += 1
        assert len((await archive.search("word*", limit=50)).items) == 30
    assert steps > 1
    with closing(sqlite3.connect(folder.archive_db)) as db:
        assert db.execute("SELECT count(DISTINCT segid) FROM fts_idx").fetchone() == (1,)
    assert len((await archive.search("word*", limit=50)).items) == 30
    assert await archive.check() == ()
