"""Connections to the archive's files: one writer and a few readers, in worker threads but for short reads."""

from __future__ import annotations

import math
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

from whatsapp_mcp.archive.database import schema
from whatsapp_mcp.errors import Busy, DeadlineExceeded, InvalidArgument
from whatsapp_mcp.files import encrypted_databases
from whatsapp_mcp.files.encrypted_databases import DatabaseKey
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import transaction
from whatsapp_mcp.system import make_private_file

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

READ_DEADLINE: Final = 2.0
"""Seconds after which a read is interrupted."""
WHOLE_DEADLINE: Final = 60.0
"""Seconds after which the reading of a whole table is interrupted."""
AT_ONCE: Final = 0.003
"""Seconds that a read may hold the event loop; to a worker thread and back takes a tenth of that."""
_UPGRADE_SECONDS: Final = 5.0
"""Seconds for which a read waits while an archive of an older version is upgraded."""
_BETWEEN_LOOKS: Final = 0.1
"""Seconds between two tries of a read that waits for an upgrade."""
_READERS: Final = 2
"""Worker threads that read at once; the event loop's thread may read beside them."""
_STEPS_BETWEEN_CHECKS: Final = 2_000
"""Instructions of SQLite's virtual machine between two looks at the clock."""
_LIVE_CACHE: Final = 256
"""KiB of pages that a writer keeps: live messages gain nothing by more, and would fill it over hours."""
_BULK_CACHE: Final = 65_536
"""The same while much is written at once, which gains a tenth."""
_CHECKPOINT_PAGES: Final = 4_000
"""Pages of the log at which a commit moves it into the file; a page that many commits change moves once."""


INCREMENTAL: Final = 2
"""`PRAGMA auto_vacuum`: free pages can be given back a few at a time. Only an empty file takes it over."""


