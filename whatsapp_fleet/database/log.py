"""The log of operations in PostgreSQL. What waits at the same time is committed together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import anyio
import anyio.to_thread

from whatsapp_fleet.database.body_streams import BodyStream, rows_of
from whatsapp_fleet.database.connections import Database, Session
from whatsapp_mcp.storage import LogRow, StorageError

T = TypeVar("T")

MOST_ROWS: Final = 1_000
MOST_BYTES: Final = 1 << 20
"""Most bytes of bodies in one statement; a single larger append is committed as it is."""


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
