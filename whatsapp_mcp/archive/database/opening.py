"""Opening the files of an archive for writing: a new or an older one is brought to this version's schema."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from whatsapp_mcp.archive.database import backup, damage, schema
from whatsapp_mcp.archive.database.connections import connect_writer
from whatsapp_mcp.files.encryption import DatabaseKey
from whatsapp_mcp.settings import AccountFolder


def connect(folder: AccountFolder) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """Open `archive.db` and `raw.db`.

    Raises:
        Unsupported: One was written by a newer version, or by one that is too old.
    """
    key = folder.key_of(folder.archive_db)
    db = connect_writer(folder.archive_db, key)
    backup.back_up_before_upgrade(db, folder.archive_db, key)
    schema.migrate(db)
    return db, connect_raw(folder)


def connect_new(path: Path, key: DatabaseKey | None) -> sqlite3.Connection:
    """Open an archive for writing; a new one is empty."""
    db = connect_writer(path, key)
    schema.migrate(db)
    return db


def connect_new_raw(path: Path, key: DatabaseKey | None) -> sqlite3.Connection:
    """Open a `raw.db` for writing; a new one is empty."""
    raw = connect_writer(path, key)
    schema.RAW.prepare(raw)
    return raw


def connect_raw(folder: AccountFolder) -> sqlite3.Connection:
    """Open `raw.db`; messages are here without it, so a damaged one is no reason to stop."""
    try:
        return _migrated_raw(folder)
    except sqlite3.DatabaseError as error:
        if not damage.is_damage(error):
            raise
        damage.quarantine(folder.raw_db, error)
        return _migrated_raw(folder)


def _migrated_raw(folder: AccountFolder) -> sqlite3.Connection:
    return connect_new_raw(folder.raw_db, folder.key_of(folder.raw_db))