def connect_writer(path: Path, key: DatabaseKey | None = None) -> sqlite3.Connection:
    """Open, and if need be make, a database file of ours for writing: private, WAL, every commit synced.

    What is deleted is overwritten where that costs no page more; `purge.py` cares for the rest.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    make_private_file(path)
    db = encrypted_databases.connect(
        path, key, isolation_level=None, check_same_thread=False, cached_statements=512
    )
    db.execute("PRAGMA busy_timeout = 5000")
    # Before the journal mode, which writes the first page: the file is empty no more then.
    db.execute(f"PRAGMA auto_vacuum = {INCREMENTAL}")
    db.execute("PRAGMA secure_delete = FAST")
    db.execute("PRAGMA journal_mode = WAL")
    # With NORMAL, simulated power failures took back 66 commits (median): accepted sends would be forgotten.
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    db.execute(f"PRAGMA cache_size = {-_LIVE_CACHE}")
    db.execute("PRAGMA temp_store = MEMORY")
    return db


class _Older(Busy):
    """The archive is of an older version: the next leader of this one brings it up to date."""


def connect_reader(
    path: Path, key: DatabaseKey | None = None, patience: float = READ_DEADLINE
) -> tuple[sqlite3.Connection, bool]:
    """Open the archive for reading, and say whether the connection is worth keeping.

    Each statement waits `patience` seconds for a lock.

    A missing or still empty file gives an empty archive in memory, for one call.
    """
    if path.exists():
        db = encrypted_databases.connect(
            path, key, timeout=patience, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        try:
            db.execute("PRAGMA query_only = ON")
            db.execute("PRAGMA temp_store = MEMORY")
            version = schema.ARCHIVE.version_of(db)
        except BaseException:
            db.close()
            raise
        if version == schema.ARCHIVE.version:
            return db, True
        db.close()
        if version:
            raise _Older(
                "The archive was written by an older version of whatsapp-mcp.",
                "Restart the applications that use it.",
            )
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    schema.migrate(db)
    return db, False


def raw_form(folder: AccountFolder, message: int) -> tuple[int, bytes] | None:
    """Return the event kind and the protobuf that a message was decoded from; None if not kept."""
    path = folder.raw_db
    if not path.exists():
        return None
    with closing(encrypted_databases.connect(path, folder.key_of(path), isolation_level=None)) as db:
        db.execute("PRAGMA query_only = ON")
        return db.execute("SELECT code, payload FROM raw WHERE message_id = ?", (message,)).fetchone()


_File = tuple[int, int]
"""Device and inode, which tell a file from another of the same name."""


def _file_at(path: Path) -> _File | None:
    try:
        # By name: to close a handle would free all locks that this process holds on the file
        # (https://sqlite.org/howtocorrupt.html, 2.2).
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


@dataclass(slots=True)
class _Reader:
    """A connection for reading.

    Attributes:
        file: What it is open on; None for an empty archive in memory, which is not kept.
        until: When what runs on it is interrupted, in monotonic seconds.
    """

    db: sqlite3.Connection
    file: _File | None
    until: float = math.inf

    @classmethod
    def open(cls, path: Path, key: DatabaseKey | None, file: _File | None, patience: float) -> _Reader:
        """Open the archive; `patience` is how many seconds a read waits for a lock."""
        db, keep = connect_reader(path, key, patience)
        reader = cls(db, file if keep else None)
        db.set_progress_handler(reader._is_late, _STEPS_BETWEEN_CHECKS)
        return reader

    def _is_late(self) -> bool:
        return time.monotonic() > self.until

    def read(self, seconds: float, call: Callable[[sqlite3.Connection, *Ts], T], args: tuple[*Ts]) -> T:
        """One read transaction, for so long at most."""
        self.until = time.monotonic() + seconds
        try:
            self.db.execute("BEGIN")  # everything of one moment, and the lock taken once
            return call(self.db, *args)
        except UnicodeEncodeError as error:
            raise InvalidArgument("A text holds half of a character.", "Give whole characters.") from error
        finally:
            self.until = math.inf  # SQLite interrupts even the statement that ends a transaction
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")


class Readers:
    """A few connections for reading, opened together; each call takes one for its length.

    All are there from the first read on, so that what a process holds does not depend on how many ever met.
    """

    def __init__(self, folder: AccountFolder) -> None:
        self._folder = folder
        self._path = folder.archive_db
        self._slots = anyio.CapacityLimiter(_READERS)
        # Reentrant: `_take` closes the connections to a file that was replaced.
        self._taking = threading.RLock()
        self._file: _File | None = None
        self._here: _Reader | None = None
        self._reading_here = threading.Lock()
        self._idle: list[_Reader] = []

    async def run(self, call: Callable[[sqlite3.Connection, *Ts], T], *args: *Ts) -> T:
        """Run `call(connection, *args)` in a worker thread.

        Raises:
            DeadlineExceeded: It took longer than two seconds.
        """
        return await self._once_current(READ_DEADLINE, call, args)

    async def whole(self, call: Callable[[sqlite3.Connection, *Ts], T], *args: *Ts) -> T:
        """Run `call` as `run` does, but for up to a minute: it reads a whole table, maybe on a slow disk."""
        return await self._once_current(WHOLE_DEADLINE, call, args)

    async def _once_current(
        self, seconds: float, call: Callable[[sqlite3.Connection, *Ts], T], args: tuple[*Ts]
    ) -> T:
        """Read in a worker thread; after an upgrade, once this server's leader has opened the archive."""
        until = anyio.current_time() + _UPGRADE_SECONDS
        while True:
            try:
                return await anyio.to_thread.run_sync(
                    self._in_thread, seconds, call, args, limiter=self._slots
                )
            except _Older:
                if anyio.current_time() >= until:
                    raise
            await anyio.sleep(_BETWEEN_LOOKS)

    async def at_once(self, call: Callable[[sqlite3.Connection, *Ts], T], *args: *Ts) -> T:
        """Run a short `call` as `run` does: most pages take no longer than a change of threads and back.

        It is tried in this thread. What takes more than three milliseconds, or finds a lock or no connection,
        begins again in a worker thread.
        """
        # Not closed under the read: a worker thread that finds another file closes this connection.
        with self._reading_here:
            here = self._here
            if here is not None and here.file == _file_at(self._path):
                try:
                    return here.read(AT_ONCE, call, args)
                except sqlite3.OperationalError:  # the worker thread meets it again, unless it was the hurry
                    pass
        return await self.run(call, *args)

    def _in_thread(self, seconds: float, call: Callable[[sqlite3.Connection, *Ts], T], args: tuple[*Ts]) -> T:
        reader = self._take()
        try:
            return reader.read(seconds, call, args)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                raise DeadlineExceeded(
                    f"The archive did not answer within {seconds:g} seconds.",
                    "Narrow it to a chat, a sender or a time.",
                ) from error
            raise
        finally:
            # The file may have been replaced during the read; a connection to the old one is not kept.
            if reader.file is not None and reader.file == self._file:
                self._idle.append(reader)
            else:
                reader.db.close()

    def _take(self) -> _Reader:
        with self._taking:
            now = _file_at(self._path)
            if now is None or now != self._file:
                self.close()  # not there before, or deleted or quarantined meanwhile
                key = self._folder.key_of(self._path)
                self._idle.append(_Reader.open(self._path, key, now, READ_DEADLINE))
                if self._idle[0].file is not None:
                    others = range(_READERS - 1)
                    self._idle += [_Reader.open(self._path, key, now, READ_DEADLINE) for _ in others]
                    self._here = _Reader.open(self._path, key, now, AT_ONCE)
                    self._file = now
            return self._idle.pop()

    def close(self) -> None:
        """Close the connections: the idle ones now, the others when their calls end."""
        # A call that opens them at this moment would find those gone that it has just opened.
        with self._taking:
            self._file = None
            while self._idle:
                self._idle.pop().db.close()
        with self._reading_here:
            if self._here is not None:
                self._here.db.close()
                self._here = None


