"""`Fetcher`: brings the file of a message from WhatsApp's servers into the account's folder."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

import anyio
import anyio.to_thread

from whatsapp_mcp.archive import recording
from whatsapp_mcp.archive.care import unlink_media
from whatsapp_mcp.device.outbox import forwarded_file
from whatsapp_mcp.device.stored_files import StoredFiles
from whatsapp_mcp.errors import MediaUnavailable, MessageNotFound
from whatsapp_mcp.files.media_folder import recorded_file, require_room, safe_name
from whatsapp_mcp.files.sealed_files import sealed, unseal
from whatsapp_mcp.media import HEAD_BYTES, format_of
from whatsapp_mcp.models import FileStep
from whatsapp_mcp.system import draft_of

if TYPE_CHECKING:
    from whatsapp_mcp.archive import Archive
    from whatsapp_mcp.files.vault import Vault
    from whatsapp_mcp.models import MediaSource
    from whatsapp_mcp.settings import AccountFolder, CurrentSettings

_DEADLINE: Final = 55.0
"""Seconds for a download; the library itself tries for 30 where WhatsApp's servers are overloaded."""
_MEGABYTE: Final = 1_000_000


class Fetcher:
    """Fetches files. Several who ask for the same one at a time get it from one fetch.

    Nobody is told that a file was fetched or opened: no receipt goes out.

    Args:
        call: Calls the current client.
        stored: Files that are kept elsewhere as well.
    """

    def __init__(
        self,
        folder: AccountFolder,
        settings: CurrentSettings,
        archive: Archive,
        call: Callable[..., Awaitable[Any]],
        stored: StoredFiles | None = None,
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._archive = archive
        self._call = call
        self._stored = stored or StoredFiles(folder)
        # Weak: a lock is kept for as long as somebody holds it or waits for it.
        self._turns: WeakValueDictionary[int, anyio.Lock] = WeakValueDictionary()

    async def here(self, ref: int) -> Path | None:
        """Return the path of the file, made readable; None if it is not here.

        Raises:
            MessageNotFound: No such message.
            MediaUnavailable: It carries no file.
        """
        return await self._found(await self._archive.media_source(ref))

    async def fetch(self, ref: int, *, keep_up_to: int | None = None) -> Path:
        """Fetch the file of a message, unless it is here; answers where it lies.

        Args:
            ref: The message.
            keep_up_to: Nobody has asked for it: it may be dropped again, and is taken only up to so many
                bytes. None: it was asked for, and stays.

        Raises:
            MessageNotFound: No such message.
            MediaUnavailable: It carries no file, or WhatsApp no longer has it, which is noted; or the message
                was deleted while its file was fetched.
            TooLong: It is over a limit of the settings.
            Busy: There is no room for it.
            NotConnected, NotLinked, RateLimited, DeadlineExceeded, Rejected: It was not to be had.
        """
        async with self._turns.setdefault(ref, anyio.Lock()):
            source = await self._archive.media_source(ref)
            path = await self._found(source)
            if path is not None:
                if keep_up_to is None:
                    # It may have been fetched unasked: from now on it is not dropped to make room.
                    await self._archive.write(recording.record_media_path, ref, str(path))
                return path
            try:
                return await self._fetch(source, keep_up_to)
            except MediaUnavailable as error:
                with suppress(MessageNotFound):
                    await self._archive.write(
                        recording.record_file_problem,
                        ref,
                        FileStep.FETCH,
                        error.code,
                        error.message,
                        final=True,
                    )
                raise

    async def drop(self, ref: int, path: str) -> None:
        """Delete a file that was kept without being asked for; what was read in it stays."""
        await anyio.to_thread.run_sync(unlink_media, self._folder.media, [path])
        with suppress(MessageNotFound):  # it was deleted meanwhile
            await self._archive.write(recording.record_media_path, ref, None)

    async def _found(self, source: MediaSource) -> Path | None:
        if source.path is None:
            return None
        path = recorded_file(self._folder.media, source.path)
        if await anyio.to_thread.run_sync(_is_there, self._folder.vault, path):
            return path
        return await self._stored.at_hand(source.path)

    async def _fetch(self, source: MediaSource, keep_up_to: int | None) -> Path:
        from whatsapp_mcp.protobufs import E2E

        message = await self._archive.message(source.ref)
        proto = forwarded_file(message, source, E2E.ContextInfo())
        folder, limits = self._folder.media, self._settings.now().media
        # Its size is what the sender says; the client holds what has arrived to the same limit.
        await anyio.to_thread.run_sync(require_room, folder, source.size or 0, limits)
        most = limits.max_megabytes * _MEGABYTE
        params = {
            "message": b64encode(proto.SerializeToString()).decode(),
            "most": most if keep_up_to is None else min(most, keep_up_to),
        }
        with draft_of(folder / str(source.ref)) as draft:
            await self._call("download", params | {"path": str(draft)}, deadline=_DEADLINE)
            try:
                path, size = await anyio.to_thread.run_sync(_named, draft, source)
            except FileNotFoundError:  # the message was deleted for good, and the draft with it
                raise _deleted_meanwhile() from None
        try:
            kept = None if keep_up_to is None else size
            is_recorded = await self._archive.write(recording.record_media_path, source.ref, str(path), kept)
        except MessageNotFound:
            is_recorded = False
        if not is_recorded:
            await anyio.to_thread.run_sync(unlink_media, folder, [str(path)])
            raise _deleted_meanwhile()
        return path


def _is_there(vault: Vault, path: Path) -> bool:
    """Return whether a file was fetched before; unseal a sealed one, for an hour from its last use."""
    if path.is_file():
        path.touch()
        return True
    key = vault.files_key()
    if key is None or not sealed(path).is_file():
        return False
    unseal(path, key)
    return True


def _named(draft: Path, source: MediaSource) -> tuple[Path, int]:
    """Give a fetched file its name, by what is in it; its path and its bytes."""
    with draft.open("rb") as file:
        file_format = format_of(file.read(HEAD_BYTES))
    size = draft.stat().st_size
    name = safe_name(
        source.ref, source.file_name, source.mime_type, file_format.mime_type if file_format else None
    )
    return draft.replace(draft.with_name(name)), size


def _deleted_meanwhile() -> MediaUnavailable:
    return MediaUnavailable("The message was deleted while its file was fetched.", "Tell the user.")
