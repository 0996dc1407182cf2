"""Creation of the tables of `tables.py` in a file, and migration of older files."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import Final

from whatsapp_mcp.archive.database import tables
from whatsapp_mcp.archive.database.index import index_all
from whatsapp_mcp.storage import Schema, run_script, transaction

_CONTENTLESS: Final = (3, 43)
"""The SQLite that can delete from an index which keeps no text: https://sqlite.org/fts5.html#contentless_delete_tables"""
# Ids stay below 2^53 until the year 2242: every JSON reader holds them exactly.
ID_BITS: Final = 20
"""Bits of a message's id below the seconds."""

RAW_GONE: Final = """CREATE TEMP TABLE IF NOT EXISTS raw_gone (
    message_id INTEGER PRIMARY KEY, path TEXT, becomes INTEGER)"""
"""Messages whose raw form and downloaded file must go, or get another id, noted while a batch is written."""


def create_index(db: sqlite3.Connection) -> None:
    """Make the empty search index.

    It keeps no text; an SQLite before 3.43, which cannot delete from such an index, gets one that does.
    """
    content = ", content='', contentless_delete=1" if sqlite3.sqlite_version_info >= _CONTENTLESS else ""
    run_script(db, tables.INDEX.format(content=content))


def _make(db: sqlite3.Connection) -> None:
    run_script(db, tables.ARCHIVE)
    create_index(db)


ARCHIVE: Final = Schema("archive", tables.VERSION, _make)
RAW: Final = Schema("archive", tables.RAW_VERSION, partial(run_script, script=tables.RAW))


def _forget_unusable_index(db: sqlite3.Connection) -> bool:
    """Take out a search index that this SQLite cannot read; answers whether there is none now.

    A file may come from a computer with a newer SQLite. The index goes without being opened, so the schema is
    written to. Whoever is killed before it is made again does that with the next start.
    """
    made = db.execute("SELECT sql FROM sqlite_master WHERE name = 'fts'").fetchone()
    if made is None:
        return True
    if sqlite3.sqlite_version_info >= _CONTENTLESS or "contentless_delete" not in made[0]:
        return False
    db.execute("PRAGMA writable_schema = ON")
    db.execute("DELETE FROM sqlite_master WHERE name = 'fts'")
    db.execute("PRAGMA writable_schema = RESET")
    return True


def _make_index(db: sqlite3.Connection) -> None:
    db.execute("DROP TABLE IF EXISTS fts")
    for part in ("data", "idx", "content", "docsize", "config"):
        db.execute(f"DROP TABLE IF EXISTS fts_{part}")
    create_index(db)


def migrate(db: sqlite3.Connection) -> None:
    """Bring `archive.db` to the current schema, in one transaction; one that is killed has changed nothing.

    Raises:
        Unsupported: The file is of a newer version, or of one that is too old.
    """
    version = ARCHIVE.version_of(db)
    without_index = version > 0 and _forget_unusable_index(db)
    if version == ARCHIVE.version and not without_index:
        return
    with transaction(db):
        if without_index:
            _make_index(db)  # a migration may write to it
        ARCHIVE.upgrade(db)
        if without_index:
            # Empty once more, as `index_all` needs it: a migration may have written to it.
            _make_index(db)
            index_all(db)
