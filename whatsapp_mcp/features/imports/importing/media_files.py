"""Files of messages that come with a foreign archive, copied into the account's folder."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

import anyio.to_thread

from whatsapp_mcp.archive import recording
from whatsapp_mcp.archive.care import unlink_media
from whatsapp_mcp.errors import FileNotAllowed, InvalidArgument, MediaUnavailable, MessageNotFound
from whatsapp_mcp.files.allowed_files import open_allowed
from whatsapp_mcp.files.media_folder import require_room, safe_name, used
from whatsapp_mcp.media import HEAD_BYTES, format_of
from whatsapp_mcp.models import ForeignMessage, ImportReport
from whatsapp_mcp.system import draft_of

if TYPE_CHECKING:
    from whatsapp_mcp.features.imports.importing.work import Work
    from whatsapp_mcp.files.media_folder import FolderUsage
    from whatsapp_mcp.models import MediaSource

OpenFile = Callable[[str], Awaitable[BinaryIO | None]]
"""Opens a file by `ForeignFile.path`; None where it does not come along."""
_MEGABYTE: Final = 1_000_000
_CHUNK: Final = 1 << 18


def files_below(root: Path, home: Path) -> OpenFile:
    """Opens the files below a folder, and none that a link leads to elsewhere.

    Args:
        root: `ForeignFile.path` begins there, or with the folder's own name.
        home: The home folder, of which nothing is opened.
    """

    def opened(path: str) -> BinaryIO | None:
        parts = Path(path).parts
        if not parts or Path(path).is_absolute() or ".." in parts:
            return None
        below = [root / path]
        if parts[0] == root.name:
            below.append(root.joinpath(*parts[1:]))
        for each in below:
            try:
                return open_allowed(each, [root], home)
            except (FileNotAllowed, InvalidArgument):
                continue
        return None

    async def in_thread(path: str) -> BinaryIO | None:
        return await anyio.to_thread.run_sync(opened, path)

    return in_thread


class _Copied(NamedTuple):
    path: Path
    size: int
    digest: bytes


class MediaFiles:
    """Takes over files of messages.

    Args:
        work: The import.
        number: Its number.
        open_file: Opens a foreign one.
    """

    def __init__(self, work: Work, number: int, open_file: OpenFile) -> None:
        self._archive = work.archive
        self._number = number
        self._folder = work.folder
        self._settings = work.settings
        self._stored = work.stored
        self._open_file = open_file
        self._used: FolderUsage | None = None
        self._chats: dict[str, str | None] = {}

    async def take(self, messages: Iterable[ForeignMessage]) -> ImportReport:
        """Take over the files that the archive lacks of messages that are there; answers how many.

        Raises:
            Busy: There is no room for them.
        """
        stored = left_out = 0
        for message in messages:
            if message.file is None or message.file.path is None:
                continue
            source = await self._wanted(message)
            if source is not None:
                taken = await self._take(source, message.file.path)
                stored += taken is True
                left_out += taken is False
        return ImportReport(files=stored, files_left_out=left_out)

    async def _wanted(self, message: ForeignMessage) -> MediaSource | None:
        """The message's file as the archive knows it; None if the archive has no such message, or has it."""
        chat = await self._chat_of(message.chat)
        if chat is None:
            return None
        try:
            archived_message = await self._archive.message(message.id, chat=chat)
            source = await self._archive.media_source(archived_message.ref, with_keys=False)
        except (MessageNotFound, MediaUnavailable):
            return None
        if archived_message.message_id != message.id:  # digits may be a ref as well
            return None
        # What came over the connection says by its digest which file it is, or gets none.
        is_known = archived_message.imported or source.sha256 is not None
        return source if source.path is None and is_known else None

    async def _chat_of(self, address: str) -> str | None:
        """The address here of a chat in the file."""
        if address not in self._chats:
            self._chats[address] = await self._archive.address_of_import(self._number, address)
        return self._chats[address]

    async def _take(self, source: MediaSource, path: str) -> bool | None:
        """Store the file of a message; return whether it was stored, None if the import has no such file."""
        file = await self._open_file(path)
        if file is None:
            return None
        media, limits = self._folder.media, self._settings.now().media
        media.mkdir(mode=0o700, exist_ok=True)
        most = limits.max_megabytes * _MEGABYTE
        if self._used is None:  # before the draft, which would be counted twice
            self._used = await anyio.to_thread.run_sync(used, media)
        with file, draft_of(media / str(source.ref)) as draft:
            copied = await anyio.to_thread.run_sync(_copy, file, draft, most)
            if copied is None or not _is_that(source, copied):
                return False
            self._used = require_room(media, copied.size, limits, self._used)
            target = await anyio.to_thread.run_sync(_named, draft, source)
        await self._stored.keep([target])
        return await self._record(source.ref, target, copied.size)

    async def _record(self, ref: int, path: Path, size: int) -> bool:
        try:
            is_recorded = await self._archive.write(
                recording.record_imported_file, self._number, ref, str(path), size
            )
        except MessageNotFound:
            is_recorded = False
        if not is_recorded:  # the message was deleted meanwhile
            await anyio.to_thread.run_sync(unlink_media, self._folder.media, [str(path)])
        return is_recorded


def _copy(file: BinaryIO, draft: Path, most: int) -> _Copied | None:
    """Copy a file; None if it is empty, too large or cannot be read."""
    digest, size = hashlib.sha256(), 0
    with draft.open("wb") as target:
        while True:
            try:
                chunk = file.read(_CHUNK)
            except OSError:
                return None
            if not chunk:
                return _Copied(draft, size, digest.digest()) if size else None
            size += len(chunk)
            if size > most:
                return None
            digest.update(chunk)
            target.write(chunk)


def _is_that(source: MediaSource, copied: _Copied) -> bool:
    """Return whether a copied file is that of the message, as far as that is known."""
    if source.sha256 is not None:
        return source.sha256 == copied.digest
    return source.size is None or source.size == copied.size


def _named(draft: Path, source: MediaSource) -> Path:
    with draft.open("rb") as file:
        file_format = format_of(file.read(HEAD_BYTES))
    name = safe_name(
        source.ref, source.file_name, source.mime_type, file_format.mime_type if file_format else None
    )
    return draft.replace(draft.with_name(name))
