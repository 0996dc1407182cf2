"""All rows of a ledger as compressed lines of JSON: of no version of the tables, and of no key of a file."""

from __future__ import annotations

import base64
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

from whatsapp_mcp.errors import Busy

_COMPRESSION: Final = 1
_POSITION: Final = "log_position"
"""Is not of the ledger but of its copy on one machine."""
_SEQUENCES: Final = "sqlite_sequence"
"""Which numbers were used up (https://sqlite.org/autoinc.html)."""


def dump(db: sqlite3.Connection) -> bytes:
    """What the tables hold, the same for the same rows; `db` is in a transaction."""
    pack = zlib.compressobj(_COMPRESSION)
    return b"".join(pack.compress(line) for line in _lines(db)) + pack.flush()


def restore(db: sqlite3.Connection, content: bytes) -> None:
    """Replace all rows by those of a dump; `db` is in a transaction.

    Raises:
        Busy: A newer version wrote it.
    """
    for table in _tables(db):
        _empty(db, table)
    insert = ""
    try:
        for line in zlib.decompress(content).splitlines():
            head, values = json.loads(line)
            if head is not None:
                _empty(db, head[0])  # the sequences, which the rows before have raised
                insert = _insert(*head)
            else:
                db.execute(insert, from_json(values))
    except sqlite3.OperationalError as error:
        raise newer_version() from error


def is_empty(db: sqlite3.Connection) -> bool:
    """Whether no table has a row."""
    return not any(
        db.execute(f"SELECT EXISTS (SELECT 1 FROM {table})").fetchone()[0]  # noqa: S608
        for table in _tables(db)
    )


def to_json(values: Iterable[Any]) -> list[Any]:
    """Values of SQLite as those of JSON."""
    return [
        {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
        for value in values
    ]


def from_json(values: Iterable[Any]) -> list[Any]:
    """The reverse of `to_json`."""
    return [base64.b64decode(value["base64"]) if isinstance(value, dict) else value for value in values]


def newer_version() -> Busy:
    """The error of a ledger in which a newer version has written what this one has no table for."""
    return Busy(
        "The ledger holds what a newer version of whatsapp-mcp has written.",
        "Upgrade whatsapp-mcp and restart it.",
    )


def _lines(db: sqlite3.Connection) -> Iterator[bytes]:
    for table in _tables(db):
        columns = [name for (name,) in db.execute("SELECT name FROM pragma_table_info(?)", (table,))]
        yield _line([table, columns], [])
        # In the order of their keys: rows that are inserted in it get keys in the same order.
        for row in db.execute(f"SELECT * FROM {table}"):  # noqa: S608
            yield _line(None, to_json(row))


def _line(head: list[Any] | None, values: list[Any]) -> bytes:
    return json.dumps([head, values], separators=(",", ":")).encode() + b"\n"


def _tables(db: sqlite3.Connection) -> list[str]:
    # The sequences come last: what is inserted before raises them.
    found = db.execute(
        """SELECT name FROM sqlite_master WHERE type = 'table' AND name != ?
        ORDER BY name LIKE 'sqlite_%', name""",
        (_POSITION,),
    )
    return [name for (name,) in found if not name.startswith("sqlite_") or name == _SEQUENCES]


def _empty(db: sqlite3.Connection, table: str) -> None:
    db.execute(f"DELETE FROM {table}")  # noqa: S608


def _insert(table: str, columns: list[str]) -> str:
    places = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608
