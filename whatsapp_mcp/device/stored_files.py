"""The account's files that cannot be had again, where several machines may lead it: kept outside its folder.

Copies of files on their way out, and what imports have brought. The archive names them with the whole path
that they had where they were made; only its end counts, since each machine has a folder of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from whatsapp_mcp.errors import Busy
from whatsapp_mcp.system import draft_of

if TYPE_CHECKING:
    from whatsapp_mcp.settings import AccountFolder
    from whatsapp_mcp.storage import FileStore

_MEDIA: Final = "media/"


class StoredFiles:
    """The files of one account; whoever stores and whoever clears share one object.

    Args:
        folder: The account's files.
        store: Where they are kept as well; None: they are in the folder alone, and nothing is done.
    """

    def __init__(self, folder: AccountFolder, store: FileStore | None = None) -> None:
        self._folder = folder
        self._store = store
        self._turn = anyio.Lock()

    async def keep(self, paths: Iterable[str | Path]) -> None:
        """Store files of the folder `media`, before what names them is accepted.

        Raises:
            Busy: One cannot be stored now.
            LeadershipOver: See `storage.FileStore`.
        """
        if self._store is None:
            return
        for here in map(self._place_of, paths):
            # What is no file of the folder is refused when it is handed to the client process.
            if await anyio.to_thread.run_sync(_is_file, here):
                try:
                    # One that is there already stays, unless `clear` has decided that it goes.
                    async with self._turn:
                        await self._store.put(self._name_of(here), here)
                except OSError as error:
                    raise _unstored() from error

    async def at_hand(self, path: str) -> Path | None:
        """Return the local path of a file, fetched if it is missing; None if it cannot be had this way.

        Raises:
            Busy: It cannot be fetched now.
            LeadershipOver: See `storage.FileStore`.
        """
        if self._store is None:
            return None
        here = self._place_of(path)
        if await anyio.to_thread.run_sync(_is_file, here):
            return here
        try:
            await anyio.to_thread.run_sync(_make_folder, here.parent)
            with draft_of(here) as draft:
                if not await self._store.fetch(self._name_of(here), draft):
                    return None
                draft.replace(here)
        except OSError as error:
            raise _unstored() from error
        return here

    async def clear(self, needed: Collection[str]) -> int:
        """Delete from the store what no send and no message needs, and what is not here; answers how many.

        What is here may be on its way to a send that is not accepted yet; the folder's own care deletes it.

        Args:
            needed: Paths of files that sends or messages name.
        """
        if self._store is None:
            return 0
        kept = set(map(_content, needed))
        stored = [name for name in await self._store.names() if name.startswith(_MEDIA)]

        def unneeded() -> list[str]:
            unnamed = (name for name in stored if _content(name) not in kept)
            return [name for name in unnamed if not (self._folder.path / name).exists()]

        async with self._turn:
            gone = await anyio.to_thread.run_sync(unneeded)
            # Also if there are none: what killed leaders have left goes as well.
            await self._store.delete(gone)
        return len(gone)

    def _place_of(self, path: str | Path) -> Path:
        given = Path(path)
        is_outgoing = given.parent.name == self._folder.outgoing.name
        return (self._folder.outgoing if is_outgoing else self._folder.media) / given.name

    def _name_of(self, here: Path) -> str:
        return here.relative_to(self._folder.path).as_posix()


def _content(path: str) -> tuple[bool, str]:
    """Return what copies of one content have in common (`archive.care.purge_sent_files`)."""
    given = Path(path)
    return given.parent.name == "outgoing", given.name.partition(".")[0]


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _unstored() -> Busy:
    return Busy("The file cannot be stored or fetched now.", "Try again; if it goes on, tell the user.")
