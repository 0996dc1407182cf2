"""List of the files in a ZIP; nothing is unpacked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from zipfile import ZipInfo

from whatsapp_mcp.features.reading.documents.document import Document, parts
from whatsapp_mcp.features.reading.documents.packages import Package, is_encrypted

_UNITS: Final = ((1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB"))


def open_zip(package: Package) -> Document:
    """The list of its files with their sizes, folders left out."""
    return Document(parts(_lines(package)), "zip")


def size_text(size: int) -> str:
    """A size as people read it: `1.2 MB`."""
    for unit, name in _UNITS:
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return "1 byte" if size == 1 else f"{size} bytes"


def _lines(package: Package) -> Iterator[str]:
    files = [entry for entry in package.entries if not entry.is_dir()]
    total = sum(entry.file_size for entry in files)
    yield f"{len(files):,} {'file' if len(files) == 1 else 'files'}, {size_text(total)} unpacked"
    yield from map(_line, files)


def _line(entry: ZipInfo) -> str:
    # A name may have line breaks, which would look like further files.
    name = " ".join(entry.filename.split())
    note = ", protected with a password" if is_encrypted(entry) else ""
    return f"{name} ({size_text(entry.file_size)}{note})"
