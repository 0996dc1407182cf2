"""The file `ledger.db`: each process has a connection that reads at once and one that writes."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import anyio
import anyio.to_thread

from whatsapp_mcp.errors import Busy, cause
from whatsapp_mcp.files.encrypted_databases import DatabaseKey
from whatsapp_mcp.ledger.replication import catch_up, open_replica, position_of, snapshot, write_logged
from whatsapp_mcp.ledger.tables import LEDGER, connect_ledger
from whatsapp_mcp.storage import Fenced, Rewound, StatementLog, StorageError, transaction
from whatsapp_mcp.system import make_private_file

T = TypeVar("T")

_LEAST_LOGGED: Final = 1 << 20
"""Bytes of the log that are worth a snapshot."""
_FIRST_SNAPSHOT: Final = 3_600.0
_NEXT_SNAPSHOT: Final = 86_400.0
"""Seconds after which a snapshot is made of whatever is new: by it words of decided acts leave the log."""


class LedgerFile:
    """The connections to `ledger.db`; the file is made where there is none.

    With a log the file is what the log makes: a change is in the log before it is here, and what a power
    failure takes back here is applied again.

    Args:
        path: The file.
        key: Its key, if it is encrypted.
        log: Of an account that several machines may lead; this process writes it alone.
        monotonic: The time, in seconds.

    Raises:
        Busy: It cannot be opened.
        Unsupported: A newer version wrote it, or one that is too old.
        StorageError: The log cannot be read.
    """

    def __init__(
        self,
        path: Path,
        key: DatabaseKey | None = None,
        log: StatementLog | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path, self._key, self._log, self._monotonic = path, key, log, monotonic
        self._lock = threading.Lock()
        self._reading = threading.RLock()
        self._end: StorageError | None = None
        self._ended = anyio.Event()
        self._is_behind = False
        self._logged = self._snapshot_size = 0
        self._snapshot_at = monotonic() + _FIRST_SNAPSHOT
        try:
            if log is not None:
                self._writer = open_replica(path, key, log)
            else:
                make_private_file(path)
                self._writer = connect_ledger(path, key)
                LEDGER.prepare(self._writer)
            self._is_elsewhere = log is None and position_of(self._writer) is not None
            self._reader = connect_ledger(path, key)
        except sqlite3.Error as error:
            raise _unusable(error) from error

    @property
    def is_copy(self) -> bool:
        """True if another process leads the account, so that nothing is written here."""
        return self._is_elsewhere

    def close(self) -> None:
        """Close the connections, each after the query that runs on it: SQLite would crash under one."""
        with self._reading:
            self._reader.close()
        with self._lock:
            self._writer.close()

    async def scrub(self) -> None:
        """Leave nothing of what was deleted in the logs; in the file it is overwritten already.

        Raises:
            Busy: A process that reads keeps old pages, or the log cannot be written.
        """

        def run() -> int:
            with self._lock:
                return int(self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])

        try:
            blocked = await anyio.to_thread.run_sync(run)
        except sqlite3.Error as error:
            raise _unusable(error) from error
        if blocked:
            raise Busy(
                "The words of past acts are deleted, but a process that reads the ledger keeps old pages.",
                "End the applications that use whatsapp-mcp, then purge again.",
            )
        if self._log is not None:
            await self.snapshot()

    def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """The answer of a short query, on the calling thread: in a WAL nobody keeps a reader waiting.

        Raises:
            Busy: It cannot be read.
        """
        try:
            with self._reading:
                return query(self._reader)
        except sqlite3.Error as error:
            raise _unusable(error) from error

    async def write(self, change: Callable[[sqlite3.Connection], T], *, synced: bool = False) -> T:
        """The answer of a change, in one transaction, in a worker thread.

        Args:
            change: Writes.
            synced: Whether it is on the disk, with all that was written before, when this returns; else a
                power failure may take it back. With a log nothing is taken back.

        Raises:
            Busy: It could not be written; nothing has changed, but for what a log may have.
        """
        try:
            return await anyio.to_thread.run_sync(partial(self.write_here, change, synced=synced))
        finally:
            self._tell_end()

    def write_here(self, change: Callable[[sqlite3.Connection], T], *, synced: bool = False) -> T:
        """Make a change as `write` does, on the calling thread."""
        if self._is_elsewhere:
            raise Busy(
                "This is a copy, and what has to be written down waits for what leads the account.",
                "Nothing was done. Try again in a few seconds, or on the machine that leads it.",
            )
        try:
            with self._lock:
                if self._log is not None:
                    return self._write_logged(self._log, change)
                with _syncing(self._writer) if synced else nullcontext(), transaction(self._writer):
                    return change(self._writer)
        except sqlite3.Error as error:
            raise _unusable(error) from error

    async def wait_ended(self) -> StorageError:
        """Wait until nothing more can be written, as another leads or the log is lost; answers why."""
        while self._end is None:
            await self._ended.wait()
        return self._end

    def is_snapshot_due(self) -> bool:
        """Return whether the log grew by its last snapshot's size, or has new rows and that is old."""
        if self._log is None or not self._logged:
            return False
        grown = self._logged >= max(_LEAST_LOGGED, self._snapshot_size)
        return grown or self._monotonic() >= self._snapshot_at

    async def snapshot(self) -> None:
        """Put what the file holds in the place of the log that has made it.

        Raises:
            Busy: It could not be put; the log stays, and is written further.
        """
        log = self._log
        assert log is not None

        def run() -> None:
            logged = self._logged
            position, content = snapshot(self._path, self._key)
            try:
                log.put_snapshot(position.seq, content)
            except StorageError as error:
                if isinstance(error, Fenced | Rewound):
                    self._end = self._end or error
                raise _unsaved() from error
            # Not 0: what was written while the snapshot was put is not in it.
            self._logged -= logged
            self._snapshot_size = len(content)
            self._snapshot_at = self._monotonic() + _NEXT_SNAPSHOT

        try:
            await anyio.to_thread.run_sync(run)
        except sqlite3.Error as error:
            raise _unusable(error) from error
        finally:
            self._tell_end()

    def _write_logged(self, log: StatementLog, change: Callable[[sqlite3.Connection], T]) -> T:
        with self._ending():
            if self._is_behind:
                catch_up(self._writer, log)
                self._is_behind = False
            try:
                answer, size = write_logged(self._writer, log, change)
            except sqlite3.Error:
                # It may be in the log.
                self._is_behind = True
                raise
            self._logged += size
            return answer

    @contextmanager
    def _ending(self) -> Generator[None]:
        """Let an error of the log end all writing: what it has is not known any more."""
        try:
            if self._end is not None:
                raise self._end
            yield
        except StorageError as error:
            self._end = self._end or error
            raise Busy(
                "The account's ledger cannot be written: its database does not answer, or another machine"
                " leads the account.",
                "Check whether it took effect before retrying.",
            ) from error

    def _tell_end(self) -> None:
        if self._end is not None:
            self._ended.set()


@contextmanager
def _syncing(db: sqlite3.Connection) -> Generator[None]:
    """Let each commit wait for the disk; a commit that does takes those before it along, in the same log."""
    db.execute("PRAGMA synchronous = FULL")
    try:
        yield
    finally:
        db.execute("PRAGMA synchronous = NORMAL")


def _unsaved() -> Busy:
    return Busy(
        "The snapshot of the account's ledger could not be stored.", "The leader tries that again by itself."
    )


def _unusable(error: sqlite3.Error) -> Busy:
    return Busy(
        f"The account's ledger cannot be used ({cause(error)}).",
        "Tell the user to look at the disk's free space and at the file ledger.db.",
    )
