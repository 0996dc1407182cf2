"""One ASGI middleware before everything that HTTP can reach: Host, Origin, token or session.

The Host check keeps a web page from reaching this server through a name that resolves to it (DNS rebinding),
the Origin check keeps it from using the person's browser: only pages of this very origin may, port included,
because every local program can serve pages on another port. Both cover every route, health included. An event
stream whose token is no longer valid is ended.
"""

from __future__ import annotations

import ipaddress
import math
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from whatsapp_mcp.errors import Denied, WhatsAppError
from whatsapp_mcp.models.approvals import PERSON_PRINCIPAL
from whatsapp_mcp.server.calls import ANYBODY, Principal, admit, admitted
from whatsapp_mcp.server.transports.json_problems import JsonProblems
from whatsapp_mcp.server.transports.limits import (
    ADMITTED,
    MOST_OPEN,
    UNADMITTED,
    Buckets,
    OpenRequests,
    address_key,
)
from whatsapp_mcp.web.pages import OPEN_PATHS, sign_in_page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

CHECK_INTERVAL: Final = 5.0
"""Seconds for which a stream's token is not looked at again."""
WELL_KNOWN: Final = "/.well-known/"
"""Metadata for clients that have no token yet (RFC 8615); what is not there is answered with 404."""
API: Final = "/api/"
"""Begins the path of every route for programs without MCP, where there are any."""
ADMIN: Final = "/admin/"
"""Begins the path of every route for operators, where there are any."""
BEARER_PARTS: Final = frozenset({"mcp", "sse", "messages", "api", "metrics", "admin"})
"""First parts of paths that a bearer token opens. The rest are pages, or nothing, and need a session."""
_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_UNKNOWN_NAME: Final = (
    "This server does not answer to the host name {name}.\n"
    'If it is a name of this server, add "{name}" to allowed_hosts in the section [server] of config.toml '
    "(the setting server.allowed_hosts), then restart the server.\n"
)
_OTHER_ORIGIN: Final = (
    "Web pages of another origin may not use this server.\n"
    "A reverse proxy has to pass the Host header on unchanged, with its port; or set server.public_url in "
    "config.toml.\n"
)
_OF_PROXIES: Final = frozenset({"forwarded", "x-forwarded-for", "x-forwarded-host"})
"""Headers that a reverse proxy adds."""
_BY_PROXY: Final = (
    "This server asks for no token (--no-auth), so it answers no request that came through a proxy.\n"
    "Serve without --no-auth, and give the application a token: `whatsapp-mcp token create NAME`.\n"
)
_UNKNOWN_BEARER: Final = (
    "A bearer token is needed. The file http-token of the home folder holds one; "
    "`whatsapp-mcp token create NAME` makes another.\n"
)
_REALM: Final = "WhatsApp"
_OTHER_SITES: Final = frozenset({"cross-site", "same-site"})
"""Values of `Sec-Fetch-Site` in a request that a page of another origin causes; a request for a picture has
no `Origin`."""
_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})


