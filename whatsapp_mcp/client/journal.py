"""The journal (`inbox.db`): raw events of the client library in the order of their arrival.

The client process appends inside the library's callback; the leader reads, archives and prunes. Both use this
module, at the same time, each with a connection of its own. SQLite in WAL mode with `synchronous=FULL`: an
event whose `append` has returned survives a crash of any process and of the machine. A leader runs nothing
that a client has put into the file beside events (`storage/guarded.py`).
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, Self

from whatsapp_mcp.files import encrypted_databases
from whatsapp_mcp.files.encrypted_databases import DatabaseKey
from whatsapp_mcp.storage import (
    EVENT_BYTES,
    READ_BYTES,
    TOO_LARGE,
    JournalRow,
    bounded_schema,
    bounded_transaction,
    guard,
)
from whatsapp_mcp.system import make_private_file

# AUTOINCREMENT: a number whose event was pruned is never given again, or the archive, which is further by
# then, would take the new event for an archived one (https://sqlite.org/autoinc.html).
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS events (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    generation  INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    code        INTEGER NOT NULL,
    payload     BLOB NOT NULL
)
"""
# Of what kind a value is, and how large, is known before it is read: a client process that was taken over may
# have written any. `typeof` comes first, as a later column is found only by reading through those before it.
_SOUND: Final = """typeof(generation) = 'integer' AND typeof(received_at) = 'integer'
    AND typeof(code) = 'integer' AND typeof(payload) = 'blob'"""
_READ: Final = f"""SELECT seq, iif({_SOUND}, generation, NULL), iif({_SOUND}, received_at, NULL),
    iif({_SOUND}, iif(length(payload) <= :most, code, :too_large), NULL),
    iif({_SOUND}, iif(length(payload) <= :most, payload, x''), NULL)
FROM events WHERE seq > :after ORDER BY seq LIMIT :limit"""  # noqa: S608  no value is in it
_LAST_SEQ: Final = """SELECT iif(typeof(seq) = 'integer', seq, NULL) FROM sqlite_sequence
WHERE typeof(name) = 'text' AND name = 'events' LIMIT 1"""
_TABLES: Final = ("events", "sqlite_sequence")
_CHANGED: Final = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_INTERRUPT}
"""Codes by which SQLite says that a statement does not fit the tables, or was broken off."""
_DAMAGED: Final = "database disk image is malformed"
_BUSY_SECONDS: Final = 5.0
_CPU_SECONDS: Final = 20.0
"""Processor time of one access of the leader. Pruning a million events takes a few seconds; longer takes only
what goes round in circles, in a file whose pages point to one another."""
_WAL_BYTES: Final = 16 * 1024 * 1024
"""Size at which the log is moved into the file; what is archived and pruned by then never gets that far."""
_PAGE_BYTES: Final = 4096
"""SQLite's page size where none is set; it counts the log in pages."""
_CACHE_KIB: Final = 256
"""KiB of page cache; rows are written once and read once, so more would only fill."""


