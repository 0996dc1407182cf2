"""Small pieces of SQL that many queries need."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence, Sized
from typing import Any


def value(db: sqlite3.Connection, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> Any:
    """The first column of the first row; None where there is no row."""
    row = db.execute(sql, values).fetchone()
    return None if row is None else row[0]


def column(db: sqlite3.Connection, sql: str, values: Sequence[Any] = ()) -> list[Any]:
    """The first column of every row."""
    return [row[0] for row in db.execute(sql, values).fetchall()]


def placeholders(values: Sized) -> str:
    """Return one `?` for each value, for `IN (…)`."""
    return ", ".join("?" * len(values))


def size_of(db: sqlite3.Connection) -> int:
    """The size of a database in bytes, with what its log holds."""
    return int(value(db, "PRAGMA page_count")) * int(value(db, "PRAGMA page_size"))
