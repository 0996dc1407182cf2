"""Writing through the log: operations that wait at the same time are appended together, then applied."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import anyio
import anyio.lowlevel
import anyio.to_thread

from whatsapp_mcp.archive import care, write
from whatsapp_mcp.archive.committer import Committer, Outcome
from whatsapp_mcp.archive.database import Writer
from whatsapp_mcp.archive.operations import WriteOperation
from whatsapp_mcp.archive.projection.log_contents import (
    LogPosition,
    LogStorage,
    body_of,
    former_of,
    hash_of,
    operation_of,
    place_of,
)
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import Fenced, LogRow, Rewound, StorageError, Unwritable

_MOST: Final = 256
"""Callers whose operations are appended together."""
_ROWS: Final = 64
"""Rows of the log that are read at once; one may be as large as a page of an import."""
UNAPPLIED_LIMIT: Final = 30.0
"""Seconds after which a leader whose archive cannot be written ends."""

Values = Callable[[sqlite3.Connection], Mapping[str, Any]]
"""Works out the values of an operation, in the writer's thread, before the operation is in the log."""


class UnappliedError(sqlite3.OperationalError):
    """The operation is in the log, and the archive cannot be written: it is applied once it can."""


@dataclass(slots=True)
class _Caller:
    """A caller that waits for its operations.

    Attributes:
        operations: Their names and values, in order.
        bulk: Whether they write much.
        logged: The operations as they are in the log, and as they are applied.
        outcomes: Of those that were applied.
        error: Why there is no outcome.
    """

    operations: Sequence[tuple[str, Values]]
    bulk: bool
    logged: Sequence[tuple[bytes, WriteOperation]] = ()
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        return self.error is not None or len(self.outcomes) == len(self.operations)


