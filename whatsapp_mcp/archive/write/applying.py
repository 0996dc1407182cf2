"""Context of an operation while it is applied: the databases in one transaction, and its own time."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import Final

from whatsapp_mcp.archive.database import value
from whatsapp_mcp.archive.identity import Lookups

_LOG_HASH: Final = """CREATE TABLE IF NOT EXISTS log_hash (
 id INTEGER PRIMARY KEY CHECK (id = 0), hash TEXT NOT NULL)"""
"""In `raw.db`, beside `applied`: the hash of the log up to that operation. There only if there is a log."""


@dataclass(slots=True)
class WriteContext:
    """One operation on its way into the archive.

    Attributes:
        db: `archive.db`, in a write transaction.
        raw: `raw.db`. What is written there commits before the archive does, so it must be idempotent.
        number: The operation's place in the order.
        at: When it was made, in milliseconds since 1970.
        lookups: What earlier operations have looked up.
        mark: Hash of the log up to this operation, as hexadecimal digits; None without a log.
        files: Downloaded files that no message has any more; whoever applies deletes them after the commit.
        opens_addons: Whether an add-on and the message that it is sealed with may have come together.
        keeps_lookups: Whether what was looked up still holds afterwards.
    """

    db: sqlite3.Connection
    raw: sqlite3.Connection
    number: int
    at: int
    lookups: Lookups
    mark: str | None = None
    files: list[str] = field(default_factory=list[str])
    opens_addons: bool = False
    keeps_lookups: bool = False

    @property
    def seconds(self) -> int:
        """When it was made, in seconds since 1970."""
        return self.at // 1000


_META: Final = "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
PLACES: Final = frozenset({"log_hash", "raw_operation", "raw_log_hash"})
"""Keys of `meta` that say where in a log the archive stands."""


def mark_archive(applied: int, db: sqlite3.Connection, mark: str) -> None:
    """Note in `archive.db` that a log with this hash goes on from here.

    Args:
        applied: The last operation that wrote in `raw.db`.
        db: `archive.db`.
        mark: The hash.
    """
    db.executemany(_META, (("log_hash", mark), ("raw_operation", applied), ("raw_log_hash", mark)))


def mark_raw(db: sqlite3.Connection, mark: str) -> None:
    """Note the same in `raw.db`."""
    db.execute(_LOG_HASH)
    db.execute("INSERT OR REPLACE INTO log_hash VALUES (0, ?)", (mark,))


def begin_operation(db: sqlite3.Connection, operation_at: int, mark: str | None = None) -> int:
    """Note an operation in `archive.db`, before anything that it writes; answers its number.

    What it adds to the change feed has the time that is noted here.
    """
    # Not one statement of two rows, nor RETURNING: either makes SQLite open a savepoint, at which the search
    # index writes down what it has gathered, so that many operations in one transaction took twice as long.
    db.execute("INSERT INTO meta VALUES ('operation', 1) ON CONFLICT DO UPDATE SET value = value + 1")
    db.execute(_META, ("operation_at", operation_at))
    if mark is not None:
        db.execute(_META, ("log_hash", mark))
    return int(value(db, "SELECT value FROM meta WHERE key = 'operation'"))


def begin_raw_operation(context: WriteContext) -> None:
    """Note the operation in `raw.db`, in the transaction there, if it writes anything there."""
    context.raw.execute("INSERT OR REPLACE INTO applied VALUES (0, ?)", (context.number,))
    if context.mark is not None:
        mark_raw(context.raw, context.mark)
        # What `raw.db` must at least hold: one that was lost or recreated is noticed at the next opening.
        context.db.execute(_META, ("raw_operation", context.number))
        context.db.execute(_META, ("raw_log_hash", context.mark))
