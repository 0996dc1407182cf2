"""A SQLite file that anybody may have made: opened before its process is confined, read after it.

Its tables may be views without end, its pages may be forged. Only plain tables are read, nothing of it is
executed, and the tables that are read are checked once as a whole.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from whatsapp_mcp.errors import InvalidArgument

TEXT: Final = 70_000
"""Characters of any text that are taken along; the archive has limits of its own."""
BLOB: Final = 1_024
"""Bytes of a key or a digest that are taken along."""
DAMAGE: Final = (sqlite3.Error, UnicodeDecodeError)
"""Errors that a damaged database causes; Python may fail to decode SQLite's own message about a name in
it."""
_COLUMNS: Final = 20_000
"""Most columns of all tables together: msgstore.db has some 2,000."""
_LIMITS: Final = {
    sqlite3.SQLITE_LIMIT_LENGTH: 16_000_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 200,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
}
_OWNER: Final = 200
"""Characters of what rows are found by."""
_CACHE_KIB: Final = 16_384
_MAY: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION})


@dataclass(frozen=True, slots=True)
class Schema:
    """The schema of a database.

    Attributes:
        version: Its `user_version`.
        tables: Columns by table; plain tables alone, whose columns are all stored.
    """

    version: int
    tables: Mapping[str, frozenset[str]]

    def has(self, table: str, *columns: str) -> bool:
        """Check whether a table exists and has at least these columns."""
        return table in self.tables and self.tables[table].issuperset(columns)


@dataclass(frozen=True, slots=True)
class Opened:
    """A guarded database, and what a source has to know beside it.

    Attributes:
        db: Its connection.
        schema: What it consists of.
        owner: Jid with the number of the account that it is imported into; None: not known.
        beside: Further databases of the same program that came with it.
    """

    db: sqlite3.Connection
    schema: Schema
    owner: str | None = None
    companions: tuple[Opened, ...] = ()


def opened(path: Path, *, is_complete: bool = True) -> sqlite3.Connection:
    """A connection to the file. SQLite opens it and reads 100 bytes; the rest it reads when it is asked to.

    Args:
        path: The file, beside which no log holds a part of it.
        is_complete: Whether it is a database already; if it is written later, SQLite asks for its size again.

    Raises:
        sqlite3.Error: There is no such file.
    """
    uri = f"{path.as_uri()}?mode=ro&{'immutable' if is_complete else 'nolock'}=1"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)


def guarded(db: sqlite3.Connection) -> Schema:
    """Let the file do nothing but be read, and say what it consists of.

    Raises:
        InvalidArgument: It is no database, or a damaged one.
    """
    db.text_factory = _decoded
    for limit, value in _LIMITS.items():
        db.setlimit(limit, value)
    try:
        for pragma in (
            *("trusted_schema = OFF", "cell_size_check = ON"),
            # They would be computed for each row that is looked at, and may cost anything.
            "ignore_check_constraints = ON",
            # No file can be opened later. None is mapped: a page that cannot be read would end the process.
            *("temp_store = MEMORY", "mmap_size = 0", f"cache_size = -{_CACHE_KIB}"),
        ):
            db.execute(f"PRAGMA {pragma}")
        return _schema(db)
    except DAMAGE:
        raise damaged() from None


def check(db: sqlite3.Connection, tables: Iterable[str]) -> None:
    """Look at whole tables once, with their indexes; from now on nothing but reading is possible.

    Args:
        db: The database, guarded.
        tables: Names; as `table.column` one whose rows are found by that column, as `indexed`.

    Raises:
        InvalidArgument: One of them is damaged.
    """
    try:
        for name in tables:
            table, _, column = name.partition(".")
            # A name of ours, or of a table that is there: SQLite takes no parameter here.
            if db.execute(f'PRAGMA quick_check("{table}")').fetchone() != ("ok",):
                raise damaged()
            if column:
                indexed(db, table, column)
        db.execute("PRAGMA query_only = ON")
        read_only(db)
    except DAMAGE:
        raise damaged() from None


def indexed(db: sqlite3.Connection, table: str, column: str) -> None:
    """Make `temp.<table>`, in memory: `row`, numbers of its rows, by `owner`, what stands in a column.

    A backup has no indexes: the app makes them when it restores one. Some 14 bytes to a row
    that is found by a number.
    """
    db.execute(
        # Without a type of its own, which would make numbers of ids that are digits.
        f"CREATE TEMP TABLE {table} (owner, row INTEGER, PRIMARY KEY (owner, row)) WITHOUT ROWID"
    )
    db.execute(
        f"INSERT INTO temp.{table} SELECT {column}, rowid FROM main.{table}"  # noqa: S608
        f" WHERE typeof({column}) IN ('integer', 'text') AND length({column}) <= {_OWNER}"
    )


def read_only(db: sqlite3.Connection) -> None:
    """Refuse every statement but a query."""
    db.set_authorizer(_authorize)


def damaged() -> InvalidArgument:
    """Return the error for a damaged database."""
    return InvalidArgument("The database is damaged.", "Give another copy of it.")


def text_of(value: Any) -> str | None:
    """A text, cut; None for what is none."""
    return value[:TEXT] if isinstance(value, str) and value else None


def number_of(value: Any) -> int | None:
    """A whole number; None for what is none."""
    return value if isinstance(value, int) else None


def blob_of(value: Any) -> bytes | None:
    """Bytes of a key or a digest; None for what cannot be one."""
    return value if isinstance(value, bytes) and 0 < len(value) <= BLOB else None


def _schema(db: sqlite3.Connection) -> Schema:
    # A view has no page of its own, nor has a virtual table; a hidden column may be computed when it is read.
    rows = db.execute(
        """SELECT s.name, c.name, c.hidden FROM main.sqlite_schema AS s, pragma_table_xinfo(s.name) AS c
        WHERE s.type = 'table' AND s.rootpage > 0 LIMIT ?""",
        (_COLUMNS,),
    ).fetchall()
    tables: dict[str, set[str]] = {}
    for table, column, _ in rows:
        tables.setdefault(str(table), set()).add(str(column))
    for table in {str(table) for table, _, hidden in rows if hidden}:
        del tables[table]
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return Schema(version, {table: frozenset(columns) for table, columns in tables.items()})


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _authorize(action: int, *_: str | None) -> int:
    return sqlite3.SQLITE_OK if action in _MAY else sqlite3.SQLITE_DENY
