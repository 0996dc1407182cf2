"""`Files`: what is done with the files of messages, put together; `Keeper` fetches those of known people.

They are fetched before WhatsApp deletes them, and the oldest dropped to make room. What waits is asked of
the archive each time: files that are not here, without a final problem. So nothing is lost when the process
ends, and nothing has to be put in order after it.
"""

from __future__ import annotations

import logging
import random
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio

from whatsapp_mcp.archive import recording
from whatsapp_mcp.device.clock import within
from whatsapp_mcp.device.files.fetcher import Fetcher
from whatsapp_mcp.device.files.pace import Pace
from whatsapp_mcp.device.files.reading import ReadingLoop
from whatsapp_mcp.device.files.waiting import GATHER, LOOK, chats_of, kept_sizes, since
from whatsapp_mcp.device.supervise import contained
from whatsapp_mcp.errors import (
    Busy,
    MediaUnavailable,
    MessageNotFound,
    NotConnected,
    NotLinked,
    RateLimited,
    TooLong,
    WhatsAppError,
)
from whatsapp_mcp.models import FileStep

if TYPE_CHECKING:
    from whatsapp_mcp.archive import Archive
    from whatsapp_mcp.device.clock import Clock
    from whatsapp_mcp.device.files.fetcher import Fetcher
    from whatsapp_mcp.device.files.pace import Pace
    from whatsapp_mcp.device.files.readers import Readers
    from whatsapp_mcp.device.stored_files import StoredFiles
    from whatsapp_mcp.models import FilesStatus, FileTask, MessageKind
    from whatsapp_mcp.settings import AccountFolder, CurrentSettings

NEW: Final = timedelta(minutes=5)
"""Age up to which a file counts as new."""
NO_ROOM_PAUSE: Final = 600.0
"""Seconds until it is tried again where there was no room."""
_CANDIDATES: Final = 20
"""Files that are looked at for one for which there is room."""
_MEGABYTE: Final = 1_000_000

logger = logging.getLogger(__name__)


class Keeper:
    """Fetches what `[media.keep]` asks for, newest first, one file at a time, as fast as `Pace` allows.

    Args:
        online: Whether WhatsApp can be asked.
        fetched: Called after each file.
    """

    def __init__(
        self,
        archive: Archive,
        fetcher: Fetcher,
        settings: CurrentSettings,
        clock: Clock,
        pace: Pace,
        *,
        online: Callable[[], bool],
        fetched: Callable[[], None],
    ) -> None:
        self._archive = archive
        self._fetcher = fetcher
        self._settings = settings
        self._clock = clock
        self._pace = pace
        self._online = online
        self._fetched = fetched
        self._wake = anyio.Event()

    def wake(self) -> None:
        """Something was archived, or the connection is up: see whether there is a file to fetch."""
        self._wake.set()

    async def run(self) -> None:
        """Fetch until cancelled."""
        while True:
            self._wake = anyio.Event()
            looked = self._clock.monotonic()
            pause = await self._turn() if self._online() else LOOK
            if pause > 0:
                await within(self._clock, pause, self._wake.wait)
                # However often it is woken meanwhile, it looks once in `GATHER` seconds.
                await self._clock.sleep(max(0.0, looked + min(pause, GATHER) - self._clock.monotonic()))

    async def _turn(self) -> float:
        """Fetch one file, if one may be fetched; answers the seconds until it makes sense to look again."""
        media = self._settings.now().media
        keep = kept_sizes(media)
        if self._pace.paused or not keep:
            return LOOK
        chats = await chats_of(self._archive, media.keep.chats)
        now = self._clock.now()
        tasks = await self._archive.files_to_fetch(
            keep, since(now), chats, int(now.timestamp() * 1000), _CANDIDATES
        )
        if not tasks:
            return LOOK
        is_new = now.timestamp() - tasks[0].at <= NEW.total_seconds()
        if (seconds := self._pace.wait(is_new=is_new)) > 0:
            return seconds
        for task in tasks:
            if await self._has_room(task, media.keep.total_megabytes * _MEGABYTE):
                await self._try(task, keep)
                self._pace.tried(is_new=is_new)
                return 0.0
        return LOOK

    async def _has_room(self, task: FileTask, most: int) -> bool:
        """Make room for the file among the kept ones by dropping only older ones; false if it cannot."""
        size = task.size or 0
        over = await self._archive.kept_bytes() + size - most
        if over <= 0:
            return True
        if size > most:
            return False
        dropped = await self._archive.kept_to_drop(over)
        if any(other.at >= task.at for other in dropped):
            return False
        for other in dropped:
            if other.path is not None:
                await self._fetcher.drop(other.ref, other.path)
        return True

    async def _try(self, task: FileTask, keep: Mapping[MessageKind, int]) -> None:
        fetch = partial(self._fetcher.fetch, task.ref, keep_up_to=keep[task.kind])
        try:
            await contained("files: a fetch", fetch, lambda: Busy("The file could not be stored."))
        except (MediaUnavailable, MessageNotFound) as error:
            logger.info("files: #%d is not to be had: %s", task.ref, error.code)
        except (NotConnected, NotLinked) as error:
            # No fault of the file: it is fetched when the connection is back.
            logger.info("files: #%d waits for the connection: %s", task.ref, error.code)
        except Busy as error:
            self._pace.pause(NO_ROOM_PAUSE, error.message)
        except WhatsAppError as error:
            logger.info("files: #%d could not be fetched: %s", task.ref, error.code)
            await self._archive.write(
                recording.record_file_problem,
                task.ref,
                FileStep.FETCH,
                error.code,
                error.message,
                final=isinstance(error, TooLong),
            )
            if isinstance(error, RateLimited):
                self._pace.refused(error.message)
        else:
            self._pace.succeeded()
            self._fetched()


