"""SQLite files that the client process writes as well, opened so that nothing in them runs here.

Whoever has taken over a client process puts into its databases what they like: triggers, views without an
end, virtual tables, forged pages. SQLite asks an authorizer about every table, function and statement when
it prepares one, also for what a trigger or a view does, and again after the schema has changed. So it does
not matter when something was planted.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final

_READS: Final = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_TRANSACTION,
}
_WRITES: Final = {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE}
_FUNCTIONS: Final = {
    "coalesce",
    "count",
    "glob",
    "iif",
    "instr",
    "length",
    "like",
    "max",
    "quote",
    "substr",
    "typeof",
}
"""Functions that our own statements call; all others are refused."""
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
"""Prefix of the name that VACUUM gives to the file that it builds."""
_OF_COPY: Final = {sqlite3.SQLITE_CREATE_TABLE, sqlite3.SQLITE_READ, *_WRITES}
"""What VACUUM does to the file that it builds."""
_STEPS_BETWEEN_CHECKS: Final = 2_000
"""Instructions of SQLite's virtual machine between two looks at the clock."""
_SCHEMA_BYTES: Final = 8 * 1024
"""Most bytes of one row of a schema; the longest of the client library has a few hundred."""
_SCHEMA_STEPS: Final = 100
"""Instructions between two looks while a schema is loaded."""
_SCHEMA_CHECKS: Final = 20
"""Most runs of `_SCHEMA_STEPS` steps in which a schema is loaded: over two hundred rows, at most 50 MB once
parsed."""


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
        vacuums: Whether VACUUM may rewrite the file, with no other tables than these.
    """
    # What SQLite advises for files of others: https://sqlite.org/security.html
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
                # VACUUM attaches the file that it builds, which has no name.
                return vacuums and name == ""
            case _:
                return action in _READS or (action in _WRITES and name in writes)

    def authorize(*asked: str | int | None) -> int:
        return sqlite3.SQLITE_OK if may(*asked) else sqlite3.SQLITE_DENY  # pyright: ignore[reportArgumentType]

    # Last: it would refuse the settings above as well.
    db.set_authorizer(authorize)


@contextmanager
def bounded_schema(db: sqlite3.Connection) -> Iterator[None]:
    """Refuse a schema that is larger than any of ours, with `sqlite3.Error`, in the body.

    SQLite parses the whole schema whenever a connection needs it, which takes up to sixty times its size.
    No statement of the body may take many steps, or handle long values.
    """
    former = _limit_values(db, _SCHEMA_BYTES)
    # Counted by hand: SQLite counts on where the former run of a statement that is kept has ended.
    checks = count(1)
    db.set_progress_handler(lambda: next(checks) > _SCHEMA_CHECKS, _SCHEMA_STEPS)
    try:
        yield
    finally:
        db.set_progress_handler(None, 0)
        _limit_values(db, former)


@contextmanager
def bounded_transaction(
    db: sqlite3.Connection,
    value_bytes: int,
    until: float,
    clock: Callable[[], float] = time.monotonic,
    *,
    begin: str = "BEGIN",
) -> Iterator[None]:
    """A transaction in which nothing costs much, whatever the file holds.

    Within it, the schema stays as it was loaded; another one would be parsed by any statement.

    Args:
        db: A connection, in no transaction.
        value_bytes: A longer value is refused, with `sqlite3.DataError`.
        until: When a statement is broken off, with `sqlite3.OperationalError` (SQLITE_INTERRUPT).
        clock: What `until` is compared with.
        begin: How it begins.
    """
    former = _limit_values(db, value_bytes)
    try:
        with bounded_schema(db):
            db.execute(begin)
            # BEGIN does not load the schema: what reads first does, here within its bounds.
            db.execute("SELECT 1 FROM sqlite_master").fetchone()
        db.set_progress_handler(lambda: clock() > until, _STEPS_BETWEEN_CHECKS)
        yield
        db.execute("COMMIT")
    finally:
        db.set_progress_handler(None, 0)
        _limit_values(db, former)
        if db.in_transaction:
            db.execute("ROLLBACK")


def _limit_values(db: sqlite3.Connection, most: int) -> int:
    """Set how long a value may be; answers the former limit. SQLCipher's connections have none to set."""
    is_plain = type(db) is sqlite3.Connection
    return db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, most) if is_plain else most
