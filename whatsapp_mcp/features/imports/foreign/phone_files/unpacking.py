"""The files of a local backup: opened before the archive's process is confined, unpacked afterwards."""

from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.features.imports.foreign import database
from whatsapp_mcp.features.imports.foreign.phone_backup import LOG, MANIFEST, PROPERTIES, Decrypted, find
from whatsapp_mcp.features.imports.foreign.phone_files.keys import Keys
from whatsapp_mcp.features.imports.foreign.phone_files.write_ahead import fold
from whatsapp_mcp.features.imports.foreign.sealed import File, Plain, Scratch

_NO_PASSWORD: Final = InvalidArgument(
    "The backup is encrypted, so its password is needed.",
    "Run `whatsapp-mcp archive import` with --key -, or make a backup without a password.",
)


class PhoneBackup:
    """A backup with WhatsApp in it.

    Args:
        folder: It.
        scratch: A name for files in a private folder; a number is put behind it for each but the first.

    Attributes:
        files: Its databases, the one with the messages first.

    Raises:
        OSError: There is nothing of WhatsApp in it.
    """

    def __init__(self, folder: Path, scratch: Path) -> None:
        layout = find(folder)
        if layout is None:
            raise FileNotFoundError(folder)
        self._layout = layout
        self._scratch = scratch
        self._made = 0
        self._vault = _Vault(folder, self._name()) if layout.is_encrypted else None
        self.files: list[File] = [self._opened(path) for path in layout.databases]

    def key(self, path: str, password: bytes | None) -> bytes | None:
        """The key of the file of a message; None for one that is empty or is not listed.

        Raises:
            InvalidArgument, Unsupported, Busy: As `File.database`.
        """
        if self._vault is None:
            return None
        return self._vault.key(self._layout.id_of(self._layout.media(path)), password)

    def _opened(self, path: str) -> File:
        main, log = self._layout.blob(path), self._layout.blob(f"{path}{LOG}")
        assert main is not None  # `find` saw it
        has_log = log is not None and log.stat().st_size > 0
        if self._vault is None and not has_log:
            return Plain(main)
        names = (self._layout.id_of(path), self._layout.id_of(f"{path}{LOG}"))
        return _Packed((main, log if has_log else None), names, self._vault, self._name())

    def _name(self) -> Path:
        self._made += 1
        return self._scratch.with_name(f"{self._scratch.name}{self._made - 1 or ''}")


class _Packed:
    """A database that is encrypted, or has a log beside it.

    Args:
        places: It and its log.
        names: Their names in the backup.
        vault: What has their keys; None: they are not encrypted.
        scratch: Where it is unpacked to.
    """

    def __init__(
        self, places: tuple[Path, Path | None], names: tuple[str, str], vault: _Vault | None, scratch: Path
    ) -> None:
        self._files = [None if place is None else place.open("rb") for place in places]
        self._names = names
        self._vault = vault
        self._scratch = Scratch(scratch)
        self.written_bytes = sum(place.stat().st_size for place in places if place is not None)
        if vault is not None:
            self.written_bytes = max(self.written_bytes, vault.written_bytes)
        self._is_done = False

    def database(self, key: bytes | None) -> sqlite3.Connection:
        """Return the connection (see `File`); the key is the password of the backup."""
        if not self._is_done:
            main, log = (
                None if file is None else self._plain(file, name, key)
                for file, name in zip(self._files, self._names, strict=True)
            )
            if main is None:
                raise database.damaged()
            self._scratch.fill(partial(fold, main, log))
            self._is_done = True
        return self._scratch.db

    def _plain(self, file: BinaryIO, name: str, password: bytes | None) -> BinaryIO | None:
        if self._vault is None:
            return file
        key = self._vault.key(name, password)
        return None if key is None else _decrypted(file, key)


class _Vault:
    """The keys of a backup: `Manifest.plist` has that of `Manifest.db`, which has those of all files."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self._properties = (folder / PROPERTIES).open("rb")
        self._manifest = (folder / MANIFEST).open("rb")
        self.written_bytes = (folder / MANIFEST).stat().st_size
        self._scratch = Scratch(scratch)
        self._keys: Keys | None = None

    def key(self, name: str, password: bytes | None) -> bytes | None:
        """The key of the file that has this name in the backup; None if it has none.

        Raises:
            InvalidArgument: There is no password, or not that one; or the backup is damaged.
            Unsupported: Encrypted backups cannot be read here.
            Busy: The disk is full.
        """
        if self._keys is None:
            if password is None:
                raise _NO_PASSWORD
            self._keys = self._opened(password)
        try:
            row = self._scratch.db.execute("SELECT file FROM main.Files WHERE fileID = ?", (name,)).fetchone()
        except database.DAMAGE:
            raise database.damaged() from None
        return None if row is None else self._keys.of(row[0])

    def _opened(self, password: bytes) -> Keys:
        self._properties.seek(0)
        keys = Keys(self._properties, password)
        manifest = _decrypted(self._manifest, keys.manifest)
        self._scratch.fill(partial(fold, manifest, None))
        schema = database.guarded(self._scratch.db)
        if not schema.has("Files", "fileID", "file"):
            raise database.damaged()
        database.check(self._scratch.db, ("Files",))
        return keys


def _decrypted(file: BinaryIO, key: bytes) -> BinaryIO:
    try:
        return Decrypted.opened(file, key)
    except ValueError:
        raise database.damaged() from None
