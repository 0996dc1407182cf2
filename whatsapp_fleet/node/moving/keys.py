"""The client library's tables, copied between a file and a schema of PostgreSQL.

The library makes the tables at both places, so that their shape is its own; the rows are copied. A table has
the same digest at both.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, closing
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Final, NamedTuple

import anyio
import anyio.to_thread
from psycopg import sql

from whatsapp_fleet.database import Database, Session, connect
from whatsapp_fleet.keys import Login, lock_plain, with_login
from whatsapp_mcp.client.client_storage import KEYS_FILE, ClientStorage
from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.processes.child_process import kept_variables, module_command
from whatsapp_mcp.storage import KeysAddress, KeysUnreadable, guard

_MAKE_LIMIT: Final = 60.0
"""Seconds in which the library has made its tables; it takes about one."""
_VERSION_TABLE: Final = "whatsmeow_version"
_ROWS: Final = 1_000
_MOST_COLUMNS: Final = 1_000
"""Columns of all tables together; the library has some eighty."""
_MOST_ROWS: Final = 4_000_000
_MOST_BYTES: Final = 512 << 20
"""Most bytes of one table as text, in which a byte of keys has two characters. A busy account has some
megabytes."""
_COLUMNS: Final = """
SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns
WHERE table_schema = %s ORDER BY table_name, ordinal_position LIMIT %s
"""
_FITS: Final = """
SELECT count(*) <= {rows} AND coalesce(sum(octet_length(each::text)), 0) <= {bytes} FROM {table} AS each
"""
_REFERENCES: Final = """
SELECT one.relname, other.relname FROM pg_constraint
JOIN pg_class AS one ON one.oid = conrelid JOIN pg_class AS other ON other.oid = confrelid
WHERE contype = 'f' AND connamespace = %s::regnamespace
"""
_FILE_TABLES: Final = """
SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'
"""

_TYPES: Final[dict[str, type]] = {
    "bytea": bytes,
    "text": str,
    "uuid": str,
    "bigint": int,
    "integer": int,
    "boolean": bool,
}
"""Types of the library's columns in PostgreSQL, and what their values are here."""


class Table(NamedTuple):
    """A table as PostgreSQL has it: its columns and the types of their values."""

    name: str
    columns: tuple[str, ...]
    types: tuple[type, ...]


class TableDigest(NamedTuple):
    """Digest of a table: the number of rows, and the SHA-256 of all of them in any order."""

    rows: int
    sha256: str


async def make_tables(folder: Path, *addresses: KeysAddress) -> None:
    """Let the library make its tables, or bring them to its version, in a process of its own.

    Args:
        folder: The client's, which the process works in; tables are made in its file.
        addresses: Where else.

    Raises:
        Unsupported: The library did not.
    """
    storages = [ClientStorage(address) for address in (KEYS_FILE, *addresses)]
    with anyio.move_on_after(_MAKE_LIMIT):
        done = await anyio.run_process(
            module_command("whatsapp_mcp.client.load", *("tables" for _ in storages)),
            input=b"".join(storage.to_bytes() for storage in storages),
            cwd=folder,
            env=kept_variables(),
            check=False,
        )
        if done.returncode == 0:
            return
    raise _unusable()


