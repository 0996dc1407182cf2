"""Limits: requests of an address or a principal, those open at a time, and sessions of the older protocol.

Of the sessions of a principal the one that was quiet longest makes room for another.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import Counter, OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers

from whatsapp_mcp.server.calls import ANYBODY, admitted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MOST_KEYS: Final = 4096
"""Keys whose buckets are kept; the one seen longest ago is forgotten first."""
MOST_SESSIONS: Final = 64
"""Sessions of one principal. Many clients never end theirs, so one more is no reason to refuse it."""
_SESSION: Final = "mcp-session-id"
"""Header that names a session (MCP 2025-11-25, transports)."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests a second in the long run, and so many at once after a pause."""

    per_second: float
    burst: float


UNADMITTED: Final = Rate(20, 200)
"""Rate for each address of requests that are refused, or that anybody may make."""
ADMITTED: Final = Rate(100, 1000)
"""Rate for each principal of requests that were admitted."""


MOST_OPEN: Final = 32
"""Requests of one principal that are answered at a time: streams and waiting are among them."""


class OpenRequests:
    """The requests of each principal that are being answered.

    Without a limit on those of one, it could take every connection of the server.
    """

    def __init__(self, most: int = MOST_OPEN) -> None:
        self._most = most
        self._open = Counter[str]()

    @contextmanager
    def counted(self, principal: str) -> Generator[bool]:
        """Count a request while the block lasts; whether there is room for it.

        Args:
            principal: Whose it is. Nobody in particular has no limit: `ANYBODY`, and an empty name.
        """
        if principal in ("", ANYBODY):
            yield True
            return
        has_room = self._open[principal] < self._most
        self._open[principal] += 1
        try:
            yield has_room
        finally:
            self._open[principal] -= 1
            if not self._open[principal]:
                del self._open[principal]


@dataclass(slots=True)
class Buckets:
    """One token bucket for each key, for those that were seen last.

    A key that has been forgotten has a full bucket: with more keys than there is room for, the limit of each
    is lost, and what holds is the limit on connections.
    """

    rate: Rate
    clock: Callable[[], float] = time.monotonic
    _levels: OrderedDict[str, tuple[float, float]] = field(
        default_factory=OrderedDict[str, tuple[float, float]]
    )

    def take(self, key: str) -> float:
        """Take one token of this key's bucket.

        Returns:
            0 if there was one; else the seconds until there is.
        """
        now = self.clock()
        # Taken out and put back, so that the order is that of the last requests.
        level, since = self._levels.pop(key, (self.rate.burst, now))
        level = min(self.rate.burst, level + (now - since) * self.rate.per_second)
        wait = 0.0 if level >= 1 else (1 - level) / self.rate.per_second
        self._levels[key] = (level if wait else level - 1, now)
        if len(self._levels) > _MOST_KEYS:
            self._levels.popitem(last=False)
        return wait


def address_key(host: str) -> str:
    """The key of an address: of IPv6, the network of 64 bits that one subscriber has to himself."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4:
        return host
    mapped = address.ipv4_mapped
    return str(mapped) if mapped else str(ipaddress.ip_network((address, 64), strict=False))


@dataclass(frozen=True, slots=True)
class KeptSessions:
    """Closes sessions of a principal that has more than `MOST_SESSIONS`.

    Their clients are answered 404, and begin again.

    Attributes:
        app: Serves the sessions.
        manager: Has them.
    """

    app: ASGIApp
    manager: StreamableHTTPSessionManager

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; one that has opened a session may close another."""
        has_opened = False

        async def sent(message: Message) -> None:
            nonlocal has_opened
            if message["type"] == "http.response.start":
                has_opened = _SESSION in Headers(raw=message.get("headers", []))
            await send(message)

        principal = admitted(scope)
        if principal is None or _SESSION in Headers(scope=scope):
            await self.app(scope, receive, send)
            return
        await self.app(scope, receive, sent)
        if has_opened:
            await self._make_room(principal.name)

    async def _make_room(self, principal: str) -> None:
        # The SDK limits all sessions together, and has no other way to those of one owner.
        sessions = self.manager._server_instances  # pyright: ignore[reportPrivateUsage]
        owners = self.manager._session_owners  # pyright: ignore[reportPrivateUsage]
        theirs = {
            name: math.inf if session.idle_scope is None else session.idle_scope.deadline
            for name, session in sessions.items()
            if name in owners and owners[name]["client_id"] == principal
        }
        # One with a request under way has no deadline.
        for name in sorted(theirs, key=theirs.__getitem__)[: max(0, len(theirs) - MOST_SESSIONS)]:
            if theirs[name] < math.inf:
                await self.manager._discard_session(name, sessions[name])  # pyright: ignore[reportPrivateUsage]