class Files:
    """Fetches, keeps and reads the files of one account's messages.

    Args:
        call: Calls the current client.
        online: Whether WhatsApp can be asked.
        readers: What can read here now.
        stored: Files that are kept elsewhere as well.
        chance: Gives numbers in [0, 1), for the pace.

    Attributes:
        fetcher: Fetches files.
        keeper: Fetches those that nobody asked for.
        reading: Reads files.
    """

    def __init__(
        self,
        folder: AccountFolder,
        settings: CurrentSettings,
        archive: Archive,
        clock: Clock,
        *,
        call: Callable[..., Awaitable[Any]],
        online: Callable[[], bool],
        readers: Callable[[], Readers],
        stored: StoredFiles | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._archive = archive
        self._settings = settings
        self._clock = clock
        self._online = online
        self._pace = Pace(clock, chance)
        self.fetcher = Fetcher(folder, settings, archive, call, stored)
        self.reading = ReadingLoop(archive, self.fetcher, settings, clock, readers)
        self.keeper = Keeper(
            archive,
            self.fetcher,
            settings,
            clock,
            self._pace,
            online=online,
            fetched=self.reading.wake,
        )

    def wake(self) -> None:
        """Something was archived, or the connection is up: see what there is to do."""
        self.keeper.wake()
        self.reading.wake()

    async def status(self) -> FilesStatus | None:
        """Return the progress of fetching and reading files; None if the archive does not say."""
        media = self._settings.now().media
        try:
            counts = await self._archive.file_counts(
                kept_sizes(media),
                self.reading.kinds if media.read else (),
                since(self._clock.now()),
                await chats_of(self._archive, media.keep.chats),
            )
        except (sqlite3.Error, WhatsAppError):
            logger.exception("files: the archive does not say how many wait")
            return None
        paused = self._pace.paused
        if paused is None and not self._online():
            paused = "The connection to WhatsApp is down."
        return replace(
            counts,
            paused=paused if counts.to_fetch else None,
            reader_bytes=self.reading.memory,
        )

    async def download(self, ref: int) -> str:
        """Fetch the file of a message, unless it is here; answers its path."""
        return str(await self.fetcher.fetch(ref))

    async def read_file(self, ref: int) -> None:
        """Fetch the file of a message and read it, unless that was done: then the archive has its reading."""
        await self.reading.read(ref)
