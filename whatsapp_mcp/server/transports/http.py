"""Streamable HTTP (`/mcp`), legacy SSE (`/sse`, `/messages/`), health and pages on one port."""

from __future__ import annotations

import errno
import ipaddress
import logging
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import uvicorn
from mcp.server.sse import SseServerTransport
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route

from whatsapp_mcp.errors import Busy, InvalidArgument
from whatsapp_mcp.server.transports.connections import (
    ConnectionLimits,
    bounded_protocol,
    limits_of_this_process,
)
from whatsapp_mcp.server.transports.guard import Guard, is_loopback, sign_in
from whatsapp_mcp.server.transports.token import FILE_NAME, load_or_make
from whatsapp_mcp.web.pages import LINK, PAGE_PATHS, page_routes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

    from whatsapp_mcp.server.application import Application
    from whatsapp_mcp.server.runtime import Runtime

logger = logging.getLogger(__name__)

_CHECKED_OUTSIDE: Final = TransportSecuritySettings(enable_dns_rebinding_protection=False)
_SSE_MESSAGES: Final = "/messages/"


def asgi_app(application: Application, runtime: Runtime, *, host: str, token: str | None) -> ASGIApp:
    """Everything behind the guard, which checks Host, Origin and token on every route.

    `application.session_manager.run()` has to be entered around serving it.
    """
    streamable = application.streamable_http_app(transport_security=_CHECKED_OUTSIDE)
    routes = [*streamable.routes, *_sse_routes(application), *page_routes(runtime, sign_in)]
    allowed_hosts = frozenset(runtime.settings.server.allowed_hosts)
    return Guard(Starlette(routes=routes), host, token, allowed_hosts, PAGE_PATHS)


def _sse_routes(application: Application) -> list[BaseRoute]:
    """The legacy transport; the SDK's own routes never answer a request that cannot be read."""
    transport = SseServerTransport(_SSE_MESSAGES, security_settings=_CHECKED_OUTSIDE)
    return [
        Route("/sse", endpoint=_SseStream(application, transport), methods=["GET"]),
        Mount(_SSE_MESSAGES, app=transport.handle_post_message),
    ]


@dataclass(frozen=True, slots=True)
class _SseStream:
    """Serves one client for as long as its event stream lasts."""

    application: Application
    transport: SseServerTransport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self.transport.connect_sse(scope, receive, send) as (read, write):
            await self.application.run_streams(read, write)


def prepare(
    application: Application, runtime: Runtime, *, host: str, port: int, auth: bool
) -> Callable[[], Awaitable[None]]:
    """Bind the port and answer what serves on it.

    Raises:
        InvalidArgument: No token on a host that others can reach, or the address cannot be bound.
        Busy: The port is taken, or the token file is unusable.
    """
    if not auth and not is_loopback(host):
        raise InvalidArgument(
            f"--no-auth on {host} would expose this account to the network.",
            "Omit --no-auth, or listen on 127.0.0.1.",
        )
    token = load_or_make(runtime.settings.home) if auth else None
    listener = _bind(host, port)
    base = base_url(*listener.getsockname()[:2])
    token_file = runtime.settings.home / FILE_NAME if auth else None
    runtime.page = page_address(base, token_file)
    app = asgi_app(application, runtime, host=host, token=token)
    server = uvicorn_server(app, limits_of_this_process())

    async def speak() -> None:
        async with application.session_manager.run():
            _announce(base, token_file)
            await server._serve(sockets=[listener])  # pyright: ignore[reportPrivateUsage]  serve() takes signals

    return speak


def uvicorn_server(app: ASGIApp, limits: ConnectionLimits) -> uvicorn.Server:
    """The uvicorn server of the application, with these limits."""
    config = uvicorn.Config(
        app,
        http=bounded_protocol(limits),
        ws="none",
        lifespan="off",
        backlog=limits.backlog,
        log_config=None,
        access_log=False,
        server_header=False,
    )
    return uvicorn.Server(config)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Busy(f"Port {port} on {host} is already in use.", "Choose another with --port.") from error
        # create_server() appends where it tried.
        reason = (error.strerror or str(error)).partition(" (while")[0]
        raise InvalidArgument(
            f"Port {port} on {host} cannot be used: {reason}.",
            "Give --host an address of this machine and --port a port that you may use.",
        ) from error


def _announce(base: str, token_file: Path | None) -> None:
    sys.stderr.write(f"Serving MCP on {base}/mcp and {base}/sse\n")
    if token_file is not None:
        sys.stderr.write(f"Token: in {token_file}; page: {base}/?token=TOKEN\n")
    sys.stderr.flush()


def page_address(base: str, token_file: Path | None) -> str:
    """The URL of the page on which a person links a phone, without the token: models read it."""
    return f"{base}/?token=TOKEN with the token in {token_file}" if token_file else f"{base}{LINK}"


def base_url(host: str, port: int) -> str:
    """A URL that can be opened on this machine; `0.0.0.0` and `::` are addresses to listen on only."""
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
