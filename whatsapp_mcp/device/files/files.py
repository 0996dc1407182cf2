"""`Files`: what is done with the files of messages, put together; and the device's operations on them."""

from __future__ import annotations

import logging
import random
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from whatsapp_mcp.device.files.fetcher import Fetcher
from whatsapp_mcp.device.files.keeper import Keeper
from whatsapp_mcp.device.files.pace import Pace
from whatsapp_mcp.device.files.reading import ReadingLoop
from whatsapp_mcp.device.files.waiting import chats_of, kept_sizes, since
from whatsapp_mcp.errors import WhatsAppError

if TYPE_CHECKING:
    from whatsapp_mcp.archive import Archive
    from whatsapp_mcp.device.clock import Clock
    from whatsapp_mcp.device.files.readers import Readers
    from whatsapp_mcp.device.stored_files import StoredFiles
    from whatsapp_mcp.models import FilesStatus
    from whatsapp_mcp.settings import AccountFolder, CurrentSettings

logger = logging.getLogger(__name__)


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
            fetched=self.reading.look,
        )

    def look(self) -> None:
        """Something was archived, or the connection is up: see what there is to do."""
        self.keeper.look()
        self.reading.look()

    async def status(self) -> FilesStatus | None:
        """How far it has come; None if the archive does not say."""
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


class FileOperations:
    """Part of the local device, which brings `Files`; see `Device` for what each does."""

    _files: Files

    async def download(self, ref: int) -> str:
        """See `Device.download`."""
        return str(await self._files.fetcher.fetch(ref))

    async def read_file(self, ref: int) -> None:
        """See `Device.read_file`."""
        await self._files.reading.read(ref)