class KeyTables:
    """The tables of one account in PostgreSQL, as its own role sees them.

    Args:
        session: A connection with the account's login, see `key_tables`.
        schema: Where they are.
    """

    def __init__(self, session: Session, schema: str) -> None:
        self._session = session
        self._schema = schema

    def put(self, path: Path) -> dict[str, TableDigest]:
        """Copy the tables of a file here, in place of what is here; answers what the file holds.

        Raises:
            Unsupported: The tables are of different versions, or not as they are known.
            psycopg.OperationalError: The connection was ended, by a newer leader perhaps.
        """
        with closing(_reading(path)) as db, self._session.transaction():
            tables = self._tables(db)
            for table in reversed(tables):
                self._session.execute(sql.SQL("DELETE FROM {}").format(self._name(table)))
            return {table.name: self._put_table(db, table) for table in tables}

    def take(self, path: Path) -> dict[str, TableDigest]:
        """Copy the tables here to a file, in place of what it holds; answers what is here.

        Raises:
            Unsupported: As of `put`.
            psycopg.OperationalError: As of `put`.
        """
        with closing(_connected(path)) as db, self._session.transaction():
            tables = self._tables(db)
            db.execute("PRAGMA synchronous = FULL")
            db.execute("BEGIN IMMEDIATE")
            for table in reversed(tables):
                db.execute(f'DELETE FROM "{table.name}"')  # noqa: S608  a table of the library
            taken = {table.name: self._take_table(db, table) for table in tables}
            db.execute("COMMIT")
            return taken

    def digests(self) -> dict[str, TableDigest]:
        """Return the digest of each table in the database."""
        with self._session.transaction():
            return {table.name: _digest(self._rows(table)) for table in self._known()}

    def digests_of(self, path: Path) -> dict[str, TableDigest]:
        """Return the digest of each table in a file."""
        with closing(_reading(path)) as db, self._session.transaction():
            return {table.name: _digest(_file_rows(db, table)) for table in self._tables(db)}

    def _tables(self, db: sqlite3.Connection) -> list[Table]:
        """The tables to copy, each after those that it refers to; they are the same at both places."""
        known = self._known()
        versions = sql.SQL("SELECT * FROM {} LIMIT 2").format(sql.Identifier(self._schema, _VERSION_TABLE))
        in_file = {name for (name,) in db.execute(_FILE_TABLES)}
        if (
            in_file != {table.name for table in known} | {_VERSION_TABLE}
            or self._session.execute(versions).fetchall()
            != db.execute(f"SELECT * FROM {_VERSION_TABLE}").fetchall()  # noqa: S608  a constant
            or any(set(table.columns) != _file_columns(db, table.name) for table in known)
        ):
            raise Unsupported(
                "The keys at both places are of different versions of the client library.",
                "Use one version of this package at both.",
            )
        return known

    def _known(self) -> list[Table]:
        """The tables here, each after those that it refers to, which stay as they are in this transaction."""
        tables: dict[str, list[tuple[str, type]]] = {}
        columns = self._session.execute(_COLUMNS, [self._schema, _MOST_COLUMNS + 1]).fetchall()
        if len(columns) > _MOST_COLUMNS:
            raise _strange()
        for table, column, kind in columns:
            if kind not in _TYPES:
                raise Unsupported(
                    "The client library keeps something of a kind that cannot be copied.",
                    "Use a version of this package that knows it.",
                )
            tables.setdefault(table, []).append((column, _TYPES[kind]))
        if _VERSION_TABLE not in tables:
            raise _unusable()
        try:
            lock_plain(self._session, self._schema, tables)
        except KeysUnreadable:
            raise _strange() from None
        del tables[_VERSION_TABLE]
        order = TopologicalSorter(dict.fromkeys(tables, ()))
        for table, other in self._session.execute(_REFERENCES, [f'"{self._schema}"']).fetchall():
            if table != other:
                order.add(table, other)
        return [Table(name, *zip(*tables[name], strict=True)) for name in order.static_order()]  # pyright: ignore[reportArgumentType]

    def _name(self, table: Table) -> sql.Identifier:
        return sql.Identifier(self._schema, table.name)

    def _put_table(self, db: sqlite3.Connection, table: Table) -> TableDigest:
        digest = _Digest()
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
            self._name(table), sql.SQL(", ").join(map(sql.Identifier, table.columns))
        )
        with self._session.cursor() as cursor, cursor.copy(statement) as copy:
            for row in _file_rows(db, table):
                digest.add(row)
                copy.write_row(row)
        return digest.result()

    def _take_table(self, db: sqlite3.Connection, table: Table) -> TableDigest:
        digest = _Digest()
        columns = ", ".join(f'"{column}"' for column in table.columns)
        values = ", ".join("?" * len(table.columns))
        statement = f'INSERT INTO "{table.name}" ({columns}) VALUES ({values})'  # noqa: S608  the library's
        for row in self._rows(table):
            digest.add(row)
            db.execute(statement, row)
        return digest.result()

    def _rows(self, table: Table) -> Iterator[tuple[Any, ...]]:
        """The rows of a table here, in the order in which they were written, roughly; in a transaction."""
        bounds = {"rows": sql.Literal(_MOST_ROWS), "bytes": sql.Literal(_MOST_BYTES)}
        fits = sql.SQL(_FITS).format(table=self._name(table), **bounds)
        if self._session.execute(fits).fetchone() != (True,):
            raise _strange()
        query = sql.SQL("SELECT {} FROM {} ORDER BY ctid").format(
            sql.SQL(", ").join(map(sql.Identifier, table.columns)), self._name(table)
        )
        with self._session.cursor(f"moving {table.name}") as cursor:
            cursor.itersize = _ROWS
            cursor.execute(query)
            for row in cursor:
                yield _as_known(row, table)


