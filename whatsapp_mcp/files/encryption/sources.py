"""Sources of a person's key: a file, a command that prints it, or the platform's keyring."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from whatsapp_mcp.errors import Busy, InvalidArgument, Unsupported
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
