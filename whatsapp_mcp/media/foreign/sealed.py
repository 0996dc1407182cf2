"""What the process of an archive opens before it is confined: a database, or an encrypted backup."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from whatsapp_mcp.errors import Busy
from whatsapp_mcp.media.foreign import database
from whatsapp_mcp.media.foreign.decrypting import DATABASE, RATIO, SMALL, decrypt

_BUFFER = 1 << 20


class File(Protocol):
    """A file that becomes a database."""

    @property
    def written_bytes(self) -> int:
        """How much may be written for it."""
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
        self._db = database.opened(path)

    def database(self, key: bytes | None) -> sqlite3.Connection:
        """See `File`."""
        del key
        return self._db


class Sealed:
    """An encrypted backup, and the file that it is decrypted to, which has no name any more.

    Args:
        path: The backup.
        scratch: Where the file is made; where a file that is open cannot lose its name, it is left there.
    """

    def __init__(self, path: Path, scratch: Path) -> None:
        self._source = path.open("rb")
        size = path.stat().st_size
        self.written_bytes = max(SMALL, RATIO * size)
        descriptor = os.open(
            scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600
        )
        self._scratch = os.fdopen(descriptor, "wb", _BUFFER)
        # SQLite opens it now, and looks at it when it is asked to: then it is a database.
        self._db = database.opened(scratch, is_complete=False)
        with suppress(OSError):
            scratch.unlink()
        self._is_done = False

    def database(self, key: bytes | None) -> sqlite3.Connection:
        """See `File`."""
        if not self._is_done:
            try:
                decrypt(self._source, key, self._scratch.write)
                self._scratch.flush()
            except OSError:
                raise Busy(
                    "The backup cannot be decrypted: the disk is full, or fails.",
                    "Free space on the disk, then try again.",
                ) from None
            self._is_done = True
        return self._db


def opened(path: Path, scratch: Path) -> File:
    """The file, by what it begins with."""
    with path.open("rb") as file:
        start = file.read(len(DATABASE))
    return Plain(path) if start in (DATABASE, b"") else Sealed(path, scratch)
