"""Streamable HTTP (`/mcp`), legacy SSE (`/sse`, `/messages/`), REST, health and pages on one port."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import anyio
import uvicorn
from mcp.server.sse import SseServerTransport
from mcp.server.transport_security import (
    DEFAULT_MAX_REQUEST_BODY_SIZE,
    RequestBodyLimitMiddleware,
    TransportSecuritySettings,
)
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount, Route

from whatsapp_mcp.server.calls import Pages, Principal
from whatsapp_mcp.server.runtime import routes_of_accounts, routes_of_application
from whatsapp_mcp.server.transports.connections import (
    ConnectionLimits,
    bounded_protocol,
    limits_of_this_process,
)
from whatsapp_mcp.server.transports.guard import Guard, Verify, is_person
from whatsapp_mcp.server.transports.limits import KeptSessions
from whatsapp_mcp.server.transports.oauth import ResourceServer
from whatsapp_mcp.server.transports.page_login import PageLogins, announce
from whatsapp_mcp.server.transports.place import ForwardedHeaders, ListeningAddress, checked, reached_at
from whatsapp_mcp.server.transports.tokens import Tokens, make_default
from whatsapp_mcp.web.pages import link_path, no_page, site_routes, sites_of
from whatsapp_mcp.web.probes import probe_routes

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from whatsapp_mcp.server.application import Application
    from whatsapp_mcp.server.runtime import Runtime
    from whatsapp_mcp.server.transports.oauth import Directory
    from whatsapp_mcp.settings import ServerSettings, Settings

logger = logging.getLogger(__name__)

_CHECKED_OUTSIDE: Final = TransportSecuritySettings(enable_dns_rebinding_protection=False)
"""The SDK checks its own routes alone; the guard checks every route."""
_SSE_MESSAGES: Final = "/messages/"
FINISH_LIMIT: Final = 15
"""Seconds in which requests that run are answered once a server takes no more connections."""


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
    settings = runtimes[0].settings
    sites = sites_of(runtimes, logins)
    own = [
        *routes_of_accounts(runtimes),
        *probe_routes(runtimes),
        *site_routes(sites, logins, Tokens(settings.home)),
    ]
    return _guarded(
        application,
        settings.server,
        [*own, *further],
        served=lambda: frozenset(each.account for each in runtimes),
        host=host,
        verify=verify,
        logins=logins,
        oauth=oauth,
        directory=directory,
        no_page=partial(no_page, sites),
    )


def _guarded(
    application: Application,
    settings: ServerSettings,
    further: Sequence[BaseRoute],
    *,
    served: Callable[[], frozenset[str]],
    host: str,
    verify: Verify | None,
    logins: PageLogins,
    oauth: ResourceServer | None,
    directory: Directory | None,
    no_page: Callable[[Request, int], Response] | None = None,
) -> ASGIApp:
    """MCP, REST and further routes, behind the guard; see `asgi_app`.

    Args:
        served: The accounts at the moment, by name.
        no_page: The page for a person at an address without one, given the HTTP status.
    """
    streamable = application.streamable_http_app(transport_security=_CHECKED_OUTSIDE)
    routes = [*streamable.routes, *_sse_routes(application)]
    routes += [*routes_of_application(application), *further]
    if oauth is not None:
        routes += oauth.routes()
    allowed_hosts = {*settings.allowed_hosts, urlsplit(settings.public_url or "").hostname or ""} - {""}
    unknown = partial(_unknown_address, no_page)
    app = Starlette(routes=routes, exception_handlers={404: unknown, 405: unknown})
    kept = KeptSessions(app, application.session_manager)
    app = RequestBodyLimitMiddleware(kept, DEFAULT_MAX_REQUEST_BODY_SIZE)
    checked = verify and partial(_verified, verify, served)
    guard = Guard(app, host, checked, logins, frozenset(allowed_hosts), settings.public_url)
    if directory is not None:
        guard = replace(guard, count=directory.take, unknown_bearer=directory.unknown_bearer)
    if oauth is not None:
        guard = replace(guard, challenge=oauth.challenge)
    if settings.trusted_proxies:
        return ForwardedHeaders(guard, settings.trusted_proxies, guard.misdirected)
    return guard


async def _unknown_address(
    no_page: Callable[[Request, int], Response] | None, request: Request, error: Exception
) -> Response:
    """The answer where there is nothing, or nothing for this method; a page for a signed-in person alone."""
    assert isinstance(error, HTTPException)
    if no_page is not None and is_person(request.scope):
        answer = no_page(request, error.status_code)
        answer.headers.update(error.headers or {})
        return answer
    return PlainTextResponse(error.detail, error.status_code, error.headers)


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
    tls = checked(host, loaded.server, auth=auth)
    # Whoever waits for the port reads the token once it is open.
    token_file = make_default(loaded.home) if auth and directory is None else None
    place = ListeningAddress.bound(host, port, loaded.server, tls)
    for runtime in runtimes:
        path = link_path(runtime.account, is_only=len(runtimes) == 1)
        runtime.pages = Pages(page_command(runtime.account), f"{place.base}{path}")
    logins = PageLogins(f"whatsapp_mcp_page_{place.address[1]}")
    oauth = _oauth(loaded, place.base, directory) if auth else None
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

    def begun() -> None:
        for runtime in runtimes:
            folder = loaded.account_folder(runtime.account)
            announce(folder, logins, place.base, reached_at(*place.address))
        _say_where(place.base, token_file, page_command(runtimes[0].account))

    return _speaking(application, app, place, begun)


def prepare_replica(
    application: Application,
    settings: Settings,
    *,
    host: str,
    port: int,
    auth: bool,
    directory: Directory,
    served: Callable[[], frozenset[str]],
    further: Sequence[BaseRoute],
    until: Callable[[], Awaitable[None]],
) -> Callable[[], Awaitable[None]]:
    """Prepare, like `prepare`, a server that holds no account: no pages, and its accounts come and go.

    Args:
        application: Has the tools.
        settings: Of this server.
        host: What to bind.
        port: The same; 0 for any that is free.
        auth: Whether a token is asked for.
        directory: Who may use it.
        served: The accounts at the moment, by name.
        further: Routes beside MCP and REST.
        until: Returns when no more connections are to be taken; serving ends when what runs is answered,
            within `FINISH_LIMIT`.

    Raises:
        InvalidArgument, Busy: As `prepare`.
    """
    place = ListeningAddress.bound(host, port, settings.server, checked(host, settings.server, auth=auth))
    oauth = _oauth(settings, place.base, directory) if auth else None
    app = _guarded(
        application,
        settings.server,
        further,
        served=served,
        host=host,
        verify=_verify_with(directory, oauth) if auth else None,
        logins=PageLogins(f"whatsapp_mcp_page_{place.address[1]}"),
        oauth=oauth,
        directory=directory,
    )
    return _speaking(application, app, place, partial(_say_where, place.base, None, None), until)


def _oauth(settings: Settings, base: str, directory: Directory | None) -> ResourceServer | None:
    if settings.server.oauth is None:
        return None
    return ResourceServer.of(settings.server.oauth, base, settings.network.proxy_url, directory)


def _speaking(
    application: Application,
    app: ASGIApp,
    place: ListeningAddress,
    begun: Callable[[], None],
    until: Callable[[], Awaitable[None]] = anyio.sleep_forever,
) -> Callable[[], Awaitable[None]]:
    server = uvicorn_server(app, limits_of_this_process(), place.tls)

    async def end() -> None:
        await until()
        server.should_exit = True

    async def speak() -> None:
        async with application.session_manager.run(), anyio.create_task_group() as tasks:
            tasks.start_soon(end)
            # The port is open since it was bound: whoever is told of it waits in its backlog.
            begun()
            # serve() takes signals
            await server._serve(sockets=[place.listener])  # pyright: ignore[reportPrivateUsage]
            tasks.cancel_scope.cancel()

    return speak


def _verify_with(tokens: Tokens | Directory, oauth: ResourceServer | None) -> Verify:
    async def verify(token: str) -> Principal | None:
        principal = tokens.principal(token)
        return await oauth.principal(token) if principal is None and oauth is not None else principal

    return verify


async def _verified(verify: Verify, served: Callable[[], frozenset[str]], token: str) -> Principal | None:
    """Return a token's principal, limited to the served accounts; without any of them it has no scope."""
    principal = await verify(token)
    if principal is None or principal.accounts is None:
        return principal
    accounts = principal.accounts & served()
    return replace(principal, accounts=accounts, scopes=principal.scopes if accounts else frozenset())


