"""One ASGI middleware before everything that HTTP can reach: Host, Origin, token.

The Host check keeps a web page from reaching this server through a name that resolves to it (DNS rebinding),
the Origin check keeps it from using the person's browser: only pages of this very origin may, port included,
because every local program can serve pages on another port. Both cover every route, health included.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
"""Answered without a token: they answer nothing but yes or no."""
COOKIE: Final = "whatsapp_mcp_page"
"""Lets a person's browser in to pages, never to the protocol.

It is made from the token and is not the token: a browser shows its cookies to every port of this machine.
"""
_ADMITTED: Final = "whatsapp_mcp_admitted"
"""Key in an admitted request's state."""
_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_UNKNOWN_NAME: Final = (
    "This server does not answer to the host name {name}.\n"
    'If it is a name of this server, add "{name}" to allowed_hosts in the section [server] of config.toml '
    "(the setting server.allowed_hosts), then restart the server.\n"
)
_OTHER_ORIGIN: Final = (
    "Web pages of another origin may not use this server.\n"
    "A reverse proxy has to pass the Host header on unchanged, with its port.\n"
)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to this host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Guard:
    """Refuses a request with a wrong Host, Origin or token before the application sees it.

    Attributes:
        app: The application behind it.
        host: What the server is bound to.
        token: The bearer token; None when none is asked for.
        allowed_hosts: Further host names that this server answers to, in lower case; `*.` in front stands for
            one label.
        page_paths: Paths for a person's browser, which may bring the token in a cookie.
    """

    app: ASGIApp
    host: str
    token: str | None
    allowed_hosts: frozenset[str] = frozenset()
    page_paths: frozenset[str] = frozenset()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the refusal, or let the application answer."""
        if scope["type"] != "http":
            return
        request = Request(scope)
        refusal = self._refusal(request)
        if refusal is None and request.url.path not in OPEN_PATHS:
            scope.setdefault("state", {})[_ADMITTED] = True
        await (refusal or self.app)(scope, receive, send)

    def _refusal(self, request: Request) -> PlainTextResponse | None:
        headers = request.headers
        host, *more = headers.getlist("host") or [""]
        authority = _authority(host, request.url.scheme)
        if authority is None or more:
            return PlainTextResponse("A request needs one valid Host header.\n", 421)
        if not self._is_own_name(authority[0]):
            return PlainTextResponse(_UNKNOWN_NAME.format(name=authority[0]), 421)
        if not all(_is_same_origin(origin, host) for origin in headers.getlist("origin")):
            return PlainTextResponse(_OTHER_ORIGIN, 403)
        if self.token is None or request.url.path in OPEN_PATHS or self._has_token(request, self.token):
            return None
        return PlainTextResponse(
            "A bearer token is needed: it is in the file http-token of the home folder.\n",
            401,
            {"WWW-Authenticate": "Bearer"},
        )

    def _is_own_name(self, name: str) -> bool:
        wildcard = f"*.{name.partition('.')[2]}"
        if name in _LOOPBACK_NAMES or name == self.host.lower() or {name, wildcard} & self.allowed_hosts:
            return True
        # A rebinding attack needs a name, so an address is no danger where other machines may come in.
        return not is_loopback(self.host) and (_is_address(name) or name == socket.gethostname().lower())

    def _has_token(self, request: Request, token: str) -> bool:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _same(given.strip(), token):
            return True
        if request.url.path not in self.page_paths:
            return False
        return _same(request.cookies.get(COOKIE, ""), _page_key(token)) or _same(
            request.query_params.get("token", ""), token
        )


def is_admitted(scope: Mapping[str, Any]) -> bool:
    """Whether the guard let this request in; the open paths do not count, since anybody may ask there."""
    return _ADMITTED in scope.get("state", {})


def sign_in(request: Request, response: Response) -> None:
    """Give a browser that came with `?token=…` through the guard its cookie."""
    key = _page_key(request.query_params["token"])
    response.set_cookie(COOKIE, key, httponly=True, samesite="strict")


def _page_key(token: str) -> str:
    return hmac.digest(token.encode(), b"pages", "sha256").hex()


def _authority(text: str, scheme: str) -> tuple[str, int] | None:
    """The host name, in lower case, and the port of `host[:port]`; None if it is anything else."""
    try:
        parts = urlsplit(f"//{text}")
        port = parts.port or _DEFAULT_PORTS[scheme]
    except (ValueError, KeyError):
        return None
    if parts.username is not None or parts.netloc != text or not parts.hostname:
        return None
    return parts.hostname, port


def _is_same_origin(origin: str, host: str) -> bool:
    """Whether a page of this origin was served under this Host header.

    The page's scheme gives the port that neither names: a reverse proxy may speak TLS for this server.
    """
    scheme, _, authority = origin.partition("://")
    return (found := _authority(authority, scheme)) is not None and found == _authority(host, scheme)


def _same(given: str, expected: str) -> bool:
    return secrets.compare_digest(given.encode(), expected.encode())