class LogWriter:
    """Appends operations to the log, applies them in its order, and hands over what became of them.

    Nothing is handed over before the operation is committed in the log and applied. What is decided about it,
    a refusal too, is decided when it is applied. A caller that is cancelled may have written.

    Args:
        folder: The account's files.
        writer: Lends the connection.
        committer: Applies the operations.
        storage: The log, and what it names.
        now: The wall time, of which each operation gets its own.
        monotonic: The time, in seconds.
    """

    def __init__(
        self,
        folder: AccountFolder,
        writer: Writer,
        committer: Committer,
        storage: LogStorage,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._writer = writer
        self._committer = committer
        self._storage = storage
        self._now = now
        self._monotonic = monotonic
        self._place = place_of(committer.db)
        self._turn = anyio.Lock()
        self._waiting: list[_Caller] = []
        self._is_behind = True
        self._unapplied_since: float | None = None
        self._opens_addons = True  # a former leader may have ended before it opened them
        self._ended: StorageError | None = None
        self._end = anyio.Event()

    async def submit(self, operations: Sequence[tuple[str, Values]], *, bulk: bool = False) -> list[Any]:
        """Append operations of now, and apply them; answers what each gave.

        Raises:
            WhatsAppError: The first that was refused; the others were applied.
            UnappliedError: They are in the log, and applied later.
            StorageError: What the log raised; whether they are in it says the error.
        """
        caller = _Caller(operations, bulk)
        self._waiting.append(caller)
        try:
            async with self._turn:
                # Whoever had the turn before may have taken these operations along.
                if not caller.is_done:
                    with anyio.CancelScope(shield=True):  # what is in the log has to be applied
                        await self._commit_waiting()
        finally:
            if caller in self._waiting:  # cancelled before its turn
                self._waiting.remove(caller)
        if caller.error is not None:
            raise caller.error
        return [outcome.result() for outcome in caller.outcomes]

    async def wait_ended(self) -> StorageError:
        """Wait until nothing more can be written; answers why."""
        while self._ended is None:
            await self._end.wait()
        return self._ended

    async def catch_up(self) -> bool:
        """Apply what the log has beyond this archive; answers whether any of it was a purge.

        Whoever is cancelled leaves the rest for the next time.

        Raises:
            Unsupported: An operation is of a version that this one cannot apply; those before it are.
            sqlite3.Error: The archive cannot be written.
            StorageError: The log cannot be read; `Rewound` where it does not continue this archive.
        """
        async with self._turn:
            return await self._catch_up()

    async def _catch_up(self) -> bool:
        self._is_behind = self._opens_addons = True
        before = await self._writer.run_bare(care.last_purged)
        purged = False
        while rows := await self._storage.log.read(self._place.seq, _ROWS):
            is_many = len(rows) == _ROWS
            with anyio.CancelScope(shield=True):
                await self._unlink(await self._writer.run_bare(self._apply_rows, rows, bulk=is_many))
                purged = await self._writer.run_bare(care.last_purged) != before
            if not purged:  # what was deleted has to leave the files as well
                await anyio.lowlevel.checkpoint()
        self._caught_up()
        return purged

    async def _commit_waiting(self) -> None:
        """Append and apply what waits, and what follows from it."""
        group, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
        try:
            if self._ended is not None:
                raise self._ended
            if self._is_behind:
                await self._catch_up()
            await self._commit(group)
            if self._opens_addons:
                await self._open_addons()
        except StorageError as error:
            self._end_with(error)
            self._fail(group, error)
        except (sqlite3.Error, WhatsAppError, OSError) as error:
            self._fail(group, error)
            self._note_unapplied()
        except BaseException as error:
            # Cancelled, or a mistake of ours: the others must not wait for an outcome that never comes.
            self._fail(group, error)
            raise

    def _caught_up(self) -> None:
        self._is_behind, self._unapplied_since = False, None

    def _note_unapplied(self) -> None:
        """End it all where the archive has lacked for long what is in the log."""
        if not self._is_behind:
            return
        now = self._monotonic()
        if self._unapplied_since is None:
            self._unapplied_since = now
        elif now - self._unapplied_since >= UNAPPLIED_LIMIT:
            self._end_with(Unwritable(f"The archive could not be written for {UNAPPLIED_LIMIT:g} s."))

    def _end_with(self, error: StorageError) -> None:
        self._ended = error
        self._end.set()

    @staticmethod
    def _fail(group: Sequence[_Caller], error: BaseException) -> None:
        for caller in group:
            if not caller.is_done:
                caller.error = error

    async def _commit(self, group: Sequence[_Caller]) -> None:
        """Append and apply."""
        bodies = await self._writer.run_bare(self._prepare, group)
        if not bodies:
            return
        if await self._storage.log.append(bodies) != self._place.seq + len(bodies):
            raise Fenced("Somebody else has appended to the log.")
        # The log has it from here on: whatever happens to this call, it is applied before anything else.
        self._is_behind = True
        files = await self._writer.run_bare(self._apply, group, bulk=any(caller.bulk for caller in group))
        self._caught_up()
        await self._unlink(files)

    async def _open_addons(self) -> None:
        """Add-ons that can be opened are opened before anybody is told what made that possible."""

        def opened(db: sqlite3.Connection) -> Mapping[str, Any]:
            return {"opened": write.open_waiting_addons(db, self._committer.raw)}

        if await self._writer.run_bare(lambda db: bool(opened(db)["opened"])):
            await self._commit([_Caller([("open_addons", opened)], bulk=False)])
        self._opens_addons = False

    # In the writer's thread.

    def _prepare(self, db: sqlite3.Connection, group: Sequence[_Caller]) -> list[bytes]:
        """The operations as they will be in the log; a caller whose values cannot be had gets the error."""
        bodies: list[bytes] = []
        former, created_at = self._place.hash, int(self._now().timestamp() * 1000)
        for caller in group:
            try:
                # All of a caller's operations or none: each body has the hash of the one before it.
                mine, before = list[tuple[bytes, WriteOperation]](), former
                for name, values in caller.operations:
                    mine.append(body_of(before, WriteOperation(name, created_at, values(db))))
                    before = hash_of(mine[-1][0])
            except (WhatsAppError, *write.POISON) as error:
                caller.error = error
                continue
            caller.logged, former = mine, before
            bodies += [body for body, _ in mine]
        return bodies

    def _apply(self, _: sqlite3.Connection, group: Sequence[_Caller]) -> list[str]:
        """Apply what is in the log now; answers files that have to go."""
        files: list[str] = []
        try:
            for caller in group:
                for body, operation in caller.logged:
                    outcome = self._apply_one(body, operation)
                    caller.outcomes.append(outcome)
                    files += outcome.files
                    self._opens_addons |= outcome.opens_addons
        except sqlite3.Error as error:
            raise UnappliedError("The archive cannot be written; it is tried again.") from error
        return files

    def _apply_rows(self, _: sqlite3.Connection, rows: Sequence[LogRow]) -> list[str]:
        files: list[str] = []
        for row in rows:
            files += self._apply_one(row.body, operation_of(row.body, self._storage.journal)).files
        return files

    def _apply_one(self, body: bytes, operation: WriteOperation) -> Outcome:
        if former_of(body) != self._place.hash:
            raise Rewound("The log does not continue this archive.")
        mark = hash_of(body)
        with self._committer.raw_damage():
            outcome = self._committer.commit(operation, mark=mark)
        self._place = LogPosition(self._place.seq + 1, mark)
        return outcome

    async def _unlink(self, files: list[str]) -> None:
        if files:
            await anyio.to_thread.run_sync(care.unlink_media, self._folder.media, files)
