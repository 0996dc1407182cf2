"""Files inside a ZIP: opened one at a time, with bounds on how far they unpack."""

from __future__ import annotations

import codecs
import os
import posixpath
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, BinaryIO, Final

from whatsapp_mcp.errors import TooLong, Unsupported
from whatsapp_mcp.features.reading.documents.document import DOWNLOAD, protected

ENTRIES: Final = 65_536
ENTRY_BYTES: Final = 100_000_000
"""Most bytes of one file, unpacked."""
PACKAGE_BYTES: Final = 200_000_000
"""Most bytes read of one package in total, unpacked."""
RATIO: Final = 200
"""Largest ratio of unpacked to packed size for a large file; a table of nearly equal rows reaches 100."""
_LARGE: Final = 10_000_000
_CHUNK: Final = 65_536
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_CODECS: Final = codecs.lookup("cp437")
"""Codec of names without UTF-8. Loaded on import: nothing can be loaded once the reading process is
confined."""
_BROKEN: Final = (
    zipfile.BadZipFile,
    ArithmeticError,
    LookupError,
    NotImplementedError,
    ValueError,
    struct.error,
)
"""Exceptions that `zipfile` raises on malformed files."""
_ENCRYPTED: Final = 0x1
_DIRECTORY_BYTES: Final = 16_000_000
"""Most bytes of the list of files; parsing it takes thirty times as much memory."""
_END_RECORD: Final = b"PK\5\6"
_END_BYTES: Final = 22 + 65_535


class Package:
    """A ZIP whose files are read.

    Raises:
        Unsupported: It is damaged.
        TooLong: It has too many files.
    """

    def __init__(self, file: BinaryIO) -> None:
        _require_small_directory(file)
        try:
            self._zip = zipfile.ZipFile(file)
        except _BROKEN:
            raise damaged() from None
        if len(self._zip.infolist()) > ENTRIES:
            raise TooLong(f"The file has more than {ENTRIES:,} files inside.", DOWNLOAD)
        self._left = PACKAGE_BYTES

    @property
    def entries(self) -> list[zipfile.ZipInfo]:
        """All files and folders."""
        return self._zip.infolist()

    def has(self, name: str) -> bool:
        """Return whether the package has a file of this name."""
        return name in self._zip.NameToInfo

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of a file, piece by piece; none if there is no such file.

        Raises:
            Unsupported: It is encrypted or damaged.
            TooLong: It unpacks to more than is read.
        """
        entry = self._zip.NameToInfo.get(name)
        if entry is None:
            return
        if is_encrypted(entry):
            raise protected()
        if entry.compress_type not in _METHODS:
            raise Unsupported("The document is packed in a way that is not read here.", DOWNLOAD)
        if entry.file_size > max(_LARGE, RATIO * entry.compress_size):
            raise TooLong(f"A part of the document unpacks to more than {RATIO} times its size.", DOWNLOAD)
        try:
            with self._zip.open(entry) as opened:
                yield from self._bounded(opened)
        except (*_BROKEN, zlib.error, EOFError):
            raise damaged() from None

    def content(self, name: str) -> bytes:
        """The whole of a small file; empty if there is none."""
        return b"".join(self.chunks(name))

    def _bounded(self, opened: IO[bytes]) -> Iterator[bytes]:
        left = ENTRY_BYTES
        while chunk := opened.read(_CHUNK):
            left -= len(chunk)
            self._left -= len(chunk)
            if min(left, self._left) < 0:
                raise TooLong(f"The document unpacks to more than {PACKAGE_BYTES // 1_000_000} MB.", DOWNLOAD)
            yield chunk


def is_encrypted(entry: zipfile.ZipInfo) -> bool:
    """Return whether an entry needs a password."""
    return bool(entry.flag_bits & _ENCRYPTED)


def resolved(base: str, target: str) -> str:
    """The name of a file that another file, `base`, refers to."""
    if target.startswith("/"):
        return posixpath.normpath(target).lstrip("/")
    return posixpath.normpath(posixpath.join(posixpath.dirname(base), target))


def damaged() -> Unsupported:
    """The refusal of what is broken."""
    return Unsupported("The file is damaged.", "Ask the sender to send it again.")


def _require_small_directory(file: BinaryIO) -> None:
    """Refuse a list of files that is too large to be parsed, before `zipfile` parses it."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END_BYTES))
    tail = file.read(_END_BYTES)
    start = tail.rfind(_END_RECORD)
    # Of a ZIP64, whose lists are elsewhere, the number here is the largest that there is.
    if start >= 0 and int.from_bytes(tail[start + 12 : start + 16], "little") > _DIRECTORY_BYTES:
        raise TooLong(f"The file has more than {ENTRIES:,} files inside.", DOWNLOAD)
    file.seek(0)
