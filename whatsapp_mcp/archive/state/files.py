"""The file of a message, and what is known about it: it goes where its message goes."""

from __future__ import annotations

import sqlite3
from typing import Final

from whatsapp_mcp.archive import database
from whatsapp_mcp.models import FileStep, ReadingKind

ABOUT_FILES: Final = ("readings", "file_problems", "kept_files", "imported_files")
"""The tables with what is known about the file of a message; each has one row a message."""
_TABLES: Final = ("media", *ABOUT_FILES)

READING_KINDS: Final = (ReadingKind.DOCUMENT, ReadingKind.PICTURE, ReadingKind.TRANSCRIPT)
"""The kinds of `readings`, by their numbers."""
FILE_STEPS: Final = (FileStep.FETCH, FileStep.READ)
"""The steps of `file_problems`, by their numbers."""
BETWEEN: Final = "\f"
"""Stands between two passages in `readings.text`, and in no passage."""


def drop_file(db: sqlite3.Connection, message: int) -> None:
    """Forget the file of a message, and what was read in it."""
    for table in _TABLES:
        db.execute(f"DELETE FROM {table} WHERE message_id = ?", (message,))  # noqa: S608


def purge_files(db: sqlite3.Connection) -> None:
    """Forget the files of the messages in `gone`, and what was read in them."""
    for table in _TABLES:
        db.execute(f"DELETE FROM {table} WHERE message_id IN (SELECT id FROM gone)")  # noqa: S608


def move_file(db: sqlite3.Connection, old: int, new: int) -> None:
    """Give the file of a message the message's new id."""
    for table in _TABLES:
        db.execute(f"UPDATE {table} SET message_id = ? WHERE message_id = ?", (new, old))  # noqa: S608


def merge_file(db: sqlite3.Connection, stays: int, goes: int) -> None:
    """Keep of two copies of a message the file of the first, and what only the second one's tells."""
    has_file = db.execute(
        """UPDATE media AS s SET path = coalesce(s.path, g.path) FROM media AS g
        WHERE s.message_id = ? AND g.message_id = ?""",
        (stays, goes),
    ).rowcount
    if has_file > 0:
        for table in ABOUT_FILES:
            moved = db.execute(
                f"UPDATE OR IGNORE {table} SET message_id = ? WHERE message_id = ?",  # noqa: S608
                (stays, goes),
            ).rowcount
            if table == "readings" and moved > 0:
                database.reindex_message(db, stays)
    drop_file(db, goes)