def uvicorn_server(
    app: ASGIApp, limits: ConnectionLimits, tls: ssl.SSLContext | None = None
) -> uvicorn.Server:
    """The uvicorn server of the application, with these limits."""
    config = uvicorn.Config(
        app,
        http=bounded_protocol(limits, tls),
        ws="none",
        # `_speaking` enters the session manager: the lifespan of a mounted application never runs.
        lifespan="off",
        backlog=limits.backlog,
        # uvicorn's configuration would add handlers that write past the redaction.
        log_config=None,
        access_log=False,
        server_header=False,
        # It would believe whatever a program on this machine says of other addresses.
        proxy_headers=False,
        timeout_graceful_shutdown=FINISH_LIMIT,
    )
    return uvicorn.Server(config)


def _say_where(base: str, token_file: Path | None, page: str | None) -> None:
    sys.stderr.write(f"Serving MCP on {base}/mcp and {base}/sse\n")
    if token_file is not None:
        sys.stderr.write(f"Token: in {token_file}; more: whatsapp-mcp token create NAME\n")
    if page is not None:
        sys.stderr.write(f"Page: {page} prints a URL to sign in with\n")
    sys.stderr.flush()


def page_command(account: str) -> str:
    """The command that prints a login URL for the pages."""
    return "whatsapp-mcp page" if account == "default" else f"whatsapp-mcp page --account {account}"
