"""An application over HTTP, in this process: behind its guard, with or without a socket."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2

from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.application import Application, create
from whatsapp_mcp.server.calls import Principal, Services, ServicesSource
from whatsapp_mcp.server.runtime import Runtime
from whatsapp_mcp.server.transports.connections import ConnectionLimits
from whatsapp_mcp.server.transports.guard import Guard
from whatsapp_mcp.server.transports.http import asgi_app, uvicorn_server
from whatsapp_mcp.server.transports.page_login import PageLogins
from whatsapp_mcp.settings import Settings
from whatsapp_mcp.text.choices import SCOPES

URL = "http://127.0.0.1:8808"
TOKEN = "a-token-of-this-test"
OF = "of:"
LIMIT = 30.0


class SourceRuntime(Runtime):
    """A runtime whose services are those of a test."""

    def __init__(self, source: Any) -> None:
        super().__init__(Settings(home=source.home), source.account, chat=source.chat)
        self.source: ServicesSource = source
        self.feed = self.source.feed

    @property
    def policy(self) -> Policy:
        return self.source.policy

    async def services(self) -> Services:
        return await self.source.services()


async def verify(token: str) -> Principal | None:
    """A token that may do everything, one for each scope, and `of:a,b` for the accounts `a` and `b`."""
    if token.startswith(OF):
        accounts = frozenset(token.removeprefix(OF).split(","))
        return Principal(f"token:{token}", frozenset(SCOPES), accounts)
    if token == TOKEN:
        return Principal("token:test", frozenset(SCOPES))
    return Principal(f"token:{token}", frozenset({token})) if token in SCOPES else None


def guarded(
    source: Any, selection: str = "all", application: Application | None = None, others: Sequence[Any] = ()
) -> Guard:
    """The application behind its guard; `others` are the sources of further accounts that it has."""
    served = application or create(source, selection, structured=True)
    runtimes = [SourceRuntime(each) for each in (source, *others)]
    app = asgi_app(served, runtimes, host="127.0.0.1", verify=verify, logins=PageLogins("page"))
    assert isinstance(app, Guard)
    return app


@asynccontextmanager
async def api(
    source: Any,
    selection: str = "all",
    *,
    token: str | None = TOKEN,
    application: Application | None = None,
    others: Sequence[Any] = (),
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client without a socket."""
    transport = httpx2.ASGITransport(app=guarded(source, selection, application, others))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx2.AsyncClient(transport=transport, base_url=URL, headers=headers) as http:
        yield http


@asynccontextmanager
async def listening(
    source: Any, *, application: Application | None = None, token: str = TOKEN, others: Sequence[Any] = ()
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a server on loopback, whose feed goes."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn_server(guarded(source, application=application, others=others), ConnectionLimits())
    services = await source.services()
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    headers = {"Authorization": f"Bearer {token}"}
    with listener:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server._serve, [listener])  # pyright: ignore[reportPrivateUsage]
            async with (
                anyio.create_task_group() as feeding,
                httpx2.AsyncClient(base_url=base, headers=headers, trust_env=False, timeout=LIMIT) as http,
            ):
                feeding.start_soon(source.feed.run, services.devices, source.archive)
                yield http
                feeding.cancel_scope.cancel()
            server.force_exit = server.should_exit = True
