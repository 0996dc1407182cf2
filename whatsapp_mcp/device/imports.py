"""Imports that a person begins while the account is in use, one after the other, and how far each is."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import anyio
import anyio.to_thread

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.device.importing import import_bridge, import_chat
from whatsapp_mcp.device.supervise import contained
from whatsapp_mcp.errors import Busy, InvalidArgument, WhatsAppError
from whatsapp_mcp.media import Worker, open_worker
from whatsapp_mcp.models import ImportProgress, ImportResult
from whatsapp_mcp.settings import CurrentSettings

KEPT: Final = 20
"""Imports that are told; they are forgotten when the leader ends."""
_MEGABYTE: Final = 1_000_000
_BRIDGE: Final = ".db"
_FAILED: Final = "It failed for a reason that the log says."


class _Job(NamedTuple):
    path: Path
    chat: str | None
    me: str | None


class Imports:
    """The imports of an account, newest first.

    Args:
        archive: Where to.
        settings: The largest file, and the person's zone.
        clock: The leader's.
        worker: Opens the process that reads foreign files.
    """

    def __init__(
        self,
        archive: Archive,
        settings: CurrentSettings,
        clock: Clock,
        worker: Callable[[], AbstractAsyncContextManager[Worker]] = open_worker,
    ) -> None:
        self._archive = archive
        self._settings = settings
        self._clock = clock
        self._worker = worker
        self._begun = anyio.Event()
        self._job: _Job | None = None
        self.all: tuple[ImportProgress, ...] = ()

    async def begin(self, path: str, chat: str | None, me: str | None) -> None:
        """See `Device.begin_import`."""
        if self._job is not None:
            raise Busy("Another import is running.", "Wait until it is done.")
        file = Path(path)
        if not file.is_absolute() or not await anyio.to_thread.run_sync(file.is_file):
            raise InvalidArgument("There is no such file.", "Give the whole path of a file on this computer.")
        if file.suffix != _BRIDGE and chat is None:
            raise InvalidArgument("An exported chat does not name its chat.", "Say which chat it is.")
        self._job = _Job(file, chat, me)
        self.all = (ImportProgress(file.name, chat, self._clock.now()), *self.all[: KEPT - 1])
        self._begun.set()

    async def run(self) -> None:
        """Do what is begun, until cancelled."""
        while True:
            await self._begun.wait()
            self._begun = anyio.Event()
            async with self._ending():
                if self._job is not None:
                    done = partial(self._do, self._job)
                    self._tell(await contained("import", done, lambda: Busy(_FAILED)))

    @asynccontextmanager
    async def _ending(self) -> AsyncIterator[None]:
        """Write down that the newest import has ended, however that was."""
        error = None
        try:
            yield
        except WhatsAppError as failure:
            error = f"{failure.message} {failure.action}".strip()
        finally:
            self._job = None
            self._change(ended=self._clock.now(), error=error)

    async def _do(self, job: _Job) -> ImportResult:
        settings = self._settings.now()
        try:
            async with self._worker() as worker:
                if job.chat is None or job.path.suffix == _BRIDGE:
                    return await import_bridge(
                        self._archive, worker, job.path, zone=settings.zone, told=self._told
                    )
                return await import_chat(
                    self._archive,
                    worker,
                    job.path,
                    job.chat,
                    me=job.me,
                    zone=settings.zone,
                    most_bytes=settings.media.max_megabytes * _MEGABYTE,
                    told=self._told,
                )
        except OSError as error:
            raise Busy("The file cannot be read.", "Look at its rights.") from error
        except sqlite3.Error as error:
            raise Busy("The archive cannot be written.", "Look at the room on the disk.") from error

    def _told(self, result: ImportResult, stored: int, of: int) -> None:
        self._tell(result)
        self._change(stored=stored, files=of)

    def _tell(self, result: ImportResult) -> None:
        self._change(
            messages=result.messages,
            duplicates=result.duplicates,
            skipped=result.skipped,
            left_out=result.left_out,
        )

    def _change(self, **facts: object) -> None:
        newest, *others = self.all
        self.all = (replace(newest, **facts), *others)  # pyright: ignore[reportArgumentType]


class ImportOperations:
    """Part of the local device, which brings `Imports`; see `Device` for what each does."""

    _imports: Imports

    async def begin_import(self, path: str, chat: str | None = None, me: str | None = None) -> None:
        """See `Device.begin_import`."""
        await self._imports.begin(path, chat, me)

    async def imports(self) -> tuple[ImportProgress, ...]:
        """See `Device.imports`."""
        return self._imports.all
