"""Reading logs, journals and snapshots of accounts that others lead: no epoch, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, NoReturn, Self, TypeVar

import anyio
import anyio.to_thread

from whatsapp_fleet.database.connections import Database, Link, Session
from whatsapp_fleet.database.journal import events_of
from whatsapp_fleet.database.logs import operations_of
from whatsapp_fleet.database.snapshots import fetch_snapshot, newest_of
from whatsapp_fleet.database.streams import await_standby
from whatsapp_mcp.storage import READ_BYTES, Fenced, JournalRow, LogRow, Snapshot

T = TypeVar("T")

_LAST: Final = "SELECT seq FROM whatsapp_mcp.heads WHERE stream = 'log' AND account = %s"
_HEADS: Final = """
SELECT account, seq, run, counter
FROM whatsapp_mcp.heads JOIN whatsapp_mcp.leases USING (account)
LEFT JOIN (SELECT run, counter FROM whatsapp_mcp.runs WHERE NOT ended) AS live USING (run)
WHERE stream = 'log' AND account = ANY(%s)
"""


class LogHead(NamedTuple):
    """End of an account's log, and the run that leads the account.

    Attributes:
        seq: Number of its last operation, durable or not.
        pulse: The run that leads the account, and its counter, which it changes as long as it may act. None
            where nobody leads it.
    """

    seq: int
    pulse: tuple[str, int] | None


class Reader:
    """Reads what any accounts have in the database, over one connection; usable from any thread.

    It goes on after an outage: a call that was not answered raises `Unavailable`, and the next one connects
    again.

    Args:
        database: Where. Callers wait for each other, so its patience should be short.
    """

    def __init__(self, database: Database) -> None:
        self._link = Link(database, lasting=True)

    @property
    def database(self) -> Database:
        """The database that is read."""
        return self._link.database

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calls raise `Unavailable` from then on."""
        self._link.close()

    def run(self, work: Callable[[Session], T]) -> T:
        """Return the answer of `work`.

        Raises:
            Unavailable: Not answered within the patience, or refused.
        """
        return self._link.run(work)

    def log_heads(self, accounts: Collection[str]) -> dict[str, LogHead]:
        """Return the heads of these accounts' logs; accounts that do not exist are left out.

        Raises:
            Unavailable: See `run`.
        """
        rows = self.run(lambda session: session.execute(_HEADS, [list(accounts)]).fetchall())
        return {
            account: LogHead(seq, None if counter is None else (run, counter))
            for account, seq, run, counter in rows
        }

    def log(self, account: str) -> FollowedLog:
        """The log of one account."""
        return FollowedLog(self, account)

    def journal(self, account: str) -> FollowedJournal:
        """The journal of one account."""
        return FollowedJournal(self, account)

    def snapshots(self, account: str) -> FollowedSnapshots:
        """The snapshots of one account that are in the database."""
        return FollowedSnapshots(self, account)


class FollowedLog:
    """The log of one account, for whoever does not lead it: a `storage.OperationLog` that is only read.

    What it answers is durable: no failover takes it away.
    """

    def __init__(self, reader: Reader, account: str) -> None:
        self._reader = reader
        self._account = account
        self._thread = anyio.CapacityLimiter(1)

    async def read(self, after: int, limit: int) -> list[LogRow]:
        """Read up to `limit` durable operations with a `seq` above `after`, oldest first."""

        def look(session: Session) -> list[LogRow]:
            if operations := operations_of(session, self._account, after, limit):
                await_standby(session)
            return operations

        return await self._run(look)

    async def last(self) -> int:
        """Return the number of the last durable operation; 0 if there has been none."""

        def look(session: Session) -> int:
            last = session.execute(_LAST, [self._account]).fetchone()
            await_standby(session)
            return 0 if last is None else last[0]

        return await self._run(look)

    async def append(self, bodies: Sequence[bytes]) -> NoReturn:
        """Raises `Fenced`."""
        raise _read_only()

    async def prune(self, upto: int) -> NoReturn:
        """Raises `Fenced`."""
        raise _read_only()

    async def _run(self, work: Callable[[Session], T]) -> T:
        return await anyio.to_thread.run_sync(self._reader.run, work, limiter=self._thread)


class FollowedJournal:
    """The journal of one account, for whoever does not lead it: a `storage.JournalReader` that is only read.

    What a log names was durable before. So the rows are not waited for, as a leader does.
    """

    def __init__(self, reader: Reader, account: str) -> None:
        self._reader = reader
        self._account = account

    def read(self, after_seq: int, limit: int, size: int = READ_BYTES) -> list[JournalRow]:
        """Read up to `limit` events with a `seq` above `after_seq`, whether they are durable or not."""
        return self._reader.run(lambda session: events_of(session, self._account, after_seq, limit, size))

    def last_seq(self) -> NoReturn:
        """Raises `Fenced`, as all that only a leader does."""
        raise _read_only()

    def prune(self, up_to_seq: int) -> NoReturn:
        """Raises `Fenced`."""
        raise _read_only()

    def continue_after(self, seq: int) -> NoReturn:
        """Raises `Fenced`."""
        raise _read_only()

    def close(self) -> None:
        """Nothing: the connection is that of the `Reader`."""


class FollowedSnapshots:
    """The snapshots of one account, for whoever does not lead it: a `SnapshotStore` that is only read."""

    def __init__(self, reader: Reader, account: str) -> None:
        self._reader = reader
        self._account = account
        self._thread = anyio.CapacityLimiter(1)

    async def newest(self) -> Snapshot | None:
        """Return the snapshot that counts; None before the first."""
        look = partial(newest_of, account=self._account)
        return await anyio.to_thread.run_sync(self._reader.run, look, limiter=self._thread)

    async def fetch(self, snapshot: Snapshot, file: Path) -> None:
        """Write a snapshot that counts to an existing file."""
        await anyio.to_thread.run_sync(
            fetch_snapshot,
            self._reader.run,
            self._reader.database,
            self._account,
            snapshot,
            file,
            limiter=self._thread,
        )

    async def put(self, snapshot: Snapshot, file: Path) -> NoReturn:
        """Raises `Fenced`."""
        raise _read_only()

    async def point_to(self, snapshot: Snapshot) -> NoReturn:
        """Raises `Fenced`."""
        raise _read_only()

    async def keep_from(self, seq: int) -> NoReturn:
        """Raises `Fenced`."""
        raise _read_only()


def _read_only() -> Fenced:
    return Fenced("Who only follows an account writes nothing.")
