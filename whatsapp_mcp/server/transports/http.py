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
from mcp.server.transport_security import (
    DEFAULT_MAX_REQUEST_BODY_SIZE,
    RequestBodyLimitMiddleware,
    TransportSecuritySettings,
)
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route

from whatsapp_mcp.errors import Busy, InvalidArgument
from whatsapp_mcp.server.calls import Principal
from whatsapp_mcp.server.transports.connections import (
    ConnectionLimits,
    bounded_protocol,
    limits_of_this_process,
)
from whatsapp_mcp.server.transports.guard import Guard, Verify, is_loopback
from whatsapp_mcp.server.transports.page_login import PageLogins, announce
from whatsapp_mcp.server.transports.tokens import Tokens, make_default
from whatsapp_mcp.web.pages import page_routes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

    from whatsapp_mcp.server.application import Application
    from whatsapp_mcp.server.runtime import Runtime

logger = logging.getLogger(__name__)

_CHECKED_OUTSIDE: Final = TransportSecuritySettings(enable_dns_rebinding_protection=False)
_SSE_MESSAGES: Final = "/messages/"


def asgi_app(
    application: Application, runtime: Runtime, *, host: str, verify: Verify | None, logins: PageLogins
) -> ASGIApp:
    """Everything behind the guard, which checks Host, Origin and token or session on every route.

    `application.session_manager.run()` has to be entered around serving it.
    """
    streamable = application.streamable_http_app(transport_security=_CHECKED_OUTSIDE)
    routes = [*streamable.routes, *_sse_routes(application), *page_routes(runtime, logins)]
    allowed_hosts = frozenset(runtime.settings.server.allowed_hosts)
    app = RequestBodyLimitMiddleware(Starlette(routes=routes), DEFAULT_MAX_REQUEST_BODY_SIZE)
    return Guard(app, host, verify, logins, allowed_hosts)


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
    token_file = make_default(runtime.settings.home) if auth else None
    listener = _bind(host, port)
    address = listener.getsockname()[:2]
    base = base_url(*address)
    runtime.page = page_command(runtime.account)
    logins = PageLogins(f"whatsapp_mcp_page_{address[1]}")
    verify = _verify_with(Tokens(runtime.settings.home)) if auth else None
    app = asgi_app(application, runtime, host=host, verify=verify, logins=logins)
    server = uvicorn_server(app, limits_of_this_process())

    async def speak() -> None:
        folder = runtime.settings.account_folder(runtime.account)
        async with application.session_manager.run():
            announce(folder, logins, base, reached_at(*address))
            _say_where(base, token_file, runtime.page)
            await server._serve(sockets=[listener])  # pyright: ignore[reportPrivateUsage]  serve() takes signals

    return speak


def _verify_with(tokens: Tokens) -> Verify:
    async def verify(token: str) -> Principal | None:
        return tokens.principal(token)

    return verify


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


def _say_where(base: str, token_file: Path | None, page: str | None) -> None:
    sys.stderr.write(f"Serving MCP on {base}/mcp and {base}/sse\n")
    if token_file is not None:
        sys.stderr.write(f"Token: in {token_file}; more: whatsapp-mcp token create NAME\n")
    sys.stderr.write(f"Page: {page} prints a URL to sign in with\n")
    sys.stderr.flush()


def page_command(account: str) -> str:
    """The command that prints a login URL for the pages."""
    return "whatsapp-mcp page" if account == "default" else f"whatsapp-mcp page --account {account}"


def reached_at(host: str, port: int) -> tuple[str, int]:
    """Where this machine reaches a server; `0.0.0.0` and `::` are addresses to listen on only."""
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    return host, port


def base_url(host: str, port: int) -> str:
    """A URL that can be opened on this machine."""
    host, port = reached_at(host, port)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