@dataclass(slots=True)
class CheckedStream:
    """Sends a response, and ends it before the next event once its token is no longer valid.

    An answer in one piece is sent: it was admitted. A stream may be open for days, and gets a comment at
    least every 15 seconds (sse-starlette).

    Attributes:
        send: The server's.
        is_valid: Looks at the token again.
    """

    send: Send
    is_valid: Callable[[], Awaitable[bool]]
    clock: Callable[[], float] = time.monotonic
    _checked: float | None = None
    _has_ended: bool = False

    async def __call__(self, message: Message) -> None:
        """Send a message of ASGI, or end the response in its place; what follows is dropped."""
        if self._has_ended:
            return
        if message.get("more_body") and not await self._is_still_valid():
            self._has_ended = True
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self.send(message)

    async def _is_still_valid(self) -> bool:
        now = self.clock()
        if self._checked is None:  # the guard has just looked
            self._checked = now
        if now - self._checked < CHECK_INTERVAL:
            return True
        self._checked = now
        return await self.is_valid()


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server bound to this host."""
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


class Sessions(Protocol):
    """The people who are signed in to the pages."""

    @property
    def cookie(self) -> str:
        """The name of their cookie."""
        ...

    def is_signed_in(self, cookie: str) -> bool:
        """Return whether a cookie belongs to a session."""
        ...


Verify = Callable[[str], Awaitable[Principal | None]]
"""Function that returns the principal of a bearer token; None if the token is unknown. It may raise `Denied`
and `Busy`."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Refuses a request with a wrong Host, Origin, token or session before the application sees it.

    Attributes:
        app: The application behind it.
        host: What the server is bound to.
        verify: Looks at the bearer token of a request for MCP or REST; None when none is asked for.
        sessions: Who may open pages.
        allowed_hosts: Further host names that this server answers to, in lower case; `*.` in front stands for
            one label.
        origin: `server.public_url`: the origin of this server's own pages, and with it the name that a proxy
            may have replaced in the Host header.
        challenge: `WWW-Authenticate` for a request without a valid token.
        unknown_bearer: What such a request is answered with: how to get one.
        unadmitted: Limits requests by address as long as they are not admitted.
        admitted: Limits admitted requests by principal.
        open: Counts the requests of each principal that are being answered.
        count: Counts a request of a principal that has a limit of its own; answers as `Directory.take`.
        sign_in: What somebody gets who asks for a page and is not signed in.
    """

    app: ASGIApp
    host: str
    verify: Verify | None
    sessions: Sessions
    allowed_hosts: frozenset[str] = frozenset()
    origin: str | None = None
    challenge: str = f'Bearer realm="{_REALM}"'
    unknown_bearer: str = _UNKNOWN_BEARER
    unadmitted: Buckets = field(default_factory=lambda: Buckets(UNADMITTED))
    admitted: Buckets = field(default_factory=lambda: Buckets(ADMITTED))
    open: OpenRequests = field(default_factory=OpenRequests)
    count: Callable[[str], float] | None = None
    sign_in: Callable[[], Response] = sign_in_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the refusal, or let the application answer."""
        if scope["type"] != "http":
            return
        send = _for_own_origin(send)
        if scope["path"].startswith((API, ADMIN)):
            send = JsonProblems(send)
        request = Request(scope)
        answer = self.misdirected(request) or self._from_elsewhere(request)
        if answer is None and not _is_open(scope["path"]):
            answer = await self._admit(request)
        if principal := admitted(scope):
            send = CheckedStream(send, partial(self._is_still, principal, request))
        answer = self._too_many(request) or answer
        with self.open.counted("" if principal is None else principal.name) as has_room:
            await (answer or (self.app if has_room else _too_many_open()))(scope, receive, send)

    async def _is_still(self, principal: Principal, request: Request) -> bool:
        try:
            return principal.name == PERSON_PRINCIPAL or await self._bearer(request) == principal
        except WhatsAppError:
            return False

    def _too_many(self, request: Request) -> Response | None:
        """The refusal of one request too many; of one that was admitted, no address counts."""
        if principal := admitted(request.scope):
            wait = self.admitted.take(principal.name)
            if not wait and self.count is not None:
                wait = self.count(principal.name)
        else:
            wait = self.unadmitted.take(address_key(request.client.host if request.client else ""))
        if not wait:
            return None
        return PlainTextResponse("Too many requests.\n", 429, {"Retry-After": str(math.ceil(wait))})

    async def _admit(self, request: Request) -> Response | None:
        """Write down whom the request is admitted for, or refuse it."""
        if _takes_bearer(request):
            try:
                principal = await self._bearer(request)
            except WhatsAppError as error:
                return _refused(error)
            if principal is None:
                error = ', error="invalid_token"' if "authorization" in request.headers else ""
                challenge = {"WWW-Authenticate": f"{self.challenge}{error}"}
                return PlainTextResponse(self.unknown_bearer, 401, challenge)
            if principal.scopes is not None and not principal.scopes:
                challenge = {"WWW-Authenticate": f'{self.challenge}, error="insufficient_scope"'}
                return PlainTextResponse("This token has no scope of this server.\n", 403, challenge)
            admit(request.scope, principal)
            # The SDK lets a session be used by whoever opened it alone. With other rights, somebody begins
            # another: what the first has subscribed to was allowed by rights that are gone.
            owner = AccessToken(token="", client_id=principal.name, scopes=[], subject=principal.rights)
            request.scope["user"] = AuthenticatedUser(owner)
            return None
        if not self.sessions.is_signed_in(request.cookies.get(self.sessions.cookie, "")):
            return self.sign_in()
        admit(request.scope, Principal(PERSON_PRINCIPAL))
        return None

    async def _bearer(self, request: Request) -> Principal | None:
        if self.verify is None:
            return Principal(ANYBODY)
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        return await self.verify(given.strip()) if scheme.lower() == "bearer" else None

    def misdirected(self, request: Request) -> Response | None:
        """The refusal of a request that came by a wrong name."""
        # Two are invalid (RFC 9112, 3.2): a proxy may have judged the one and this server the other.
        host, *more = request.headers.getlist("host") or [""]
        authority = _authority(host, request.url.scheme)
        if authority is None or more:
            return PlainTextResponse("A request needs one valid Host header.\n", 421)
        if not self._is_own_name(authority[0]):
            return PlainTextResponse(_UNKNOWN_NAME.format(name=authority[0]), 421)
        return None

    def _from_elsewhere(self, request: Request) -> Response | None:
        """The refusal of a request from another page, or through a proxy where no token is asked for."""
        headers = request.headers
        host = headers["host"]
        origins = headers.getlist("origin")
        if not all(origin == self.origin or _is_same_origin(origin, host) for origin in origins):
            return PlainTextResponse(_OTHER_ORIGIN, 403)
        # A browser says where a form comes from; what says nothing is none of our pages.
        if not (origins or _takes_bearer(request) or request.method in _SAFE_METHODS):
            return PlainTextResponse(_OTHER_ORIGIN, 403)
        if headers.get("sec-fetch-site", "").lower() in _OTHER_SITES:
            # A link to a page may be followed. What another page embeds or fetches unseen may not: browsers
            # send the cookie from each port of this host, and how long a search takes tells what it finds.
            is_link = headers.get("sec-fetch-dest", "").lower() == "document"
            if _takes_bearer(request) or not is_link:
                return PlainTextResponse(_OTHER_ORIGIN, 403)
        if self.verify is None and _takes_bearer(request) and not _OF_PROXIES.isdisjoint(headers):
            return PlainTextResponse(_BY_PROXY, 403)
        return None

    def _is_own_name(self, name: str) -> bool:
        wildcard = f"*.{name.partition('.')[2]}"
        if name in _LOOPBACK_NAMES or name == self.host.lower() or {name, wildcard} & self.allowed_hosts:
            return True
        # A rebinding attack needs a name, so an address is no danger where other machines may come in.
        return not is_loopback(self.host) and (_is_address(name) or name == socket.gethostname().lower())


