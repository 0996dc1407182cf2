"""The layout of a local backup of an iPhone.

A file of an app is named after its place on the phone: the SHA-1 of `domain-path`, in a folder named after
the first two digits of that (before iOS 10 beside all others). So nothing that the backup says of itself is
needed to find one, and nothing of it can lead elsewhere. `Manifest.db` lists the files, and in an encrypted
backup it has their keys.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

LOG: Final = "-wal"
"""Suffix of a database's name that names its log."""
DATABASE: Final = b"SQLite format 3\0"
MANIFEST: Final = "Manifest.db"
PROPERTIES: Final = "Manifest.plist"
_INDEXES: Final = (MANIFEST, "Manifest.mbdb")
_MESSAGES: Final = "ChatStorage.sqlite"
BESIDE: Final = ("ContactsV2.sqlite", "LID.sqlite", "CallHistory.sqlite")
"""Databases of names, of whose number a LID is, and of calls."""
_MEDIA: Final = "Message/"


@dataclass(frozen=True, slots=True)
class _Domain:
    """A part of the phone where WhatsApp keeps its files; some of its paths began with a folder then."""

    name: str
    databases: str = ""
    media: str = _MEDIA


_DOMAINS: Final = (
    _Domain("AppDomainGroup-group.net.whatsapp.WhatsApp.shared"),
    _Domain("AppDomain-net.whatsapp.WhatsApp", "Documents/", "Library/"),
    _Domain("AppDomainGroup-group.net.whatsapp.WhatsAppSMB.shared"),
)
"""WhatsApp, that of before 2016, and WhatsApp Business."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A backup with WhatsApp in it.

    Attributes:
        folder: The backup.
        domain: Which WhatsApp.
        databases: Those that are there, the one with the messages first, as paths on the phone.
        is_encrypted: Whether its files are.
    """

    folder: Path
    domain: _Domain
    databases: tuple[str, ...] = ()
    is_encrypted: bool = False

    @property
    def messages(self) -> Path:
        """The file of the database with the messages."""
        file_path = self.blob(self.databases[0])
        assert file_path is not None  # or there were no layout
        return file_path

    def id_of(self, path: str) -> str:
        """The name of a file in the backup, of its path on the phone."""
        return hashlib.sha1(f"{self.domain.name}-{path}".encode(), usedforsecurity=False).hexdigest()

    def media(self, path: str) -> str:
        """The path on the phone of the file of a message."""
        return f"{self.domain.media}{path.removeprefix(_MEDIA)}"

    def parts_of_messages(self) -> list[Path]:
        """The file of the database with the messages, and that of its log."""
        paths = (self.databases[0], f"{self.databases[0]}{LOG}")
        return [file_path for path in paths if (file_path := self.blob(path)) is not None]

    def media_blob(self, path: str) -> Path | None:
        """Return the file of a message in the backup, as `blob` does."""
        return self.blob(self.media(path))

    def blob(self, path: str) -> Path | None:
        """The file that was at this path on the phone; None if it is missing, or leads out of the backup."""
        name, folder = self.id_of(path), self.folder.resolve()
        for place in (folder / name[:2] / name, folder / name):
            file_path = place.resolve()
            if file_path.is_file() and file_path.is_relative_to(folder):
                return file_path
        return None


def is_phone_backup(path: Path) -> bool:
    """Return whether a path is the folder of a local backup of an iPhone."""
    return path.is_dir() and any((path / name).is_file() for name in _INDEXES)


def find(folder: Path) -> Layout | None:
    """Find WhatsApp's files in a backup; None if there are none."""
    for domain in _DOMAINS:
        empty = Layout(folder, domain)
        paths = (f"{domain.databases}{name}" for name in (_MESSAGES, *BESIDE))
        first, *others = [path if empty.blob(path) else None for path in paths]
        if first is not None:
            layout = replace(empty, databases=(first, *(path for path in others if path is not None)))
            with layout.messages.open("rb") as file:
                return replace(layout, is_encrypted=file.read(len(DATABASE)) != DATABASE)
    return None


def databases_of_backup(folder: Path) -> list[Path]:
    """The files of a backup that are opened to read its messages; none where there is nothing of WhatsApp.

    Raises:
        OSError: One of them cannot be read.
    """
    layout = find(folder)
    paths = () if layout is None else [each + log for each in layout.databases for log in ("", LOG)]
    return [file_path for path in paths if layout and (file_path := layout.blob(path)) is not None]
