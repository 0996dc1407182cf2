"""`Imports`: one import after the other while the account is in use, followed, cancelled and undone."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import anyio
import anyio.to_thread

from whatsapp_mcp.archive import Archive, exchange
from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.device.supervise import contained
from whatsapp_mcp.errors import Busy, InvalidArgument, WhatsAppError
from whatsapp_mcp.features.imports.foreign import UnknownForeignVersion
from whatsapp_mcp.features.imports.importing.importer import chat_of
from whatsapp_mcp.features.imports.importing.places import LocationKind, identity_of, place_of
from whatsapp_mcp.features.imports.importing.work import Job, said
from whatsapp_mcp.features.imports.requests import ImportProgress, ImportRequest, ImportStep
from whatsapp_mcp.models import ExportMatch, ImportRecord, ImportState

MOST_WAITING: Final = 1_000
KEPT: Final = 100
"""Imports that are told; those of this leader that have ended are forgotten beyond so many."""
_FAILED: Final = "It failed for a reason that the log says."


class Runs(Protocol):
    """Runs one import (`Importer`)."""

    async def run(self, request: ImportRequest, job: Job) -> None:
        """Import what a request names, and tell how far it is."""
        ...

    async def match(self, folder: Path) -> tuple[ExportMatch, ...]:
        """Which chat each exported one in a folder is."""
        ...


@dataclass
class _Job:
    """An import, or an undo, that is to be run.

    Attributes:
        progress: As it is told.
        request: What is imported; None for an undo. It goes with the job: it may hold a key.
        identity: Of what lay at the path when it was asked for.
        is_cancelled: A person has cancelled it.
        scope: What it runs in.
    """

    progress: ImportProgress
    request: ImportRequest | None = None
    identity: str = ""
    is_cancelled: bool = False
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    def tell(self, change: Callable[[ImportProgress], ImportProgress]) -> None:
        """The progress changes."""
        self.progress = change(self.progress)


class Imports:
    """The imports of an account.

    Nothing of the queue outlasts its leader. What an import had committed stays, and importing the same file
    again goes on there.

    Args:
        archive: Where to.
        clock: The leader's.
        importer: Runs each.
    """

    def __init__(self, archive: Archive, clock: Clock, importer: Runs) -> None:
        self._archive = archive
        self._clock = clock
        self._importer = importer
        self._waiting: deque[_Job] = deque()
        self._running: _Job | None = None
        self._ended: deque[_Job] = deque(maxlen=KEPT)
        self._come = anyio.Event()
        self._last_ticket = 0

    # What is asked.

    async def begin_import(self, request: ImportRequest) -> int:
        """Put an import into the queue; answers the ticket by which it is followed and cancelled."""
        path = Path(request.path)
        place = await anyio.to_thread.run_sync(place_of, path)
        if place.kind is LocationKind.EXPORT:
            chat_of(request)
        identity = await anyio.to_thread.run_sync(identity_of, path)
        progress = ImportProgress(
            self._ticket(),
            path.name,
            ImportState.WAITING,
            self._clock.now(),
            request.path,
            chat=request.chat,
            dry_run=request.dry_run,
        )
        return self._queue(_Job(progress, request, identity))

    async def undo_import(self, number: int) -> int:
        """Put the removal of what only this import brought into the queue; answers its ticket."""
        record = next((one for one in await self._archive.imports() if one.number == number), None)
        if record is None or record.state is ImportState.UNDONE:
            raise InvalidArgument(
                f"There is no import {number} that can be undone.", "Look at the list of imports."
            )
        if any(number in job.progress.numbers for job in self._open()):
            raise Busy(f"Import {number} is running.", "Cancel it first.")
        progress = ImportProgress(
            self._ticket(),
            record.file,
            ImportState.WAITING,
            self._clock.now(),
            numbers=(number,),
            source=record.source,
            chat=record.chat,
            step=ImportStep.UNDOING,
            total=record.report.new,
            report=record.report,
        )
        return self._queue(_Job(progress))

    async def cancel_import(self, ticket: int) -> None:
        """End an import that waits or runs; what it has brought stays."""
        job = next((job for job in self._open() if job.progress.ticket == ticket), None)
        if job is None:
            raise InvalidArgument("There is no such import that waits or runs.", "Look at the imports.")
        job.is_cancelled = True
        if job is self._running:
            job.scope.cancel()
        else:
            self._waiting.remove(job)
            self._end(job, ImportState.CANCELLED, None)

    async def match_exports(self, path: str) -> tuple[ExportMatch, ...]:
        """Which chat each exported one in a folder is; none for what is no folder of exports."""
        folder = Path(path)
        place = await anyio.to_thread.run_sync(place_of, folder)
        return await self._importer.match(folder) if place.kind is LocationKind.EXPORTS else ()

    async def imports(self, ticket: int = 0) -> tuple[ImportProgress, ...]:
        """The last imports, newest first."""
        jobs = [job.progress for job in (*self._open(), *self._ended)]
        if ticket:
            return tuple(one for one in jobs if one.ticket == ticket)
        records = await self._archive.imports()
        states = {record.number: record.state for record in records}
        numbers = {number for one in jobs for number in one.numbers}
        earlier = [_of_record(record) for record in records if record.number not in numbers]
        entries = [_as_it_is_now(one, states) for one in jobs] + earlier
        return tuple(sorted(entries, key=lambda one: one.began, reverse=True)[:KEPT])

    def _open(self) -> list[_Job]:
        return [*self._waiting, *([self._running] if self._running else [])]

    def _ticket(self) -> int:
        """A number that no import of this or an earlier leader had: a command may still follow that one."""
        self._last_ticket = max(self._last_ticket + 1, int(self._clock.now().timestamp() * 1000))
        return self._last_ticket

    def _queue(self, job: _Job) -> int:
        if len(self._waiting) >= MOST_WAITING:
            raise Busy(f"{MOST_WAITING} imports are waiting.", "Wait until some are done.")
        self._waiting.append(job)
        self._come.set()
        return job.progress.ticket

    # What is done.

    async def run(self) -> None:
        """Do what is asked, until cancelled."""
        while True:
            while not self._waiting:
                self._come = anyio.Event()
                await self._come.wait()
            self._running = job = self._waiting.popleft()
            job.tell(lambda now: replace(now, state=ImportState.RUNNING))
            try:
                await self._do(job)
            finally:
                self._running = None

    async def _do(self, job: _Job) -> None:
        error: WhatsAppError | None = None
        with job.scope:
            try:
                await contained("import", partial(self._run, job), lambda: Busy(_FAILED))
            except WhatsAppError as failure:
                error = failure
        if job.scope.cancelled_caught:
            self._end(job, ImportState.CANCELLED, None)
        elif error is not None:
            if isinstance(error, UnknownForeignVersion):
                unknown = error.unknown
                job.tell(lambda now: replace(now, unknown=unknown))
            self._end(job, ImportState.FAILED, said(error))
        else:
            self._end(job, ImportState.DONE if job.request else ImportState.UNDONE, None)

    async def _run(self, job: _Job) -> None:
        if job.request is None:
            await self._undo(job)
            return
        if job.identity != await anyio.to_thread.run_sync(identity_of, Path(job.request.path)):
            raise InvalidArgument("The file was changed since the import was asked for.", "Import it again.")
        await self._importer.run(job.request, job)

    async def _undo(self, job: _Job) -> None:
        (number,) = job.progress.numbers
        job.tell(lambda now: replace(now, state=ImportState.UNDOING))
        try:
            while removed := await self._archive.write(exchange.import_undone, number):
                job.tell(_removed(removed))
        except sqlite3.Error as error:
            raise Busy("The archive cannot be written.", "Look at the room on the disk.") from error

    def _end(self, job: _Job, state: ImportState, error: str | None) -> None:
        job.request = None
        job.tell(lambda now: replace(now, state=state, error=error, ended=self._clock.now()))
        self._ended.append(job)


def _removed(count: int) -> Callable[[ImportProgress], ImportProgress]:
    return lambda now: replace(now, done=now.done + count)


def _of_record(record: ImportRecord) -> ImportProgress:
    """An import that no job of this leader is about: one that runs nowhere was interrupted."""
    state = ImportState.INTERRUPTED if record.state is ImportState.RUNNING else record.state
    return ImportProgress(
        0,
        record.file,
        state,
        record.began,
        numbers=(record.number,),
        source=record.source,
        chat=record.chat,
        ended=record.ended or record.began,
        step=ImportStep.UNDOING if state is ImportState.UNDOING else ImportStep.MESSAGES,
        report=record.report,
        error=record.error,
    )


def _as_it_is_now(progress: ImportProgress, states: dict[int, ImportState]) -> ImportProgress:
    """An import that has ended, as undone if all that it brought was undone since."""
    is_done = progress.state is ImportState.DONE and progress.numbers
    is_undone = is_done and all(states.get(one) is ImportState.UNDONE for one in progress.numbers)
    return replace(progress, state=ImportState.UNDONE) if is_undone else progress