class Journal:
    """One connection to `inbox.db`, made (0600) if it is not there; usable from any thread.

    Args:
        path: The file.
        key: Its key, if it is encrypted.
        synced: Whether what this connection writes is on the disk when a method returns. The leader,
            which only prunes, need not wait: what is not pruned is pruned later.

    Every method may raise `sqlite3.Error`: a full disk, a damaged file, a lock held for over five seconds. A
    file that holds anything but events is a damaged one.
    """

    def __init__(self, path: Path, key: DatabaseKey | None = None, *, synced: bool = True) -> None:
        make_private_file(path)
        self._lock = threading.Lock()
        # Autocommit: a lone INSERT is a transaction of its own, undone by SQLite when it fails.
        self._db = encrypted_databases.connect(
            path, key, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            with self._using(), bounded_schema(self._db):
                self._db.execute("PRAGMA journal_mode=WAL")
                # With a log, NORMAL does not wait for the disk at a commit
                # (https://sqlite.org/pragma.html#pragma_synchronous).
                self._db.execute(f"PRAGMA synchronous={'FULL' if synced else 'NORMAL'}")
                self._db.execute(f"PRAGMA wal_autocheckpoint={_WAL_BYTES // _PAGE_BYTES}")
                # Without it a log that was once large keeps its size on the disk, however little is in it.
                self._db.execute(f"PRAGMA journal_size_limit={_WAL_BYTES}")
                self._db.execute(f"PRAGMA cache_size={-_CACHE_KIB}")
                self._db.execute(_SCHEMA)
                # Last: from here on this connection makes no table and sets few pragmas.
                guard(self._db, reads=(), writes=_TABLES)
                self._check_tables()
        except sqlite3.Error:
            self._db.close()
            raise

    def _check_tables(self) -> None:
        tables = self._db.execute("SELECT name, sql FROM sqlite_master").fetchall()
        made = _SCHEMA.replace(" IF NOT EXISTS", "", 1).strip()
        if {name for name, _ in tables} != set(_TABLES) or dict(tables)["events"] != made:
            raise sqlite3.DatabaseError(_DAMAGED)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the journal stays."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _using(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.OperationalError as error:
                # No statement of ours is wrong or takes long, so the file is: somebody has changed it.
                if getattr(error, "sqlite_errorcode", None) not in _CHANGED:
                    raise
                raise sqlite3.DatabaseError(_DAMAGED) from error

    @contextmanager
    def _bounded(self, begin: str = "BEGIN") -> Iterator[None]:
        """Begin the leader's transaction, bounded because the file may hold anything."""
        # Processor time: a slow disk, or a computer that was suspended, is no sign of damage.
        until = time.thread_time() + _CPU_SECONDS
        with self._using(), bounded_transaction(self._db, EVENT_BYTES, until, time.thread_time, begin=begin):
            yield

    def append(self, generation: int, code: int, payload: bytes) -> int:
        """Commit one event to disk and return its `seq`."""
        now = time.time_ns() // 1_000_000
        with self._using():
            cursor = self._db.execute(
                "INSERT INTO events (generation, received_at, code, payload) VALUES (?, ?, ?, ?)",
                (generation, now, code, payload),
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def copy(self, rows: Iterable[JournalRow]) -> None:
        """Commit events of another journal under their numbers, in one transaction."""
        with self._using():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(
                    "INSERT INTO events (seq, generation, received_at, code, payload) VALUES (?, ?, ?, ?, ?)",
                    ((row.seq, row.generation, row.received_at, row.code, row.payload) for row in rows),
                )
                self._db.execute("COMMIT")
            # `rows` is read while it is written, and may raise anything.
            except BaseException:
                self._db.execute("ROLLBACK")
                raise

    def read(self, after_seq: int, limit: int, size: int = READ_BYTES) -> list[JournalRow]:
        """Up to `limit` events with a `seq` above `after_seq`, oldest first.

        Args:
            size: No further event is read once their payloads have this many bytes together.
        """
        events: list[JournalRow] = []
        with self._bounded(), closing(self._db.cursor()) as cursor:
            cursor.execute(
                _READ,
                {"after": after_seq, "limit": limit, "most": EVENT_BYTES, "too_large": TOO_LARGE},
            )
            # Row by row: LIMIT bounds how many events are read, and not how large they are together.
            while size > 0 and (row := cursor.fetchone()) is not None:
                events.append(event := _event(row))
                if event.seq <= after_seq:  # pages that point to one another would be read without an end
                    raise sqlite3.DatabaseError(_DAMAGED)
                after_seq = event.seq
                size -= len(event.payload)
        return events

    def last_seq(self) -> int:
        """The highest `seq` ever used, pruned or not; 0 when there has been none."""
        with self._bounded():
            row = self._db.execute(_LAST_SEQ).fetchone()
        match row:
            case None:
                return 0
            case (int(seq),):
                return seq
            case _:
                raise sqlite3.DatabaseError(_DAMAGED)

    def prune(self, up_to_seq: int) -> int:
        """Delete the events up to and including `up_to_seq`; returns how many there were."""
        with self._bounded("BEGIN IMMEDIATE"):
            return self._db.execute("DELETE FROM events WHERE seq <= ?", (up_to_seq,)).rowcount

    def continue_after(self, seq: int) -> None:
        """Number the next events above `seq`.

        For a leader whose archive stands further than the journal, because the file was lost or replaced:
        without it, new events would look as if they were archived already.
        """
        with self._bounded("BEGIN IMMEDIATE"):
            changed = self._db.execute(
                "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'events'", (seq,)
            ).rowcount
            # SQLite makes this row at the first INSERT.
            if not changed:
                self._db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)", (seq,))


def _event(row: tuple[object, ...]) -> JournalRow:
    """An event of a row, whose columns may hold anything, whatever their type says."""
    match row:
        case (int(seq), int(generation), int(received_at), int(code), bytes(payload)):
            return JournalRow(seq, generation, received_at, code, payload)
        case _:
            raise sqlite3.DatabaseError(_DAMAGED)
