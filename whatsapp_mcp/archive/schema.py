"""How a file gets the tables of `tables.py`, and how an older file becomes a current one."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from whatsapp_mcp.archive import migrations, tables
from whatsapp_mcp.errors import Busy, Unsupported
from whatsapp_mcp.private_file import replaced

logger = logging.getLogger(__name__)

SCHEMA_VERSION: Final = 7
RAW_VERSION: Final = 2
ID_BITS: Final = 20
"""Bits of a message's id below the seconds."""

_ROOM: Final = 2
"""Free space that a migration needs, in sizes of the file: for the copy and, while it lasts, the log."""
_BACKUP_PAGES: Final = 25_000
"""Pages copied between two words on how far it is: 100 MB."""

RAW_GONE: Final = """CREATE TEMP TABLE IF NOT EXISTS raw_gone (
    message_id INTEGER PRIMARY KEY, path TEXT, becomes INTEGER)"""
"""Messages whose raw form and downloaded file must go, or get another id, noted while a batch is written."""


def create_index(db: sqlite3.Connection) -> None:
    """Make the empty search index.

    It keeps no text; an SQLite before 3.43, which cannot delete from such an index, gets one that does.
    """
    content = ", content='', contentless_delete=1" if sqlite3.sqlite_version_info >= (3, 43) else ""
    _run(db, tables.INDEX.format(content=content))


def version(db: sqlite3.Connection) -> int:
    """The schema version of a file; 0 when it has no tables yet."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def refuse_newer(db: sqlite3.Connection, known: int) -> None:
    """Raise `Unsupported` when the file was written by a newer version of this program."""
    if version(db) > known:
        raise Unsupported(
            "The archive was written by a newer version of whatsapp-mcp.", "Upgrade this installation."
        )


def migrate(db: sqlite3.Connection, backup: Path | None = None) -> None:
    """Bring `archive.db` to the current schema, in one transaction; one that is killed has changed nothing.

    An older file is copied first.

    Args:
        db: The archive.
        backup: Where the copy goes; its name gets the former version. None: no copy is made.

    Raises:
        Unsupported: The file is of a newer version.
        Busy: The disk has no room for the copy and the work.
        OSError: The copy cannot be written.
    """
    refuse_newer(db, SCHEMA_VERSION)
    found = version(db)
    if found == SCHEMA_VERSION:
        return
    if found and backup is not None:
        _back_up(db, backup.with_name(f"{backup.name}.version-{found}"))
    db.execute("BEGIN IMMEDIATE")
    try:
        found = version(db)
        if found == 0:
            _run(db, tables.ARCHIVE)
            create_index(db)
        elif found < SCHEMA_VERSION:
            began = time.monotonic()
            migrations.upgrade(db, found, lambda what: logger.info("archive: migration: %s", what))
            logger.info("archive: migrated in %.1f s", time.monotonic() - began)
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        db.execute("COMMIT")
    except sqlite3.Error:
        db.execute("ROLLBACK")
        raise


def _back_up(db: sqlite3.Connection, copy: Path) -> None:
    """Copy the archive, whole or not at all, if there is room for that and for the migration."""
    size = int(
        db.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()[0]
    )
    needed, free = _ROOM * size, shutil.disk_usage(copy.parent).free
    if free < needed:
        raise Busy(
            f"Upgrading the archive takes {needed >> 20} MB of free space, and there are {free >> 20} MB.",
            "Free that much on the disk; the archive is unchanged.",
        )
    for former in copy.parent.glob(f"{copy.name.partition('.version-')[0]}.version-*"):
        former.unlink(missing_ok=True)

    def tell(_: int, remaining: int, total: int) -> None:
        logger.info("archive: backup before the migration: %d %%", 100 - 100 * remaining // max(total, 1))

    with replaced(copy) as part, closing(sqlite3.connect(part)) as target:
        db.backup(target, pages=_BACKUP_PAGES, progress=tell)
    logger.info("archive: the former version is kept in %s", copy.name)


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
