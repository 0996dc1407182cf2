"""How a file gets the tables of `tables.py`, and how an older file becomes a current one."""

from __future__ import annotations

import sqlite3
from typing import Final

from whatsapp_mcp.archive.database import migrations, tables
from whatsapp_mcp.archive.database.index import index_all
from whatsapp_mcp.errors import Unsupported

SCHEMA_VERSION: Final = tables.VERSION
RAW_VERSION: Final = 2
_CONTENTLESS: Final = (3, 43)
"""The SQLite that can delete from an index which keeps no text: https://sqlite.org/fts5.html#contentless_delete_tables"""
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
    _run(db, tables.INDEX.format(content=content))


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


def version(db: sqlite3.Connection) -> int:
    """The schema version of a file; 0 when it has no tables yet."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def refuse_newer(db: sqlite3.Connection, known: int) -> None:
    """Raise `Unsupported` when the file was written by a newer version of this program."""
    if version(db) > known:
        raise Unsupported(
            "The archive was written by a newer version of whatsapp-mcp.", "Upgrade this installation."
        )


def migrate(db: sqlite3.Connection) -> None:
    """Bring `archive.db` to the current schema, in one transaction; one that is killed has changed nothing.

    Raises:
        Unsupported: The file is of a newer version.
    """
    refuse_newer(db, SCHEMA_VERSION)
    without_index = version(db) > 0 and _forget_unusable_index(db)
    if version(db) == SCHEMA_VERSION and not without_index:
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        found = version(db)
        if found == 0:
            _run(db, tables.ARCHIVE)
            create_index(db)
        elif found < SCHEMA_VERSION:
            if without_index:
                _make_index(db)
            migrations.upgrade(db, found)
        if without_index:
            _make_index(db)
            index_all(db)
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        db.execute("COMMIT")
    except sqlite3.Error:
        db.execute("ROLLBACK")
        raise


def migrate_raw(db: sqlite3.Connection) -> None:
    """Bring `raw.db` to the current schema."""
    refuse_newer(db, RAW_VERSION)
    found = version(db)
    if found < RAW_VERSION:
        db.execute("BEGIN IMMEDIATE")
        if found == 0:
            _run(db, tables.RAW)
        _run(db, tables.APPLIED)
        db.execute(f"PRAGMA user_version = {RAW_VERSION}")
        db.execute("COMMIT")


def _run(db: sqlite3.Connection, script: str) -> None:
    """Run statements inside the open transaction (`executescript` would commit it)."""
    for statement in migrations.statements(script):
        db.execute(statement)
