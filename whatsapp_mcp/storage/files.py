"""Files that the next leader needs: copies of what cannot be had again, and small ones as the last left them.

Copies are of files on their way out, and of what imports have brought; small files are the link record and
the key of the seals.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from whatsapp_mcp.system import write_private


class FileStore(Protocol):
    """The files of one account, by their paths below its folder. Safe for several tasks at a time.

    Each method may raise `OSError` or `StorageError`.
    """

    async def put(self, name: str, file: Path) -> None:
        """Keep a file; whole and durable when this returns. One of this name that is there already stays."""
        ...

    async def fetch(self, name: str, target: Path) -> bool:
        """Write a file to an existing one; False where there is none of this name."""
        ...

    async def names(self) -> frozenset[str]:
        """The names of all."""
        ...

    async def delete(self, names: Collection[str]) -> None:
        """Delete files; those that are not there are passed over.

        Raises:
            Fenced: A newer leader has taken over; nothing was deleted.
        """
        ...


class SmallFile(Protocol):
    """One file, read and written as a whole; usable from any thread.

    Each method may raise `OSError` where it is a file of the account's folder, and else `Unavailable`.
    """

    def read(self) -> bytes | None:
        """Return the content of the file; None if there is no file."""
        ...

    def write(self, content: bytes) -> None:
        """Replace its content; durable when this returns.

        Raises:
            Fenced: A newer leader has taken over; nothing was written.
        """
        ...


class PrivateFile:
    """A `SmallFile` in a folder, which only its owner may read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> bytes | None:
        """Return the content of the file; None if there is no file."""
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None

    def write(self, content: bytes) -> None:
        """Replace the content of the file; durable when this returns."""
        write_private(self._path, content, synced=True)
