"""`Importer`: runs one import, whatever lies at its path."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Final

import anyio.to_thread

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.stored_files import StoredFiles
from whatsapp_mcp.errors import Busy, InvalidArgument
from whatsapp_mcp.features.imports.foreign import open_foreign
from whatsapp_mcp.features.imports.importing import exports
from whatsapp_mcp.features.imports.importing.archives import OpenForeign, import_archive
from whatsapp_mcp.features.imports.importing.matching import match_exports
from whatsapp_mcp.features.imports.importing.places import LocationKind, place_of
from whatsapp_mcp.features.imports.importing.work import Job, Work
from whatsapp_mcp.features.imports.requests import ImportRequest
from whatsapp_mcp.features.imports.sentences import SAID
from whatsapp_mcp.media import Worker, open_worker
from whatsapp_mcp.models import ExportMatch
from whatsapp_mcp.settings import AccountFolder, CurrentSettings

_open_worker: Final = partial(open_worker, says=SAID)


class Importer:
    """Runs imports.

    Args:
        folder: The account's files.
        archive: Where to.
        settings: The largest file, and the person's zone.
        opens: Opens archives of other programs.
        worker: Opens the process that reads exported chats.
        stored: Keeps files elsewhere as well.
    """

    def __init__(
        self,
        folder: AccountFolder,
        archive: Archive,
        settings: CurrentSettings,
        opens: OpenForeign = open_foreign,
        worker: Callable[[], AbstractAsyncContextManager[Worker]] = _open_worker,
        stored: StoredFiles | None = None,
    ) -> None:
        self._folder = folder
        self._archive = archive
        self._settings = settings
        self._opens = opens
        self._worker = worker
        self._stored = stored or StoredFiles(folder)

    async def run(self, request: ImportRequest, job: Job) -> None:
        """Import what a request names, and tell how far it is.

        Raises:
            WhatsAppError: Why it cannot be imported; what was taken over before stays.
        """
        work = Work(self._folder, self._archive, self._settings, request, job, self._stored)
        try:
            place = await anyio.to_thread.run_sync(place_of, Path(request.path))
            if place.kind is LocationKind.ARCHIVE:
                await import_archive(work, place, self._opens)
                return
            async with self._worker() as worker:
                if place.kind is LocationKind.EXPORTS:
                    await exports.import_exports(work, worker, place.path)
                else:
                    await exports.import_export(work, worker, place.path, chat_of(request))
        except OSError as error:
            raise Busy("A file cannot be read or written.", "Look at its rights, and at the disk.") from error
        except sqlite3.Error as error:
            raise Busy("The archive cannot be written.", "Look at the room on the disk.") from error

    async def match(self, folder: Path) -> tuple[ExportMatch, ...]:
        """Which chat each exported one in a folder is.

        Raises:
            WhatsAppError: The folder, or one of its files, cannot be read.
        """
        async with self._worker() as worker:
            return await match_exports(self._archive, worker, folder)


def chat_of(request: ImportRequest) -> str:
    """The chat that an exported one is.

    Raises:
        InvalidArgument: It is not given.
    """
    if request.chat is None:
        raise InvalidArgument("An exported chat does not name its chat.", "Say which chat it is.")
    return request.chat
