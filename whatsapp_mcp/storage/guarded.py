"""SQLite files that the client process writes as well, opened so that nothing in them runs here.

Whoever has taken over a client process puts into its databases what they like: triggers, views without an
end, virtual tables, forged pages. SQLite asks an authorizer about every table, function and statement when
it prepares one, also for what a trigger or a view does, and again after the schema has changed. So it does
not matter when something was planted.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection
from typing import Final

_READS: Final = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_TRANSACTION,
}
_WRITES: Final = {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE}
_FUNCTIONS: Final = {"coalesce", "count", "glob", "iif", "instr", "length", "like", "max", "quote", "substr"}
_PRAGMAS: Final = {
    "busy_timeout",
    "foreign_keys",
    "journal_mode",
    "quick_check",
    "table_info",
    "table_xinfo",
    "temp_store",
    "wal_checkpoint",
}
_SCHEMA: Final = {"sqlite_master", "sqlite_schema"}
_COPY: Final = "vacuum_"
"""How the name begins that VACUUM gives the file that it builds."""
_OF_COPY: Final = {sqlite3.SQLITE_CREATE_TABLE, sqlite3.SQLITE_READ, *_WRITES}
_STEPS_BETWEEN_CHECKS: Final = 2_000
_LENGTH: Final = 1024 * 1024
"""Bytes of any value; the client library stores no key that is nearly as long."""


def guard(
    db: sqlite3.Connection,
    *,
    reads: Collection[str] | None = None,
    writes: Collection[str] = (),
    vacuums: bool = False,
) -> None:
    """Refuse what is not among these tables, or comes of a trigger or a view, with `sqlite3.DatabaseError`.

    Args:
        db: A connection that has read nothing yet.
        reads: Tables that are read; None: every one.
        writes: Tables that are written, and read.
        vacuums: Whether the file is written anew, with no other tables than these.
    """
    for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0"):
        db.execute(f"PRAGMA {pragma}")
    readable = None if reads is None else {*reads, *writes, *_SCHEMA}
    copied = {*writes, *_SCHEMA} if vacuums else set[str]()

    def may(action: int, name: str | None, about: str | None, database: str | None, by: str | None) -> bool:
        if by is not None:  # a trigger, a view
            return False
        if database is not None and database.startswith(_COPY):
            return action in _OF_COPY and name in copied
        match action:
            case sqlite3.SQLITE_READ:
                return readable is None or name in readable
            case sqlite3.SQLITE_FUNCTION:
                return about in _FUNCTIONS
            case sqlite3.SQLITE_PRAGMA:
                return name in _PRAGMAS
            case sqlite3.SQLITE_ATTACH:
                return vacuums and name == ""
            case _:
                return action in _READS or (action in _WRITES and name in writes)

    def authorize(*asked: str | int | None) -> int:
        return sqlite3.SQLITE_OK if may(*asked) else sqlite3.SQLITE_DENY  # pyright: ignore[reportArgumentType]

    db.set_authorizer(authorize)


def limit_values(db: sqlite3.Connection) -> None:
    """Refuse values that are longer than any key."""
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LENGTH)


def limit_time(db: sqlite3.Connection, until: float, monotonic: Callable[[], float] = time.monotonic) -> None:
    """Break every statement off that is not over at a time, with `sqlite3.OperationalError`."""
    db.set_progress_handler(lambda: monotonic() > until, _STEPS_BETWEEN_CHECKS)
