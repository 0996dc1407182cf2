"""The bearer tokens of the HTTP server: named ones, and the token `default` of the file `http-token`.

A named token is one file in the folder `tokens`, named after the token's SHA-256. So a token is looked up
with one `open`, whatever is created or revoked counts from the next request on in every server, and nobody
has to lock anything. The tokens are random (256 bits), so a plain hash does not help to find one.

The time of a token's file is that of its last use, to the minute.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import secrets
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from whatsapp_mcp.errors import Busy, InvalidArgument, disk_failure
from whatsapp_mcp.server.calls import Principal
from whatsapp_mcp.settings import make_private
from whatsapp_mcp.system import draft_of, open_to_others
from whatsapp_mcp.text.choices import SCOPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

DEFAULT: Final = "default"
FILE_NAME: Final = "http-token"
FOLDER: Final = "tokens"
_PREFIX: Final = "wamcp_"
"""Lets people and secret scanners see what it is."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""Names of tokens; they stand in the names of principals and in commands."""
_SHORTEST: Final = 16
_LONGEST: Final = 512
"""Bytes of a token in `http-token`, which a person may have written."""
_SHOWN: Final = 8
"""Digits of a token's hash in the name of its principal."""
_NEVER: Final = 0.0
"""The time of the file of a token that nobody has used."""
_USE_INTERVAL: Final = 60.0
"""Seconds for which a use of a token is not written down again."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Token:
    """Metadata of a token, without the token itself.

    Attributes:
        accounts: The names of those that it is for; None for all.
    """

    name: str
    scopes: frozenset[str]
    created: datetime | None
    last_used: datetime | None
    accounts: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one home folder."""

    home: Path
    clock: Callable[[], float] = time.time

    def create(self, name: str, scopes: Iterable[str], accounts: Iterable[str] | None = None) -> str:
        """Make a token and return it; it cannot be read again.

        Args:
            accounts: The names of those that it is for; None for all.

        Raises:
            InvalidArgument: The name is unusable or taken, or the folder cannot be written.
            Busy: The file cannot be written.
        """
        if _NAME.fullmatch(name) is None:
            raise InvalidArgument(
                f"{name!r} cannot be a token's name.",
                "Use letters, digits, '_', '-' and '.', 64 characters at most.",
            )
        if name == DEFAULT or any(each.name == name for each in self.all()):
            raise InvalidArgument(f"There is a token {name} already.", "Revoke it, or choose another name.")
        folder = self.home / FOLDER
        make_private(self.home)
        make_private(folder)
        token = _PREFIX + secrets.token_urlsafe(32)
        said: dict[str, Any] = {"name": name, "scopes": sorted(scopes), "created": int(self.clock())}
        if accounts is not None:
            said["accounts"] = sorted(accounts)
        _write(folder / _file_name(token), said, _NEVER)
        return token

    def change_accounts(self, change: Callable[[frozenset[str]], Iterable[str]]) -> None:
        """Change for which accounts those tokens are that are not for all of them.

        Raises:
            Busy: A file cannot be written.
        """
        for path in self._files():
            if (token := _read(path)) is not None and token.accounts is not None:
                accounts = frozenset(change(token.accounts))
                if accounts != token.accounts:
                    said = json.loads(path.read_text(encoding="utf-8")) | {"accounts": sorted(accounts)}
                    _write(path, said, path.stat().st_mtime)

    def all(self) -> list[Token]:
        """Every token, by name."""
        named = [token for path in self._files() if (token := _read(path)) is not None]
        path = self.home / FILE_NAME
        if path.is_file():
            named.append(Token(DEFAULT, frozenset(SCOPES), None, _last_used(path)))
        return sorted(named, key=lambda token: token.name)

    def revoke(self, name: str) -> None:
        """Delete a token; the next request with it is refused.

        Raises:
            InvalidArgument: There is none of this name.
        """
        paths = [path for path in self._files() if (token := _read(path)) and token.name == name]
        default = self.home / FILE_NAME
        if name == DEFAULT and default.is_file():
            paths.append(default)
        if not paths:
            raise InvalidArgument(f"There is no token {name}.", "`whatsapp-mcp token list` shows them.")
        for path in paths:
            path.unlink(missing_ok=True)

    def principal(self, token: str) -> Principal | None:
        """Return the principal of a token; None if the token is unknown."""
        if not _SHORTEST <= len(token) <= _LONGEST:
            return None
        path = self.home / FOLDER / _file_name(token)
        if (stored_token := _read(path)) is not None:
            self._note_use(path)
            return Principal(
                _principal_of(stored_token.name, token), stored_token.scopes, stored_token.accounts
            )
        path = self.home / FILE_NAME
        if secrets.compare_digest(token.encode(), read_default(path).encode()):
            self._note_use(path)
            return Principal(_principal_of(DEFAULT, token), frozenset(SCOPES))
        return None

    def _files(self) -> Iterator[Path]:
        return (self.home / FOLDER).glob("*.json")

    def _note_use(self, path: Path) -> None:
        """Write down that it is used now. A file that has just been revoked, or a full disk, is no matter."""
        with suppress(OSError):
            if abs((now := self.clock()) - path.stat().st_mtime) >= _USE_INTERVAL:
                os.utime(path, (now, now))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _file_name(token: str) -> str:
    return f"{_digest(token)}.json"