class Writer:
    """The one connection that writes; calls queue up and run one at a time.

    A call that is `bulk` writes much at once: it gets a large page cache, which the second one in a row that
    is not gives back.

    Attributes:
        wrote: Set after the next call; whoever waits reads this attribute again each time.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._cache = 0
        self._calls = 1
        self._turn = anyio.CapacityLimiter(1)
        # Each is counted by one thread alone, since `+=` of two threads can lose one.
        self._asked = 0
        self._begun = 0
        self.wrote = anyio.Event()

    @property
    def is_wanted(self) -> bool:
        """True if another call waits for the running one, which must ask this itself, in its thread."""
        return self._asked > self._begun

    async def run(self, call: Callable[[sqlite3.Connection, *Ts], T], *args: *Ts, bulk: bool = False) -> T:
        """Run `call(connection, *args)` in one transaction, durable when this returns."""

        def in_transaction(db: sqlite3.Connection) -> T:
            with transaction(db):
                return call(db, *args)

        return await self.run_bare(in_transaction, bulk=bulk)

    async def run_bare(
        self, call: Callable[[sqlite3.Connection, *Ts], T], *args: *Ts, bulk: bool = False
    ) -> T:
        """Run a call that manages its own transactions."""
        has_begun = False

        def in_thread() -> T:
            nonlocal has_begun
            self._begun, has_begun = self._begun + 1, True
            cache = _BULK_CACHE if bulk else _LIVE_CACHE
            # One that is not between two that are keeps the cache: the next would have to fill it again.
            self._calls = 0 if bulk else self._calls + 1
            if cache != self._cache and self._calls != 1:
                self._db.execute(f"PRAGMA cache_size = {-cache}")
                self._cache = cache
            return call(self._db, *args)

        self._asked += 1
        try:
            return await anyio.to_thread.run_sync(in_thread, limiter=self._turn)
        finally:
            if not has_begun:  # cancelled before its turn
                self._asked -= 1
            # Also after an error: some of it may be committed, and whoever wakes looks again.
            wrote, self.wrote = self.wrote, anyio.Event()
            wrote.set()
