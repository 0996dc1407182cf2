"""A ledger as what a log makes of it: statements of each transaction, with their values; and a dump of all.

A body in the log is the hash of the former body (SHA-256; zeros at first) and the statements as JSON. The
file has the number and the hash of the last one that is in it, in the same transaction as what it wrote.
Statements are deterministic: times and whatever is drawn by chance are among their values. A dump is of no
version of the tables, and of no key of a file.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar, cast

from whatsapp_mcp.errors import Busy
from whatsapp_mcp.files.encrypted_databases import DatabaseKey
from whatsapp_mcp.ledger.tables import LEDGER, connect_ledger
from whatsapp_mcp.storage import Pruned, Rewound, StatementLog, transaction
from whatsapp_mcp.system import make_private_file

_COMPRESSION: Final = 1
"""Level of zlib: the fastest."""
_POSITION: Final = "log_position"
"""Is not of the ledger but of its copy on one machine."""
_SEQUENCES: Final = "sqlite_sequence"
"""Which numbers were used up (https://sqlite.org/autoinc.html)."""
T = TypeVar("T")
_BATCH: Final = 500
"""Rows of the log that are applied in one transaction."""
_PARTS: Final = ("", "-wal", "-shm")
_HASH: Final = 32
"""Bytes of the hash at the beginning of a body."""


def dump(db: sqlite3.Connection) -> bytes:
    """Return the content of the tables, the same for the same rows; `db` is in a transaction."""
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
    """Return whether no table has a row."""
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
    rows = db.execute(
        """SELECT name FROM sqlite_master WHERE type = 'table' AND name != ?
        ORDER BY name LIKE 'sqlite_%', name""",
        (_POSITION,),
    )
    return [name for (name,) in rows if not name.startswith("sqlite_") or name == _SEQUENCES]


def _empty(db: sqlite3.Connection, table: str) -> None:
    db.execute(f"DELETE FROM {table}")  # noqa: S608


def _insert(table: str, columns: list[str]) -> str:
    places = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608


logger = logging.getLogger(__name__)


class Position(NamedTuple):
    """The last row of the log that is in a file, and the hash of its body."""

    seq: int
    hash: bytes


_START: Final = Position(0, bytes(_HASH))


class _OfAnotherLog(Rewound):
    """The file was made of a log, and not of this one."""


class _OfNoLog(Exception):
    """The file was made of no log, and is not empty."""


class _Recorder:
    """A connection that notes what is written through it, as far as changes of the ledger use one."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.written: list[list[Any]] = []

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> sqlite3.Cursor:
        """Execute a statement, and record it unless it is a SELECT."""
        cursor = self._db.execute(statement, values)
        if not statement.lstrip().startswith("SELECT"):
            self.written.append([statement, to_json(values)])
        return cursor

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> None:
        """Execute and record a statement for each of the rows."""
        for values in rows:
            self.execute(statement, values)


def position_of(db: sqlite3.Connection) -> Position | None:
    """The last row of the log that is in the file; None where it is made of none."""
    row = db.execute("SELECT seq, hash FROM log_position").fetchone()
    return None if row is None else Position(*row)


def write_logged(
    db: sqlite3.Connection, log: StatementLog, change: Callable[[sqlite3.Connection], T]
) -> tuple[T, int]:
    """Make a change of the file: its statements are in the log before it is committed.

    Returns:
        What the change answers, and how many bytes the log has more.

    Raises:
        StorageError: The log has refused it, and nothing has changed here.
        sqlite3.Error: It could not be written here, and may be in the log; `catch_up` before the next.
    """
    with transaction(db):
        recorder = _Recorder(db)
        answer, size = change(cast("sqlite3.Connection", recorder)), 0
        if recorder.written:
            former = position_of(db) or _START
            body = former.hash + json.dumps(recorder.written, separators=(",", ":")).encode()
            seq, size = log.append(body), len(body)
            if seq != former.seq + 1:
                raise Rewound(f"The ledger has {former.seq} rows of its log, whose next is {seq}.")
            _move_to(db, Position(seq, _hash(body)))
    return answer, size


def catch_up(db: sqlite3.Connection, log: StatementLog) -> None:
    """Apply what the log has beyond the file.

    Raises:
        StorageError: The log cannot be read.
        sqlite3.Error: The file cannot be written.
        Busy: A newer version has written what follows.
    """
    position = position_of(db) or _START
    while rows := log.read(position.seq, _BATCH):
        with transaction(db):
            for row in rows:
                if row.body[:_HASH] != position.hash:
                    raise _OfAnotherLog(f"Row {row.seq} of the ledger's log does not follow the one before.")
                _apply(db, row.body)
                position = Position(row.seq, _hash(row.body))
            _move_to(db, position)


def open_replica(
    path: Path, key: DatabaseKey | None, log: StatementLog, *, leads: bool = True
) -> sqlite3.Connection:
    """A connection to the file, which is what the log makes; one that differs is set aside and made again.

    For a leader one that the log has made, and that has more than the log or differs from it, stays where it
    is: it shows that the log has lost something.

    Args:
        path: The file.
        key: Its key, if it is encrypted.
        log: The account's.
        leads: Whether the log must be that of a leader whose epoch is not over, with all its rows durable.

    Raises:
        Rewound: The log of a leader lacks what the file has.
        StorageError: The log cannot be read.
        sqlite3.Error: The file cannot be written.
        Busy: A newer version has written the log.
        Unsupported: A newer version has written the file, or one that is too old.
    """
    if leads:
        # Raises where this leader's epoch is over, and makes sure that all rows are durable.
        log.last()
    try:
        return _opened(path, key, log)
    except _OfAnotherLog:
        if leads:
            raise
        quarantine_file(path)
    except Pruned:
        # It is older than what the log still has. A purge may lie between, so nothing of it stays.
        for part in _PARTS:
            path.with_name(path.name + part).unlink(missing_ok=True)
    except (_OfNoLog, sqlite3.DatabaseError) as error:
        # A lock or a full disk passes by itself: no reason to set the file aside.
        if isinstance(error, sqlite3.OperationalError):
            raise
        quarantine_file(path)
    return _opened(path, key, log)


def snapshot(path: Path, key: DatabaseKey | None) -> tuple[Position, bytes]:
    """Return the last row of the log in the file, and the file's content, unaffected by concurrent writes.

    Raises:
        sqlite3.Error: It cannot be read.
    """
    with closing(connect_ledger(path, key)) as db:
        db.execute("BEGIN")
        return position_of(db) or _START, dump(db)


def begin_log(log: StatementLog, content: bytes, name: str) -> None:
    """Let an empty log begin with a dump.

    The dump follows two rows, which change nothing. The second stays, and is like no row of a former log of
    the account whose numbers began at 1 as well: a copy that was made of that one is made again. The first
    goes, so a copy without any row does not go on without the dump.

    Args:
        log: The account's.
        content: The dump.
        name: What no other log begins with.

    Raises:
        StorageError: The log has refused it.
    """
    position = _START
    for _ in range(2):
        body = position.hash + json.dumps([["SELECT ?", to_json([name])]], separators=(",", ":")).encode()
        position = Position(log.append(body), _hash(body))
    log.put_snapshot(position.seq, content)


def restore_alone(path: Path, key: DatabaseKey | None, content: bytes) -> None:
    """Replace what the file holds by a dump, and let it be made of no log.

    Raises:
        sqlite3.Error: It cannot be written.
        Busy: A newer version has made the dump.
    """
    make_private_file(path)
    with closing(connect_ledger(path, key)) as db:
        LEDGER.prepare(db)
        with transaction(db):
            restore(db, content)
            db.execute("DELETE FROM log_position")


def _opened(path: Path, key: DatabaseKey | None, log: StatementLog) -> sqlite3.Connection:
    is_new = not path.exists()
    make_private_file(path)
    db = connect_ledger(path, key)
    try:
        LEDGER.prepare(db)
        position = position_of(db)
        # An empty file belongs to any log, and begins as a new one does.
        if position is None and (is_new or is_empty(db)):
            _begin(db, log)
        else:
            _compare(position, log)
        catch_up(db, log)
    except BaseException:
        db.close()
        raise
    return db


def _begin(db: sqlite3.Connection, log: StatementLog) -> None:
    newest = log.newest_snapshot()
    with transaction(db):
        position = _START
        if newest is not None:
            restore(db, newest.content)
            # The last row of a snapshot stays in the log: the next one is compared with its hash.
            position = Position(newest.seq, _hash_at(log, newest.seq) or b"")
        _move_to(db, position)


def _compare(position: Position | None, log: StatementLog) -> None:
    if position is None:
        raise _OfNoLog
    if position.hash != _hash_at(log, position.seq):
        raise _OfAnotherLog("The ledger is not what its log makes.")


def _hash_at(log: StatementLog, seq: int) -> bytes | None:
    if seq == 0:
        return _START.hash
    rows = log.read(seq - 1, 1)
    return _hash(rows[0].body) if rows and rows[0].seq == seq else None


def _apply(db: sqlite3.Connection, body: bytes) -> None:
    try:
        for statement, values in json.loads(body[_HASH:]):
            db.execute(statement, from_json(values)).fetchall()
    except sqlite3.OperationalError as error:
        # A table or a column of a newer version; any other error is of this machine, and may pass.
        if "no such" in str(error) or "has no column" in str(error):
            raise newer_version() from error
        raise


def _move_to(db: sqlite3.Connection, position: Position) -> None:
    db.execute("INSERT OR REPLACE INTO log_position VALUES (0, ?, ?)", position)


def _hash(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


def quarantine_file(path: Path) -> None:
    """Quarantine a file that nobody has open."""
    logger.error("ledger: %s is not what its log makes: quarantined and recreated", path.name)
    for part in _PARTS:
        there = path.with_name(path.name + part)
        if there.exists():
            there.replace(path.with_name(f"{path.name}.damaged{part}"))