def _principal_of(name: str, token: str) -> str:
    """The name of a token's principal: another one for each token, since a name is free again after revoking.

    What was handed out to the former holder, what waits for a yes and what the audit has stay the former's.
    """
    return f"token:{name}/{_digest(token)[:_SHOWN]}"


def _write(path: Path, said: dict[str, Any], last_used: float) -> None:
    with _written(path.parent), draft_of(path) as draft:
        draft.write_text(json.dumps(said) + "\n", encoding="utf-8")
        # Before it is in place: later, it could undo a use that was noted in between.
        os.utime(draft, (last_used, last_used))
        draft.replace(path)


@contextmanager
def _written(path: Path) -> Generator[None]:
    """Raise `Busy` where what the body writes cannot be written."""
    try:
        yield
    except OSError as error:
        why, action = disk_failure(error, "Make it writable for yourself.")
        raise Busy(f"{path} cannot be written: {why}.", action) from error


def _read(path: Path) -> Token | None:
    """The token of a file; None where there is none, or it is not one that `create` wrote."""
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        created = datetime.fromtimestamp(said["created"], UTC)
        scopes = frozenset(said["scopes"]) & set(SCOPES)
        accounts = frozenset(map(str, said["accounts"])) if "accounts" in said else None
        return Token(str(said["name"]), scopes, created, _last_used(path), accounts)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, OverflowError):
        logger.warning("tokens: %s cannot be read and is ignored", path.name)
        return None


def _last_used(path: Path) -> datetime | None:
    used = path.stat().st_mtime
    return datetime.fromtimestamp(used, UTC) if used != _NEVER else None


def read_default(path: Path) -> str:
    """The token in `http-token`; empty where there is no usable one."""
    try:
        with path.open(encoding="ascii") as file:
            # A longer file is no token, and is not read to its end.
            token = file.read(_LONGEST + 1).strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return token if _SHORTEST <= len(token) <= _LONGEST else ""


def load_or_make(home: Path) -> str:
    """The token in `home/http-token`; a new one (256 bits) when there is none.

    A file that other users can read is made private, and the log says so.

    Raises:
        InvalidArgument: The home folder cannot be made or written.
        Busy: The file cannot be written, holds no token, or others can read it and that cannot be changed.
    """
    make_private(home)
    path = home / FILE_NAME
    if not path.exists():
        with _written(path), draft_of(path) as draft:
            draft.write_text(secrets.token_urlsafe(32) + "\n", encoding="ascii")
            os.utime(draft, (_NEVER, _NEVER))
            with suppress(FileExistsError):
                os.link(draft, path)  # whole or not at all, and the first of two servers wins
    _make_private(path)
    token = read_default(path)
    if not token:
        raise Busy(f"{path} holds no usable token.", "Delete it; a new one is created at the next start.")
    return token


def make_default(home: Path) -> Path | None:
    """Make sure that there is a token to begin with.

    Returns:
        The file of the token `default`, made if there is no other; None where a person has revoked it and
        uses named ones.

    Raises:
        InvalidArgument: As `load_or_make`.
        Busy: As `load_or_make`.
    """
    path = home / FILE_NAME
    if not path.exists() and Tokens(home).all():
        return None
    load_or_make(home)
    return path


def _make_private(path: Path) -> None:
    """Remove other users' access to the file, on systems with file modes."""
    mode = open_to_others(path.stat())
    if mode is None:
        return
    try:
        path.chmod(0o600)
    except OSError as error:
        raise Busy(
            f"{path} can be read by other users (mode {mode:04o}), and that cannot be changed.",
            "Delete it; a new one is created at the next start.",
        ) from error
    logger.warning(
        "%s could be read by other users (mode %04o) and was made private; if others use this machine, "
        "delete it and restart: a new token is created",
        path,
        mode,
    )