@asynccontextmanager
async def key_tables(database: Database, login: Login, limit: float) -> AsyncIterator[KeyTables]:
    """The tables of an account, over a connection with its own login (`with_login`).

    Args:
        database: Where.
        login: Of the leader's epoch.
        limit: Seconds in which all is answered.

    Raises:
        psycopg.OperationalError: It does not answer, or a newer leader has changed the login.
    """
    session = await anyio.to_thread.run_sync(connect, with_login(database, login))
    with closing(session):
        session.deadline = database.monotonic() + limit
        yield KeyTables(session, login.schema)


class _Digest:
    """The digest of rows in whatever order."""

    def __init__(self) -> None:
        self._rows: list[bytes] = []

    def add(self, row: Iterable[Any]) -> None:
        self._rows.append(hashlib.sha256(repr(tuple(row)).encode()).digest())

    def result(self) -> TableDigest:
        return TableDigest(len(self._rows), hashlib.sha256(b"".join(sorted(self._rows))).hexdigest())


def _digest(rows: Iterable[tuple[Any, ...]]) -> TableDigest:
    digest = _Digest()
    for row in rows:
        digest.add(row)
    return digest.result()


def _as_known(row: Iterable[Any], table: Table) -> tuple[Any, ...]:
    """A row of either place with the values that PostgreSQL's types have here."""
    return tuple(
        None if value is None else _converted(value, kind)
        for value, kind in zip(row, table.types, strict=True)
    )


def _converted(value: Any, kind: type) -> Any:
    match value:
        case bytes() | memoryview() if kind is str:
            return bytes(value).decode()
        case str() if kind is bytes:
            return value.encode()
        case _:
            return kind(value)


def _file_rows(db: sqlite3.Connection, table: Table) -> Iterator[tuple[Any, ...]]:
    columns = ", ".join(f'"{column}"' for column in table.columns)
    for row in db.execute(f'SELECT {columns} FROM "{table.name}" ORDER BY rowid'):  # noqa: S608  the library's
        yield _as_known(row, table)


def _file_columns(db: sqlite3.Connection, table: str) -> set[str]:
    return {name for _, name, *_ in db.execute(f'PRAGMA table_info("{table}")')}


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def _reading(path: Path) -> sqlite3.Connection:
    db = _connected(path)
    db.execute("PRAGMA query_only = ON")
    guard(db)
    return db


def _strange() -> Unsupported:
    return Unsupported(
        "The keys in the database are not as the client library keeps them, or are too many to copy.",
        "Nothing was changed. Whoever had the account's login may have written them: link the phone again.",
    )


def _unusable() -> Unsupported:
    return Unsupported(
        "The client library did not make its tables.",
        "Run `whatsapp-mcp-fleet doctor`, and see that the database lets in roles by password.",
    )
