"""Small files that the next leader needs as the last one left them: the link record, the key of the seals."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from whatsapp_mcp.system import write_private


class SmallFile(Protocol):
    """One file, read and written as a whole; usable from any thread.

    Each method may raise `OSError` where it is a file of the account's folder, and else `Unavailable`.
    """

    def read(self) -> bytes | None:
        """Its content; None where there is none."""
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
        """See `SmallFile`."""
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None

    def write(self, content: bytes) -> None:
        """See `SmallFile`."""
        write_private(self._path, content, synced=True)
