"""Streamable HTTP (`/mcp`), legacy SSE (`/sse`, `/messages/`), REST, health and pages on one port."""

from __future__ import annotations

import errno
import ipaddress
import logging
import socket
import ssl
import sys
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

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
from whatsapp_mcp.server.calls import Pages, Principal
from whatsapp_mcp.server.metrics import metrics_routes
from whatsapp_mcp.server.rest import rest_routes
from whatsapp_mcp.server.transports.connections import (
    ConnectionLimits,
    bounded_protocol,
    limits_of_this_process,
)
from whatsapp_mcp.server.transports.guard import Guard, Verify, is_loopback
from whatsapp_mcp.server.transports.oauth import ResourceServer
from whatsapp_mcp.server.transports.page_login import PageLogins, announce
from whatsapp_mcp.server.transports.proxies import ForwardedHeaders
from whatsapp_mcp.server.transports.tokens import Tokens, make_default
from whatsapp_mcp.web.pages import link_path, page_routes
from whatsapp_mcp.web.probes import probe_routes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

    from whatsapp_mcp.server.application import Application
    from whatsapp_mcp.server.runtime import Runtime
    from whatsapp_mcp.server.transports.directory import Directory
    from whatsapp_mcp.settings import ServerSettings

logger = logging.getLogger(__name__)

_CHECKED_OUTSIDE: Final = TransportSecuritySettings(enable_dns_rebinding_protection=False)
_SSE_MESSAGES: Final = "/messages/"


def asgi_app(
    application: Application,
    runtimes: Sequence[Runtime],
    *,
    host: str,
    verify: Verify | None,
    logins: PageLogins,
    oauth: ResourceServer | None = None,
    directory: Directory | None = None,
    further: Sequence[BaseRoute] = (),
) -> ASGIApp:
    """Everything behind the guard, which checks Host, Origin and token or session on every route.

    Args:
        application: Has the tools.
        runtimes: The accounts, at least one.
        host: What the server is bound to.
        verify: As in `Guard`; whom it admits is limited to these accounts.
        logins: Who may open pages.
        oauth: What this server is for OAuth, if it is anything.
        directory: Who may use it, where a database says so.
        further: Routes beside those of every server.

    `application.session_manager.run()` has to be entered around serving it.
    """
    runtime = runtimes[0]
    streamable = application.streamable_http_app(transport_security=_CHECKED_OUTSIDE)
    routes = [
        *streamable.routes,
        *_sse_routes(application),
        *rest_routes(application),
        *metrics_routes(runtimes),
        *probe_routes(runtimes),
        *page_routes(runtimes, logins, Tokens(runtime.settings.home)),
    ]
    routes += further
    if oauth is not None:
        routes += oauth.routes()
    settings = runtime.settings.server
    allowed_hosts = {*settings.allowed_hosts, urlsplit(settings.public_url or "").hostname or ""} - {""}
    app = RequestBodyLimitMiddleware(Starlette(routes=routes), DEFAULT_MAX_REQUEST_BODY_SIZE)
    served = frozenset(each.account for each in runtimes)
    checked = verify and partial(_verified, verify, served)
    guard = Guard(app, host, checked, logins, frozenset(allowed_hosts), settings.public_url)
    if directory is not None:
        guard = replace(guard, count=directory.take)
    if oauth is not None:
        guard = replace(guard, challenge=oauth.challenge)
    return ForwardedHeaders(guard, settings.trusted_proxies) if settings.trusted_proxies else guard


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
    application: Application,
    runtimes: Sequence[Runtime],
    *,
    host: str,
    port: int,
    auth: bool,
    directory: Directory | None = None,
    further: Sequence[BaseRoute] = (),
) -> Callable[[], Awaitable[None]]:
    """Bind the port and answer what serves on it.

    Args:
        application: Has the tools.
        runtimes: The accounts, at least one.
        host: What to bind.
        port: The same; 0 for any that is free.
        auth: Whether a token is asked for.
        directory: Who may use it, where a database says so; the tokens of the home folder open nothing then.
        further: Routes beside those of every server.

    Raises:
        InvalidArgument: Others can reach the host, and it has no token or no TLS; or the address or the
            certificate cannot be used.
        Busy: The port is taken, or the token file is unusable.
    """
    loaded = runtimes[0].settings
    settings = loaded.server
    _check_exposure(host, settings, auth=auth)
    tls = _tls_context(settings)
    token_file = make_default(loaded.home) if auth and directory is None else None
    listener = _bind(host, port)
    address = listener.getsockname()[:2]
    base = settings.public_url or base_url(*address, encrypted=tls is not None)
    for runtime in runtimes:
        path = link_path(runtime.account, is_only=len(runtimes) == 1)
        runtime.pages = Pages(page_command(runtime.account), f"{base}{path}")
    logins = PageLogins(f"whatsapp_mcp_page_{address[1]}")
    oauth = None
    if auth and settings.oauth is not None:
        oauth = ResourceServer.of(settings.oauth, base, loaded.network.proxy_url, directory)
    verify = _verify_with(directory or Tokens(loaded.home), oauth) if auth else None
    app = asgi_app(
        application,
        runtimes,
        host=host,
        verify=verify,
        logins=logins,
        oauth=oauth,
        directory=directory,
        further=further,
    )
    server = uvicorn_server(app, limits_of_this_process(), tls)

    async def speak() -> None:
        async with application.session_manager.run():
            for runtime in runtimes:
                folder = loaded.account_folder(runtime.account)
                announce(folder, logins, base, reached_at(*address))
            _say_where(base, token_file, page_command(runtimes[0].account))
            await server._serve(sockets=[listener])  # pyright: ignore[reportPrivateUsage]  serve() takes signals

    return speak


