"""Opening the files of an archive for writing: a new or an older one is brought to this version's schema.

Before the tables of an older one are changed, it is copied. A damaged file is quarantined, and recreated.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from whatsapp_mcp.archive.database import schema
from whatsapp_mcp.archive.database.connections import connect_writer
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.files import encrypted_databases
from whatsapp_mcp.files.encrypted_databases import DatabaseKey
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.system import replaced

_PARTS: Final = ("", "-wal", "-shm")
_ROOM: Final = 2
"""Free space that an upgrade needs, in sizes of the file: for the copy and, while it lasts, the log."""
_PAGES: Final = 25_000
"""Pages copied between two log lines on the progress: 100 MB."""

logger = logging.getLogger(__name__)


def is_damage(error: sqlite3.Error) -> bool:
    """Check whether an error means that a file is damaged; a full disk or a lock passes by itself."""
    # Python raises the base class itself for SQLITE_CORRUPT and SQLITE_NOTADB.
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, sqlite3.OperationalError | sqlite3.IntegrityError | sqlite3.ProgrammingError
    )


def is_whole(db: sqlite3.Connection) -> bool:
    """Check whether a database can be read through without finding damage."""
    try:
        # Not integrity_check, which also compares each index with its table and takes far longer.
        return db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
    except sqlite3.DatabaseError as error:
        return not is_damage(error)


def quarantine(path: Path, error: sqlite3.Error | str) -> None:
    """Rename a database that nobody has open, with its log, to `NAME.damaged`; a former one is replaced."""
    logger.error("archive: %s is damaged (%s): quarantined and recreated", path.name, error)
    # The log goes along: SQLite would replay it into the new file (https://sqlite.org/howtocorrupt.html).
    for part in _PARTS:
        beside = path.with_name(path.name + part)
        if beside.exists():
            beside.replace(path.with_name(f"{path.name}.damaged{part}"))


def back_up_before_upgrade(db: sqlite3.Connection, path: Path, key: DatabaseKey | None = None) -> None:
    """Copy an archive of an older version to `NAME.version-N`, whole or not at all; a former copy goes.

    Args:
        db: The archive.
        path: Where it lies.
        key: Its key, if it is encrypted; the copy has the same.

    Raises:
        Busy: The disk has no room for the copy and the upgrade.
        Unsupported: The file is of a newer version, or of one that is too old.
        OSError: The copy cannot be written.
    """
    version = schema.ARCHIVE.version_of(db)
    if version in (0, schema.ARCHIVE.version):
        return
    copy = path.with_name(f"{path.name}.version-{version}")
    pages = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    size = int(db.execute(pages).fetchone()[0])
    needed, free = _ROOM * size, shutil.disk_usage(path.parent).free
    if free < needed:
        raise Busy(
            f"Upgrading the archive takes {needed >> 20} MB of free space, and there are {free >> 20} MB.",
            "Free that much on the disk; the archive is unchanged.",
        )
    for former in path.parent.glob(f"{path.name}.version-*"):
        former.unlink(missing_ok=True)

    def log_progress(_: int, remaining: int, total: int) -> None:
        logger.info("archive: backup before the upgrade: %d %%", 100 - 100 * remaining // max(total, 1))

    # By SQLite, not as a file: a part of it is in the log, and others may be writing.
    with replaced(copy) as part, closing(encrypted_databases.connect(part, key)) as target:
        db.backup(target, pages=_PAGES, progress=log_progress)
    logger.info("archive: the former version is kept in %s", copy.name)


def connect(folder: AccountFolder) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """Open `archive.db` and `raw.db`.

    Raises:
        Unsupported: One was written by a newer version, or by one that is too old.
    """
    key = folder.key_of(folder.archive_db)
    db = connect_writer(folder.archive_db, key)
    back_up_before_upgrade(db, folder.archive_db, key)
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
        if not is_damage(error):
            raise
        quarantine(folder.raw_db, error)
        return _migrated_raw(folder)


def _migrated_raw(folder: AccountFolder) -> sqlite3.Connection:
    return connect_new_raw(folder.raw_db, folder.key_of(folder.raw_db))
