"""The kind of thing at a path to import, told by names and first bytes alone: nothing is parsed here."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.features.imports.foreign import databases_of_backup

EXPORTED: Final = frozenset({".txt", ".zip"})
"""Suffixes of chats that WhatsApp exported."""
_ADDRESS_BOOKS: Final = frozenset({".vcf", ".vcard"})
_ENCRYPTED: Final = (".crypt12", ".crypt14", ".crypt15")
_SQLITE: Final = b"SQLite format 3\0"
_ANDROID: Final = ("msgstore.db", *(f"msgstore.db{suffix}" for suffix in reversed(_ENCRYPTED)))
"""Names of the archive of WhatsApp on Android, the best first."""
_IPHONE: Final = "ChatStorage.sqlite"
_MANIFEST: Final = "Manifest.db"
"""In a backup of Finder or iTunes: which of its files is which."""
_NAMES: Final = ("wa.db", *(f"wa.db{suffix}" for suffix in reversed(_ENCRYPTED)))
"""Names of WhatsApp's address book on Android, the best first."""
_BESIDE_IPHONE: Final = ("ContactsV2.sqlite", "LID.sqlite", "CallHistory.sqlite")
_PART: Final = 1_000_000
"""Bytes from the beginning and from the end of a file that its identity depends on, beside size and time."""
_MOST_LISTED: Final = 10_000
"""Files of a folder that are looked at."""
_FOLDER_HELP: Final = (
    "Give the folder WhatsApp of an Android phone, a backup of Finder or iTunes, or a folder of exports."
)


class LocationKind(StrEnum):
    """Kinds of places, each with a reader of its own."""

    EXPORT = "export"
    """One exported chat."""
    EXPORTS = "exports"
    """A folder of exported chats."""
    ARCHIVE = "archive"
    """Something with messages or people in it, of another program."""


@dataclass(frozen=True, slots=True)
class ImportLocation:
    """A file or folder to import, and what belongs to it.

    Attributes:
        kind: Who reads it.
        path: The file, or the folder of a backup of Finder or iTunes or of exported chats.
        media: The folder from which messages name their files, where it comes along.
        beside: Other databases of the same program that come along, such as its address book.
    """

    kind: LocationKind
    path: Path
    media: Path | None = None
    companions: tuple[Path, ...] = ()


def place_of(path: Path) -> ImportLocation:
    """Identify what lies at a path.

    Raises:
        InvalidArgument: Nothing does, or nothing that can be imported.
    """
    if not path.is_absolute():
        raise _nothing()
    if path.is_dir():
        return _folder(path)
    if not path.is_file():  # a pipe would be waited for, a device has no end
        raise _nothing()
    if path.suffix.lower() in EXPORTED:
        return ImportLocation(LocationKind.EXPORT, path)
    return ImportLocation(LocationKind.ARCHIVE, path, companions=_beside(path.parent, path.name))


def _nothing() -> InvalidArgument:
    return InvalidArgument(
        "There is no such file or folder.", "Give the whole path of one on the computer of the server."
    )


def _folder(path: Path) -> ImportLocation:
    if (path / _MANIFEST).is_file():
        return ImportLocation(LocationKind.ARCHIVE, path)
    for at in (path / "Databases", path, path / "databases", path / "WhatsApp" / "Databases"):
        for name in _ANDROID:
            if _is_plain(at / name) and _is_below(at, path):
                top = at.parent if at.name.lower() == "databases" else at
                near = (each for each in (at, top, top / "Backups") if _is_below(each, path))
                beside = next(filter(None, (_beside(each, name) for each in near)), ())
                return ImportLocation(LocationKind.ARCHIVE, at / name, _inside(top), beside)
    if _is_plain(path / _IPHONE):
        return ImportLocation(LocationKind.ARCHIVE, path / _IPHONE, _inside(path), _beside(path, _IPHONE))
    if any(exports_in(path)):
        return ImportLocation(LocationKind.EXPORTS, path)
    raise InvalidArgument("There is nothing in this folder that can be imported.", _FOLDER_HELP)


def _inside(folder: Path) -> Path | None:
    """A folder, unless a link leads to it: what lies elsewhere was not given."""
    return folder if folder.is_dir() and not folder.is_symlink() else None