def _for_own_origin(send: Send) -> Send:
    """Sends answers that no page of another origin may embed, whatever its browser says of a request."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ())]
            MutableHeaders(scope=message)["Cross-Origin-Resource-Policy"] = "same-origin"
        await send(message)

    return sent


def _too_many_open() -> Response:
    text = f"At most {MOST_OPEN} requests of one token are answered at a time.\n"
    return PlainTextResponse(text, 429, {"Retry-After": "5"})


def _refused(error: WhatsAppError) -> Response:
    """The answer where a token is valid and not enough, or cannot be checked now."""
    text = f"{error.message} {error.action}\n"
    if isinstance(error, Denied):
        return PlainTextResponse(text, 403)
    return PlainTextResponse(text, 503, {"Retry-After": str(math.ceil(error.retry_after or 10))})


def is_person(scope: Mapping[str, Any]) -> bool:
    """Return whether the guard admitted a request for the person who is signed in to the pages."""
    principal = admitted(scope)
    return principal is not None and principal.name == PERSON_PRINCIPAL


def is_admitted(scope: Mapping[str, Any]) -> bool:
    """Return whether the guard admitted a request; the open paths do not count, being open to anybody."""
    return admitted(scope) is not None


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(WELL_KNOWN)


def _takes_bearer(request: Request) -> bool:
    return request.scope["path"].lstrip("/").partition("/")[0] in BEARER_PARTS


def _authority(text: str, scheme: str) -> tuple[str, int] | None:
    """The host name, in lower case, and the port of `host[:port]`; None if it is anything else."""
    try:
        parts = urlsplit(f"//{text}")
        port = parts.port or _DEFAULT_PORTS[scheme]
    except (ValueError, KeyError):
        return None
    # `urlsplit` drops tabs and line breaks and ends at `/`, `?` and `#`: what it read must be the whole text.
    if parts.username is not None or parts.netloc != text or not parts.hostname:
        return None
    return parts.hostname, port


def _is_same_origin(origin: str, host: str) -> bool:
    """Return whether a page of this origin was served under this Host header.

    The page's scheme gives the port that neither names: a reverse proxy may speak TLS for this server.
    """
    scheme, _, authority = origin.partition("://")
    return (origin_authority := _authority(authority, scheme)) is not None and origin_authority == _authority(
        host, scheme
    )
