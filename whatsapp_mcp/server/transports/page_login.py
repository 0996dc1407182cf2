"""Sign-in to the pages: a URL from the terminal, valid once and for ten minutes, then a cookie.

The URL shows a page with a button, and the button uses the code up: what only looks at URLs, as previews of
chats, scanners of mail and browsers that load ahead do, does not.

The server writes its address and a key into a private file of the account. `whatsapp-mcp page` makes a code
with that key; the server checks it and remembers which codes were used. Whoever can read that file is this
user. A token for MCP is no way in: an agent has one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from whatsapp_mcp.errors import Busy, NotConnected
from whatsapp_mcp.system import write_private
from whatsapp_mcp.web.pages import LOGIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from whatsapp_mcp.settings import AccountFolder

CODE_LIFETIME: Final = 600
"""Seconds for which a login URL is valid."""
SESSION_LIFETIME: Final = 12 * 3600
"""Seconds after which a browser has to sign in again."""
_FILE: Final = "page.json"
_MOST_SESSIONS: Final = 32
"""Browsers that are signed in at once; one more ends the oldest session."""
_MOST_CODES: Final = 1024
"""Used codes that are remembered."""
_CONNECT_LIMIT: Final = 2.0
"""Seconds in which the server takes a connection."""


@dataclass(slots=True)
class PageLogins:
    """The sign-ins of one server: they end with it.

    Attributes:
        key: Signs the codes; new in each server.
        cookie: The name of the cookie. Browsers show a host's cookies to all of its ports, so the servers of
            one machine need names of their own.
    """

    cookie: str
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    clock: Callable[[], float] = time.time
    _used: dict[str, float] = field(default_factory=dict[str, float])
    _sessions: dict[str, float] = field(default_factory=dict[str, float], repr=False)

    def takes(self, code: str) -> bool:
        """Return whether a code is authentic, from the last ten minutes, and unused."""
        now, expiry = self.clock(), _expiry(self.key, code)
        return expiry is not None and now < expiry <= now + CODE_LIFETIME and code not in self._used

    def sign_in(self, code: str) -> str | None:
        """Take a code, once.

        Returns:
            The cookie of a new session; None if the code is wrong, old or used.
        """
        now, expiry = self.clock(), _expiry(self.key, code)
        if expiry is None or not self.takes(code):
            return None
        _forget(self._used, now, _MOST_CODES)
        _forget(self._sessions, now, _MOST_SESSIONS)
        self._used[code] = expiry
        cookie = secrets.token_urlsafe(32)
        # By digest: the time that a look-up takes tells nothing of the cookies.
        self._sessions[_digest(cookie)] = now + SESSION_LIFETIME
        return cookie

    def is_signed_in(self, cookie: str) -> bool:
        """Return whether a cookie belongs to a session that has not ended."""
        return self.clock() < self._sessions.get(_digest(cookie), 0.0)


def _forget(expiries: dict[str, float], now: float, most: int) -> None:
    """Remove what has expired, and the oldest where there would be too many."""
    for key in [key for key, expiry in expiries.items() if expiry <= now]:
        del expiries[key]
    while len(expiries) >= most:
        del expiries[next(iter(expiries))]


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()


def _code(key: bytes, nonce: str, expiry: int) -> str:
    said = f"{nonce}.{expiry}"
    return f"{said}.{hmac.digest(key, said.encode(), 'sha256').hex()}"


def _expiry(key: bytes, code: str) -> float | None:
    """Until when a code is valid, by the server's clock; None if this key did not make it."""
    nonce, _, rest = code.partition(".")
    expiry = rest.partition(".")[0]
    if not expiry.isdecimal() or len(expiry) > 12:
        return None
    is_ours = secrets.compare_digest(code.encode(), _code(key, nonce, int(expiry)).encode())
    return float(expiry) if is_ours else None


def announce(folder: AccountFolder, logins: PageLogins, url: str, address: tuple[str, int]) -> None:
    """Let `whatsapp-mcp page` find this server, the latest of its account.

    Nothing takes it back: the key is worth nothing once the server has ended.

    Args:
        folder: The account's.
        logins: Whose codes are to be made.
        url: What a browser opens, without a path.
        address: Where the server listens, as this machine reaches it.

    Raises:
        InvalidArgument: The account's folder cannot be made.
    """
    folder.create()
    said = {"url": url, "address": address, "key": logins.key.hex()}
    write_private(folder.path / _FILE, json.dumps(said).encode())


def login_url(folder: AccountFolder, clock: Callable[[], float] = time.time) -> str:
    """A URL with which a person signs in to the pages of the account's running HTTP server.

    Raises:
        NotConnected: No HTTP server of this account runs.
        Busy: The server's file cannot be read.
    """
    path = folder.path / _FILE
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        url, key, address = str(said["url"]), bytes.fromhex(said["key"]), tuple(said["address"])
        # The file outlives its server, so only a port that answers is believed.
        socket.create_connection((str(address[0]), int(address[1])), _CONNECT_LIMIT).close()
    except OSError as error:
        raise NotConnected(
            "No HTTP server of this account is running, and only it has pages.",
            "Run `whatsapp-mcp serve --transport http`, or `whatsapp-mcp service install`, which does.",
        ) from error
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise Busy(f"{path} cannot be read.", "Restart the HTTP server.") from error
    code = _code(key, secrets.token_urlsafe(16), int(clock()) + CODE_LIFETIME)
    return f"{url}{LOGIN}?code={code}"