def _is_below(folder: Path, top: Path) -> bool:
    """Return whether no link leads out of the folder that was given."""
    return folder.resolve().is_relative_to(top.resolve())


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _beside(folder: Path, archive: str) -> tuple[Path, ...]:
    """The databases in a folder that belong to an archive of this name."""
    if archive in _ANDROID:
        return tuple([path for name in _NAMES if _is_plain(path := folder / name)][:1])
    if archive == _IPHONE:
        return tuple(path for name in _BESIDE_IPHONE if _is_plain(path := folder / name))
    return ()


def exports_in(folder: Path) -> Iterator[str]:
    """The names of the exported chats in a folder."""
    names = sorted(
        entry.name
        for entry in _entries(folder)
        if Path(entry.name).suffix.lower() in EXPORTED and entry.is_file(follow_symlinks=False)
    )
    return iter(names)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for _, entry in zip(range(_MOST_LISTED), entries, strict=False)]
    except OSError as error:
        raise InvalidArgument("This folder cannot be read.", "Look at its rights.") from error


def described(path: Path) -> tuple[str, ...]:
    """Describe what lies at a path to the person who may allow the import, in sentences of ours.

    Raises:
        InvalidArgument: As `place_of`.
    """
    place = place_of(path)
    if place.kind is LocationKind.EXPORTS:
        return (f"It is a folder with {len([*exports_in(path)])} exported chats.", _MADE_UP)
    if place.kind is LocationKind.EXPORT:
        return (f"It is an exported chat of {_size(path)}.", _MADE_UP)
    if place.path.is_dir():
        return ("It is a backup of an iPhone.", _MADE_UP)
    size, head = _size(place.path), _head(place.path)
    if head.startswith(_SQLITE):
        return (f"It is a database of messages of {size}.", _MADE_UP)
    suffix, what = place.path.suffix.lower(), "a file of another kind"
    if suffix in _ADDRESS_BOOKS:
        return (f"It is an address book of {size}.", _KNOWN)
    if suffix in _ENCRYPTED:
        what = "an encrypted backup, by its name,"
    # Whatever it is called, the reader may find that it is an address book.
    return (f"It is {what} of {size}.", _MADE_UP, f"If it is an address book: {_KNOWN}")


_MADE_UP: Final = (
    "Whoever made it can have made up what it says. An agent will read its messages as those of the people "
    "whom it names as their authors."
)
_KNOWN: Final = "The people in it will count as known: then an agent is asked about less."


def _size(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size} bytes"


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE))
    except OSError as error:
        raise InvalidArgument("This file cannot be read.", "Look at its rights.") from error


def identity_of(path: Path) -> str:
    """Return a digest of sizes, times, and the ends of opened files; it changes when what lies there does.

    The whole of a backup of gigabytes would take longer to read than a question may take. Of a folder it is
    of the databases in it, wherever they lie; files of messages are known by what the messages say of them.
    """
    digest = hashlib.sha256()
    try:
        status = path.stat()
        digest.update(_facts(status))
        if stat.S_ISDIR(status.st_mode):
            for entry in sorted(_entries(path), key=lambda each: each.name):
                inner = entry.stat(follow_symlinks=False)
                digest.update(entry.name.encode(errors="replace") + b"\0" + _facts(inner))
        for file in _databases(path):
            with file.open("rb") as opened:
                size = opened.seek(0, os.SEEK_END)
                digest.update(_facts(os.fstat(opened.fileno())))
                opened.seek(0)
                digest.update(opened.read(_PART))
                opened.seek(max(0, size - _PART))
                digest.update(opened.read(_PART))
    except OSError:
        return ""
    return digest.hexdigest()


def _facts(status: os.stat_result) -> bytes:
    """Return what changes with a file; its last change too, which no program can set back."""
    return f"{status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}\n".encode()


def _databases(path: Path) -> list[Path]:
    """The files that are opened to read what lies there, but for exported chats in a folder."""
    try:
        place = place_of(path)
    except InvalidArgument:
        return []
    if place.path.is_dir():
        return databases_of_backup(place.path) if place.kind is LocationKind.ARCHIVE else []
    return [place.path, *place.companions]
