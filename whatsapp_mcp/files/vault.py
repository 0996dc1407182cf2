"""`encryption.json`: the key of an account's files, locked with the key that a person holds.

The person's key comes from a file, a command that prints it, or the keyring of the platform. The files have
a key of their own, made by chance, from which each gets one (HKDF). It is kept here under AES-256-GCM, with a
key that is derived (scrypt) from the person's. So a wrong key is known before any file is opened, and another
one changes this file alone. While that is being done both open it, so a process that is killed meanwhile
leaves an account that opens with whichever of them the person has.
"""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from whatsapp_mcp.errors import Busy, InvalidArgument, Unsupported
from whatsapp_mcp.files.encrypted_databases import DatabaseKey
from whatsapp_mcp.system import open_to_others, write_private

_SERVICE: Final = "whatsapp-mcp"
_COMMAND_LIMIT: Final = 60.0
"""Seconds that a command may take, which may have to ask a person."""
_LONGEST: Final = 4096
"""Bytes of a key; a file that is longer is none."""
_NEW_BYTES: Final = 32
"""Bytes of chance in a key that is made here."""


@dataclass(frozen=True, slots=True)
class KeySource:
    """One of the three; `name` says whose key it is in the keyring.

    Attributes:
        file: A file of which the key is the content, without white space around it.
        command: A command whose first line of output is the key; no shell runs it.
        name: The account's folder.
    """

    file: Path | None = None
    command: str | None = None
    name: str = ""

    def __str__(self) -> str:
        if self.file is not None:
            return f"the file {self.file}"
        return "the output of encryption.key_command" if self.command else "the platform's keyring"

    def read(self) -> bytes | None:
        """The key; None where there is none yet.

        Raises:
            InvalidArgument: It cannot be read, or others may read it.
            Unsupported: There is no keyring here.
        """
        if self.file is not None:
            return _of_file(self.file)
        if self.command is not None:
            return _of_command(self.command)
        return self._of_keyring()

    def store(self, key: bytes) -> None:
        """Put a key where `read` finds it.

        Raises:
            InvalidArgument: A command's key cannot be stored, or the file or keyring cannot be written.
        """
        if self.command is not None:
            raise InvalidArgument(
                "A command's key cannot be changed from here.",
                "Let the command print another key, then name the former one with --old-key-file.",
            )
        if self.file is None:
            self._into_keyring(key)
            return
        try:
            write_private(self.file, key + b"\n", synced=True)
        except OSError as error:
            raise InvalidArgument(
                f"{self.file} cannot be written: {error.strerror}.", "Name another encryption.key_file."
            ) from error

    def _of_keyring(self) -> bytes | None:
        keyring, failure = _keyring()
        try:
            key = keyring.get_password(_SERVICE, self.name)
        except failure as error:
            raise _no_keyring() from error
        return key.encode() if key else None

    def _into_keyring(self, key: bytes) -> None:
        keyring, failure = _keyring()
        try:
            keyring.set_password(_SERVICE, self.name, key.decode())
        except failure as error:
            raise _no_keyring() from error


def new_key() -> bytes:
    """A key that nobody can guess, as text."""
    import secrets

    return secrets.token_urlsafe(_NEW_BYTES).encode()


def _of_file(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            # Of what was opened: the path may name another file a moment later.
            if open_to_others(os.fstat(file.fileno())) is not None:
                raise InvalidArgument(f"Others may read the key in {path}.", f"chmod 600 {path}")
            key = file.read(_LONGEST + 1).strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InvalidArgument(
            f"The key in {path} cannot be read: {error.strerror}.", "Make it a file that you can read."
        ) from error
    if not 0 < len(key) <= _LONGEST:
        raise InvalidArgument(f"{path} holds no key.", f"Write a key of up to {_LONGEST} bytes into it.")
    return key


def _of_command(command: str) -> bytes:
    import shlex
    import subprocess

    try:
        done = subprocess.run(
            shlex.split(command),
            # A server's standard input may be the MCP connection, from which the command must not read.
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=_COMMAND_LIMIT,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise InvalidArgument(
            "encryption.key_command cannot be run, or takes longer than a minute.", "Run it by hand."
        ) from error
    key = next(iter(done.stdout.splitlines()), b"").strip()
    if done.returncode or not 0 < len(key) <= _LONGEST:
        raise InvalidArgument(
            f"encryption.key_command printed no key (exit code {done.returncode}).", "Run it by hand."
        )
    return key


def _keyring() -> tuple[Any, type[Exception]]:
    """The library, and the base of its errors; imported here, since few accounts need it."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as error:
        raise Unsupported(
            "The key is in the platform's keyring, and the library `keyring` is not installed.",
            "Install whatsapp-mcp with the extra `encryption`.",
        ) from error
    return keyring, KeyringError


def _no_keyring() -> Busy:
    return Busy(
        "The platform's keyring cannot be used.",
        "Unlock it, or set encryption.key_file or encryption.key_command.",
    )


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
        from whatsapp_mcp.files.locking import key_for

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
        from whatsapp_mcp.files.locking import locked, new_files_key

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
        from whatsapp_mcp.files.locking import locked

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
        from whatsapp_mcp.files.locking import unlocked

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