def _check_exposure(host: str, server: ServerSettings, *, auth: bool) -> None:
    """Refuse to offer an account to the network without a token, or its words and tokens in the clear."""
    if is_loopback(host):
        return
    if not auth:
        raise InvalidArgument(
            f"--no-auth on {host} would expose this account to the network.",
            "Omit --no-auth, or listen on 127.0.0.1.",
        )
    if not (server.tls_certificate or server.trusted_proxies or server.allow_unencrypted):
        raise InvalidArgument(
            f"Without TLS on {host}, whoever listens on the network could read messages and tokens.",
            "In the section [server] of config.toml, set tls_certificate and tls_key; or trusted_proxies for "
            "a proxy with TLS before it; or allow_unencrypted = true if only programs of yours are there.",
        )


def _tls_context(server: ServerSettings) -> ssl.SSLContext | None:
    """TLS 1.2 and newer with the certificate of the settings; None if there is none."""
    if server.tls_certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # Without a password OpenSSL would ask for one on the terminal.
        context.load_cert_chain(server.tls_certificate, server.tls_key, password="")
    except OSError as error:
        raise InvalidArgument(
            f"The certificate {server.tls_certificate} and the key {server.tls_key} cannot be used "
            f"({type(error).__name__}).",
            "Set server.tls_certificate and server.tls_key to PEM files of one pair, without a password.",
        ) from error
    return context


def _verify_with(tokens: Tokens | Directory, oauth: ResourceServer | None) -> Verify:
    async def verify(token: str) -> Principal | None:
        principal = tokens.principal(token)
        return await oauth.principal(token) if principal is None and oauth is not None else principal

    return verify


async def _verified(verify: Verify, served: frozenset[str], token: str) -> Principal | None:
    """Whom a token stands for, in the accounts that are served; without any of them it has no scope."""
    principal = await verify(token)
    if principal is None or principal.accounts is None:
        return principal
    accounts = principal.accounts & served
    return replace(principal, accounts=accounts, scopes=principal.scopes if accounts else frozenset())


def uvicorn_server(
    app: ASGIApp, limits: ConnectionLimits, tls: ssl.SSLContext | None = None
) -> uvicorn.Server:
    """The uvicorn server of the application, with these limits."""
    config = uvicorn.Config(
        app,
        http=bounded_protocol(limits, tls),
        ws="none",
        lifespan="off",
        backlog=limits.backlog,
        log_config=None,
        access_log=False,
        server_header=False,
        # It would believe whatever a program on this machine says of other addresses.
        proxy_headers=False,
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


def _say_where(base: str, token_file: Path | None, page: str) -> None:
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


def base_url(host: str, port: int, *, encrypted: bool = False) -> str:
    """A URL that can be opened on this machine."""
    host, port = reached_at(host, port)
    scheme = "https" if encrypted else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
