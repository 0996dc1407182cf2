"""A page for one linking: what `whatsapp-mcp link` opens where a window has no room for its code.

It is behind the guard of all pages, on loopback alone. Its URL lets in the first browser that signs in there.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
from mcp.server.transport_security import RequestBodyLimitMiddleware
from starlette.applications import Starlette
from starlette.routing import Route

from whatsapp_mcp.device.leader import background_tasks
from whatsapp_mcp.server.transports.connections import limits_of_this_process
from whatsapp_mcp.server.transports.guard import Guard
from whatsapp_mcp.server.transports.http import uvicorn_server
from whatsapp_mcp.web.connection import link_page
from whatsapp_mcp.web.layout import HOME, RELOAD_SECONDS
from whatsapp_mcp.web.pages import LOGIN, entrance_routes, sign_in_page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from whatsapp_mcp.models import LinkState

_HOST: Final = "127.0.0.1"
_OUTCOME_LIMIT: Final = RELOAD_SECONDS + 1.0
"""Seconds in which an open page asks for the outcome."""
_CLOSE_LIMIT: Final = 2.0
"""Seconds in which requests that run are answered."""
_LARGEST: Final = 4096
"""Bytes of a form."""
_USED: Final = "This page opens once. Run `whatsapp-mcp link` again for another."


@dataclass(slots=True)
class LinkPage:
    """The page, and the one browser that it is open in: a `Logins` for a single sign-in.

    Attributes:
        cookie: The name of its cookie.
        state: How far linking is; whoever links keeps it current.
    """

    cookie: str
    state: LinkState | None = None
    _code: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)
    _session: str | None = field(default=None, repr=False)
    _told: anyio.Event = field(default_factory=anyio.Event)

    @property
    def path(self) -> str:
        """The path that opens it, once."""
        return f"{LOGIN}?code={self._code}"

    def takes(self, code: str) -> bool:
        """Return whether a code is the page's, and no browser has used it."""
        return self._session is None and secrets.compare_digest(code.encode(), self._code.encode())

    def sign_in(self, code: str) -> str | None:
        """The cookie for the first browser that signs in with the code; None for all others."""
        if not self.takes(code):
            return None
        self._session = secrets.token_urlsafe(32)
        return self._session

    def is_signed_in(self, cookie: str) -> bool:
        """Return whether a cookie is that of the signed-in browser."""
        return self._session is not None and secrets.compare_digest(cookie.encode(), self._session.encode())

    async def show(self, _: Request) -> Response:
        """The code as it is now, or the outcome."""
        if self.state is not None and self.state.is_over:
            self._told.set()
        return link_page(self.state)

    async def tell_outcome(self) -> None:
        """Wait until the browser has the outcome, if it is open in one, for some seconds at most."""
        if self._session is not None and self.state is not None and self.state.is_over:
            with anyio.move_on_after(_OUTCOME_LIMIT):
                await self._told.wait()


@asynccontextmanager
async def serve_link_page() -> AsyncIterator[tuple[LinkPage, str]]:
    """Serve a page for one linking; the page, and the URL that opens it.

    When the block ends the browser gets the outcome, and the port is closed.
    """
    with socket.create_server((_HOST, 0)) as listener:
        port = listener.getsockname()[1]
        page = LinkPage(f"whatsapp_mcp_link_{port}")
        routes = [*entrance_routes(page, _USED), Route(HOME, page.show, methods=["GET"])]
        app = RequestBodyLimitMiddleware(Starlette(routes=routes), _LARGEST)
        guard = Guard(app, _HOST, None, page, sign_in=partial(sign_in_page, _USED))
        server = uvicorn_server(guard, limits_of_this_process())
        closed = anyio.Event()

        async def serve() -> None:
            # serve() takes signals
            await server._serve(sockets=[listener])  # pyright: ignore[reportPrivateUsage]
            closed.set()

        async with background_tasks() as tasks:
            tasks.start_soon(serve)
            try:
                yield page, f"http://{_HOST}:{port}{page.path}"
            finally:
                await page.tell_outcome()
                server.should_exit = True
                with anyio.move_on_after(_CLOSE_LIMIT):
                    await closed.wait()
