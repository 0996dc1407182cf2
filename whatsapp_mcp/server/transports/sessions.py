"""How many sessions of the older protocol a principal may have: the one that was quiet longest makes room."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers

from whatsapp_mcp.server.calls import admitted

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST: Final = 64
"""Sessions of one principal. Many clients never end theirs, so one more is no reason to refuse it."""
_SESSION: Final = "mcp-session-id"


@dataclass(frozen=True, slots=True)
class KeptSessions:
    """Closes sessions of a principal that has more than `MOST`.

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
        for name in sorted(theirs, key=theirs.__getitem__)[: max(0, len(theirs) - MOST)]:
            if theirs[name] < math.inf:
                await self.manager._discard_session(name, sessions[name])  # pyright: ignore[reportPrivateUsage]
