"""`encryption.json`: the key of an account's files, locked with the key that a person holds.

The files have a key of their own, made by chance, from which each gets one (HKDF). It is kept here under
AES-256-GCM, with a key that is derived (scrypt) from the person's. So a wrong key is known before any file is
opened, and another one changes this file alone. While that is being done both open it, so a process that is
killed meanwhile leaves an account that opens with whichever of them the person has.
"""

from __future__ import annotations

import json
import threading
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from whatsapp_mcp.errors import InvalidArgument, Unsupported
from whatsapp_mcp.files.encryption.databases import DatabaseKey
from whatsapp_mcp.files.encryption.sources import KeySource, new_key
from whatsapp_mcp.system import write_private

FILE_NAME: Final = "encryption.json"
_VERSION: Final = 1


class Step(StrEnum):
    """An unfinished conversion of the account's files: some are encrypted, and some are plain."""

    ENCRYPTING = "encrypting"
    DECRYPTING = "decrypting"


class Vault:
    """The key of one account's files; an account without `encryption.json` has none.

    Args:
        folder: The account's.
        source: Where the person's key is; None where no settings say so.
    """

    def __init__(self, folder: Path, source: KeySource | None = None) -> None:
        self._file = folder / FILE_NAME
        self.source = source
        # Held while the key is read: threads that open databases at once ask the person's command once.
        self._lock = threading.Lock()
        self._opened: tuple[bytes, bytes] | None = None

    @property
    def exists(self) -> bool:
        """True if the account is encrypted, wholly or in part."""
        return self._file.exists()

    @property
    def step(self) -> Step | None:
        """The conversion that began and has not ended; None if there is none."""
        step = self._content().get("step") if self.exists else None
        return Step(step) if step else None

    def unlock(self) -> None:
        """Check that the person's key opens the account, if the account is encrypted.

        Raises:
            InvalidArgument: It is missing or wrong.
            Unsupported: SQLCipher is not installed.
        """
        if self.exists:
            self._files_key()
            if find_spec("sqlcipher3") is None:
                raise Unsupported(
                    "The account is encrypted, and SQLCipher is not installed.",
                    "Install whatsapp-mcp with the extra `encryption`.",
                )

    def key_of(self, name: str) -> DatabaseKey | None:
        """The key of the database of this name; None where the account is not encrypted.

        Raises:
            InvalidArgument: The person's key is missing or wrong.
        """
        if not self.exists:
            return None
        from whatsapp_mcp.files.encryption.locking import key_for

        return DatabaseKey(key_for(self._files_key(), f"database {name}"), self.step is not None)

    def files_key(self) -> bytes | None:
        """The key under which files are sealed; None where the account is not encrypted.

        Raises:
            InvalidArgument: The person's key is missing or wrong.
        """
        return self._files_key() if self.exists else None

    def create(self) -> None:
        """Make the key of the files; the person's is made as well where there is none.

        Raises:
            InvalidArgument: No settings say where the person's key is, or it cannot be used.
        """
        from whatsapp_mcp.files.encryption.locking import locked, new_files_key

        source = self._known_source()
        held = source.read()
        if held is None:
            held = new_key()
            source.store(held)
            if source.read() != held:  # a keyring that keeps nothing
                raise InvalidArgument(f"A key that was put into {source} is not there.", "Keep it elsewhere.")
        self._write([locked(held, new_files_key())], Step.ENCRYPTING)

    def set_step(self, step: Step | None) -> None:
        """Note what is being done to the files."""
        self._write(self._content()["locked"], step)

    def remove(self) -> None:
        """Forget the key: every file must be plain."""
        self._file.unlink()

    def change_key(self, former: KeySource | None) -> None:
        """Lock the key of the files with another key of the person.

        Args:
            former: Where the key is that opens them; that of the settings holds the next one then. None makes
                a new key, and puts it where the former one is.

        Raises:
            InvalidArgument: A key is missing or wrong, or cannot be stored; nothing has changed.
        """
        from whatsapp_mcp.files.encryption.locking import locked

        source = self._known_source()
        if former is None:
            files_key, held = self._files_key(), new_key()
            if source.command is not None:
                source.store(held)  # says what to do instead
            self._write([*self._content()["locked"], locked(held, files_key)], self.step)
            source.store(held)
        else:
            held = source.read()
            if held is None:
                raise InvalidArgument(f"There is no key in {source}.", "Put the new key there.")
            files_key = self._unlocked(former)
        self._write([locked(held, files_key)], self.step)

    def _known_source(self) -> KeySource:
        if self.source is None:
            raise InvalidArgument(
                "The settings do not say where the key is.",
                "Set encryption.keyring, encryption.key_file or encryption.key_command in config.toml.",
            )
        return self.source

    def _files_key(self) -> bytes:
        """The key of the files; asked for once, as long as the file stays the same."""
        with self._lock:
            content = self._file.read_bytes()
            if self._opened is None or self._opened[0] != content:
                self._opened = content, self._unlocked(self._known_source())
            return self._opened[1]

    def _unlocked(self, source: KeySource) -> bytes:
        held = source.read()
        if held is None:
            raise InvalidArgument(
                f"The account is encrypted, and there is no key in {source}.",
                "Put the key there, or correct the [encryption] section of config.toml.",
            )
        from whatsapp_mcp.files.encryption.locking import unlocked

        files_key = unlocked(held, self._content()["locked"])
        if files_key is not None:
            return files_key
        raise InvalidArgument(
            f"The account is encrypted, and the key in {source} is not the one that opens it.",
            "Put the right key there, or correct the [encryption] section of config.toml.",
        )

    def _content(self) -> dict[str, Any]:
        try:
            content = json.loads(self._file.read_bytes())
            version = content["version"]
            content["locked"][0]["key"]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise InvalidArgument(
                f"{self._file} cannot be read, and without it the account's files cannot be either.",
                "Restore this file from a backup.",
            ) from error
        if version != _VERSION:
            raise Unsupported(
                "The account was encrypted by a newer version of whatsapp-mcp.", "Upgrade this installation."
            )
        return content

    def _write(self, locked: list[dict[str, str]], step: Step | None) -> None:
        content = {"version": _VERSION, "locked": locked, "step": step}
        write_private(self._file, json.dumps(content, indent=1).encode() + b"\n", synced=True)
