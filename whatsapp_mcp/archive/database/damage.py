"""Damaged databases: they are quarantined, and recreated."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import Final

_PARTS: Final = ("", "-wal", "-shm")

logger = logging.getLogger(__name__)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error says that a file is damaged; a full disk and a lock pass by themselves."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, sqlite3.OperationalError | sqlite3.IntegrityError | sqlite3.ProgrammingError
    )


def is_whole(db: sqlite3.Connection) -> bool:
    """Whether a database can be read through."""
    try:
        return db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
    except sqlite3.DatabaseError as error:
        return not is_damage(error)


def quarantine(path: Path, error: sqlite3.Error | str) -> None:
    """Rename a database that nobody has open, with its log, to `NAME.damaged`; a former one is replaced."""
    logger.error("archive: %s is damaged (%s): quarantined and recreated", path.name, error)
    for part in _PARTS:
        beside = path.with_name(path.name + part)
        if beside.exists():
            beside.replace(path.with_name(f"{path.name}.damaged{part}"))
