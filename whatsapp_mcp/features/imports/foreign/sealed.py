"""The files that an archive's process opens before it is confined: databases and encrypted backups."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from whatsapp_mcp.errors import Busy
from whatsapp_mcp.features.imports.foreign import database
from whatsapp_mcp.features.imports.foreign.decrypting import DATABASE, RATIO, SMALL, decrypt

_BUFFER = 1 << 20
_PAGE_SIZE = slice(16, 18)
"""Position of the page size in a database (https://sqlite.org/fileformat.html)."""


class File(Protocol):
    """A file that becomes a database."""

    @property
    def written_bytes(self) -> int:
        """Most bytes that may be written for the database."""
        ...

    def database(self, key: bytes | None) -> sqlite3.Connection:
        """A connection to its database.

        Raises:
            InvalidArgument, TooLong, Busy: As `decrypt`, or the disk is full.
        """
        ...


class Plain:
    """A database."""

    written_bytes = 0

    def __init__(self, path: Path) -> None:
        self._is_whole = _is_whole(path)
        self._db = database.opened(path)

    def database(self, key: bytes | None) -> sqlite3.Connection:
        """Return the connection to the database (see `File`).

        Raises:
            InvalidArgument: Its last page is cut, which SQLite would take for one with zeros at its end.
        """
        del key
        if not self._is_whole:
            raise database.damaged()
        return self._db


class Scratch:
    """A file that becomes a database and has no name any more.

    Args:
        path: Where it is made; where a file that is open cannot lose its name, it is left there.

    Attributes:
        db: A connection to it, for when it is filled.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        self._file = os.fdopen(os.open(path, flags, 0o600), "wb", _BUFFER)
        # SQLite opens it now, and looks at it when it is asked to: then it is a database.
        self.db = database.opened(path, is_complete=False)
        with suppress(OSError):
            path.unlink()

    def fill(self, write: Callable[[Callable[[bytes], object]], object]) -> None:
        """Let `write` write it.

        Raises:
            Busy: The disk is full, or cannot be read.
        """
        try:
            self._file.seek(0)
            write(self._file.write)
            self._file.flush()
        except OSError:
            raise Busy(
                "The backup cannot be unpacked: the disk is full, or fails.",
                "Free space on the disk, then try again.",
            ) from None


class Sealed:
    """An encrypted backup, and the file that it is decrypted to.

    Args:
        path: The backup.
        scratch: As in `Scratch`.
    """

    def __init__(self, path: Path, scratch: Path) -> None:
        self._source = path.open("rb")
        self.written_bytes = max(SMALL, RATIO * path.stat().st_size)
        self._scratch = Scratch(scratch)
        self._is_done = False

    def database(self, key: bytes | None) -> sqlite3.Connection:
        """Decrypt the backup on the first call, and return the connection to its database (see `File`)."""
        if not self._is_done:
            self._scratch.fill(lambda write: decrypt(self._source, key, write))
            self._is_done = True
        return self._scratch.db


def _is_whole(path: Path) -> bool:
    """Return whether a file consists of whole pages of the size that the database header gives."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(_PAGE_SIZE.stop)[_PAGE_SIZE], "big")
        return file.seek(0, os.SEEK_END) % ({1: 65_536}.get(size, size) or 1) == 0


def opened(path: Path, scratch: Path) -> File:
    """The file, by what it begins with."""
    with path.open("rb") as file:
        start = file.read(len(DATABASE))
    return Plain(path) if start in (DATABASE, b"") else Sealed(path, scratch)
