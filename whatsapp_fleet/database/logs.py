"""Streams whose rows are bodies: the log of operations, and the statements of a ledger.

Operations that wait at the same time are committed together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Literal, LiteralString, NamedTuple, TypeVar

import anyio
import anyio.to_thread

from whatsapp_fleet.database.connections import Database, Link, Session
from whatsapp_fleet.database.streams import Statements, Stream, await_standby
from whatsapp_mcp.storage import LedgerSnapshot, LogRow, Pruned, StatementRow, StorageError

T = TypeVar("T")
MOST_ROWS: Final = 1_000
MOST_BYTES: Final = 1 << 20
"""Most bytes of bodies in one statement; a single larger append is committed as it is."""
# The lock of the head lets a takeover wait, and this find no head after it. A snapshot whose answer was lost
# may be executed after a later one.
_PUT: Final = """
WITH head AS (
    UPDATE whatsapp_mcp.heads SET seq = seq
    WHERE account = %(account)s AND stream = %(stream)s AND epoch = %(epoch)s
    RETURNING account
), put AS (
    INSERT INTO whatsapp_mcp.ledger_snapshots AS former (account, seq, epoch, body)
    SELECT account, %(seq)s, %(epoch)s, %(body)b FROM head
    ON CONFLICT (account) DO UPDATE SET seq = excluded.seq, epoch = excluded.epoch, body = excluded.body
    WHERE former.seq <= excluded.seq
), pruned AS (
    DELETE FROM whatsapp_mcp.ledger AS old USING head
    WHERE old.account = head.account AND old.seq < %(seq)s
)
SELECT account FROM head
"""
SNAPSHOT_PATIENCE: Final = 60.0
"""Seconds that a snapshot may take, which is one statement."""
_NEWEST: Final = "SELECT seq, body FROM whatsapp_mcp.ledger_snapshots WHERE account = %(account)s"


class BodyRow(NamedTuple):
    """A row: its number, the epoch that appended it, its body."""

    seq: int
    epoch: int
    body: bytes


class _Reading(NamedTuple):
    """Statements other than appends; one statement reads head and rows, so that no append comes between."""

    read: LiteralString
    prune: LiteralString


def _appending(table: LiteralString) -> Statements:
    return Statements(
        append=f"""
        WITH head AS (
            UPDATE whatsapp_mcp.heads SET seq = seq + %(rows)s
            WHERE account = %(account)s AND stream = %(stream)s AND epoch = %(epoch)s
            RETURNING seq
        ), appended AS (
            INSERT INTO whatsapp_mcp.{table} (account, seq, epoch, n, body)
            SELECT %(account)s, seq - %(rows)s + place, %(epoch)s, %(n)s + place, body
            FROM head, unnest(%(bodies)b::bytea[]) WITH ORDINALITY AS given (body, place)
        )
        SELECT seq FROM head
        """,  # noqa: S608
        confirm=f"""
        UPDATE whatsapp_mcp.heads SET seq = seq
        WHERE account = %(account)s AND stream = %(stream)s AND epoch = %(epoch)s
        RETURNING (
            SELECT there.seq FROM whatsapp_mcp.{table} AS there
            WHERE there.account = %(account)s AND there.epoch = %(epoch)s AND there.n = %(n)s
        )
        """,  # noqa: S608
        stamp_at=f"""
        SELECT epoch, n FROM whatsapp_mcp.{table} WHERE account = %(account)s AND seq = %(seq)s
        """,  # noqa: S608
        constraint=f"{table}_stamp",
    )


def _reading(table: LiteralString) -> _Reading:
    return _Reading(
        read=f"""
        SELECT head.seq, given.seq, given.epoch, given.body
        FROM whatsapp_mcp.heads AS head LEFT JOIN LATERAL (
            SELECT seq, epoch, body FROM whatsapp_mcp.{table}
            WHERE account = head.account AND seq > %(after)s ORDER BY seq LIMIT %(limit)s
        ) AS given ON true
        WHERE head.account = %(account)s AND head.stream = %(stream)s ORDER BY given.seq
        """,  # noqa: S608
        prune=f"""
        DELETE FROM whatsapp_mcp.{table}
        WHERE account = %(account)s AND seq <= %(upto)s AND EXISTS (
            SELECT FROM whatsapp_mcp.heads
            WHERE account = %(account)s AND stream = %(stream)s AND epoch = %(epoch)s
        )
        """,  # noqa: S608
    )


_APPENDING: Final = {"log": _appending("log"), "ledger": _appending("ledger")}
_READING: Final = {"log": _reading("log"), "ledger": _reading("ledger")}


class BodyStream(Stream):
    """The log or the ledger of one account, as one leader sees it; usable from any thread."""

    def __init__(self, database: Database, account: str, name: Literal["log", "ledger"], epoch: int) -> None:
        super().__init__(database, account, name, epoch, _APPENDING[name])
        self._account: Final = account
        self._name: Final = name

    def append_bodies(self, bodies: Sequence[bytes]) -> int:
        """Append bodies in this order; see `append`."""
        return self.append(len(bodies), {"bodies": list(bodies)})

    def read(self, after: int, limit: int) -> list[BodyRow]:
        """Up to `limit` rows with a `seq` above `after`, oldest first.

        Raises:
            Pruned: Rows directly after `after` were deleted.
            Unavailable: See there.
        """
        return self.link.run(lambda session: rows_of(session, self._account, self._name, after, limit))

    def prune(self, upto: int) -> int:
        """Delete the rows up to and including `upto`; returns how many there were.

        Raises:
            Fenced: Nothing was deleted.
            Unavailable: See there.
        """
        values = {**self.about, "upto": upto}

        def delete(session: Session) -> int:
            pruned = session.execute(_READING[self._name].prune, values).rowcount
            if not pruned:
                self.check_epoch(session)
            return pruned

        return self.link.run(delete)


def rows_of(
    session: Session, account: str, name: Literal["log", "ledger"], after: int, limit: int
) -> list[BodyRow]:
    """Read rows as `BodyStream.read` does, without an epoch; they may not be durable yet.

    Raises:
        Pruned: Rows directly after `after` were deleted, or the account is not there.
    """
    values = {"account": account, "stream": name, "after": after, "limit": limit}
    records = session.execute(_READING[name].read, values).fetchall()
    if not records:
        raise Pruned("The account is not in this database.")
    rows = [BodyRow(*row) for _, *row in records if row[0] is not None]
    following = rows[0].seq if rows else records[0][0] + 1
    if limit > 0 and following > after + 1:
        raise Pruned(f"The rows begin with {following}, so what follows {after} is gone.")
    return rows


@dataclass(slots=True, eq=False)
class _Waiting:
    """An append that is not answered yet."""

    bodies: tuple[bytes, ...]
    seq: int | None = None
    error: StorageError | None = None

    @property
    def settled(self) -> bool:
        return self.seq is not None or self.error is not None


class PostgresLog:
    """The log of one account, for its leader: a `storage.OperationLog`.

    Args:
        database: Where.
        account: Whose.
        epoch: Of the leader.
    """

    def __init__(self, database: Database, account: str, epoch: int) -> None:
        self._stream = BodyStream(database, account, "log", epoch)
        # A thread of its own: the shared ones could all be waiting for a database that does not answer.
        self._thread = anyio.CapacityLimiter(1)
        self._turn = anyio.Lock()
        self._waiting: deque[_Waiting] = deque()

    async def __aenter__(self) -> PostgresLog:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection; the log stays."""
        await self._in_thread(self._stream.close)

    async def append(self, bodies: Sequence[bytes]) -> int:
        """Commit operations together with others that wait; return the number of the last."""
        if not bodies:
            raise ValueError("There is nothing to append.")
        mine = _Waiting(tuple(bodies))
        self._waiting.append(mine)
        try:
            # Who gets the turn commits for all who wait by then; the others find themselves settled.
            async with self._turn:
                while not mine.settled:
                    await self._commit()
        finally:
            with suppress(ValueError):
                self._waiting.remove(mine)
        if mine.error is not None:
            raise mine.error
        assert mine.seq is not None
        return mine.seq

    async def read(self, after: int, limit: int) -> list[LogRow]:
        """Read up to `limit` operations with a `seq` above `after`, oldest first."""
        rows = await self._in_thread(partial(self._stream.read, after, limit))
        return [LogRow(*row) for row in rows]

    async def last(self) -> int:
        """Return the number of the last durable operation; 0 if there has been none."""
        return await self._in_thread(self._stream.confirmed_seq)

    async def prune(self, upto: int) -> int:
        """Delete the operations up to and including `upto`; return how many there were."""
        return await self._in_thread(partial(self._stream.prune, upto))

    async def _commit(self) -> None:
        """Append what waits, as much as one statement takes. It is not left in the middle."""
        group = self._next_group()
        bodies = [body for one in group for body in one.bodies]
        append = partial(self._stream.append_bodies, bodies)
        try:
            seq = await self._in_thread(append)
        except StorageError as error:
            for one in group:
                one.error = error
            return
        for one in reversed(group):
            one.seq = seq
            seq -= len(one.bodies)

    def _next_group(self) -> list[_Waiting]:
        group = [self._waiting.popleft()]
        rows, size = len(group[0].bodies), sum(map(len, group[0].bodies))
        while self._waiting:
            rows += len(self._waiting[0].bodies)
            size += sum(map(len, self._waiting[0].bodies))
            if rows > MOST_ROWS or size > MOST_BYTES:
                break
            group.append(self._waiting.popleft())
        return group

    async def _in_thread(self, call: Callable[[], T]) -> T:
        """Run a call in a thread and return its answer; a cancelled caller still waits for its end."""
        answers: list[T] = []
        with anyio.CancelScope(shield=True):
            answers.append(await anyio.to_thread.run_sync(call, limiter=self._thread))
        return answers[0]


