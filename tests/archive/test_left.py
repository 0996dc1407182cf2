"""What comes after a page is counted without walking through the archive."""

from __future__ import annotations

import sqlite3

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, NOW, journal
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.archive.database.connections import connect_writer
from whatsapp_mcp.archive.read import message_queries
from whatsapp_mcp.models import MessageFilter, MessageKind
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio
FEW, MANY = 600, 3_000
FILTERS = [
    MessageFilter(chat=ANA, from_me=True),
    MessageFilter(chat=ANA, from_me=False),
    MessageFilter(chat=ANA, sender=ANA),
    MessageFilter(from_me=True),
    MessageFilter(kinds=(MessageKind.TEXT, MessageKind.IMAGE)),
]


def steps(db: sqlite3.Connection, where: MessageFilter) -> int:
    """Instructions of SQLite's machine that a first page takes, in hundreds."""
    taken = 0

    def tick() -> int:
        nonlocal taken
        taken += 1
        return 0

    db.set_progress_handler(tick, 100)
    page = message_queries.messages(db, where, limit=5)
    db.set_progress_handler(None, 0)
    assert page.left, where
    return taken


async def test_counting_what_is_left_takes_no_longer_where_there_is_more(folder: AccountFolder) -> None:
    taken: list[list[int]] = []
    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
        for first, last in ((0, FEW), (FEW, MANY)):
            events = [
                ev.message(f"A{n}", "word", sender=None if n % 3 else "", at=ev.NOON + n)
                for n in range(first, last)
            ]
            await archive.ingest(journal(events, first))
            db = connect_writer(folder.archive_db)
            taken.append([steps(db, where) for where in FILTERS])
            db.close()
    few, many = taken
    for where, before, after in zip(FILTERS, few, many, strict=True):
        assert after <= before * 1.5, where