def operations_of(session: Session, account: str, after: int, limit: int) -> list[LogRow]:
    """Read operations as `storage.OperationLog.read` does, whether they are durable or not.

    Raises:
        Pruned: Rows directly after `after` were deleted.
    """
    return [LogRow(*row) for row in rows_of(session, account, "log", after, limit)]


class PostgresStatements:
    """The ledger's log of one account: a `storage.StatementLog`.

    Args:
        database: Where.
        account: Whose.
        epoch: Of the leader; None for who only reads, and then rows that no failover takes away.
    """

    def __init__(self, database: Database, account: str, epoch: int | None = None) -> None:
        self._database = database
        self._stream = BodyStream(database, account, "ledger", -1 if epoch is None else epoch)
        self._account = account
        self._follows = epoch is None

    def __enter__(self) -> PostgresStatements:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the log stays."""
        self._stream.close()

    def append(self, body: bytes) -> int:
        """Commit the statements of a transaction, durably, and return their number."""
        return self._stream.append_bodies([body])

    def last(self) -> int:
        """Return the number of the last row, 0 if there is none; all rows are then durable."""
        return self._stream.confirmed_seq()

    def read(self, after: int, limit: int) -> list[StatementRow]:
        """Read up to `limit` rows with a `seq` above `after`, oldest first."""

        def look(session: Session) -> list[StatementRow]:
            rows = rows_of(session, self._account, "ledger", after, limit)
            if rows and self._follows:
                await_standby(session)
            return [StatementRow(row.seq, row.body) for row in rows]

        return self._stream.link.run(look)

    def put_snapshot(self, seq: int, content: bytes) -> None:
        """Replace the snapshot and delete the rows before its last; all or nothing."""
        values = {**self._stream.about, "seq": seq, "body": content}

        def put(session: Session) -> None:
            self._stream.durably(session, _PUT, values)

        # Over a connection of its own: its size is that of the ledger, and if it fails the log goes on.
        with Link(replace(self._database, patience=SNAPSHOT_PATIENCE)) as link:
            link.run(put)

    def newest_snapshot(self) -> LedgerSnapshot | None:
        """Return the snapshot; None before the first."""

        def look(session: Session) -> LedgerSnapshot | None:
            row = session.execute(_NEWEST, self._stream.about, binary=True).fetchone()
            return None if row is None else LedgerSnapshot(*row)

        return self._stream.link.run(look)
