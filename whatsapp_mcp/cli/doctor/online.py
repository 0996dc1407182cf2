"""Checks of the way to WhatsApp, which run with `--online` alone. Nobody is logged in.

As the client library does: through the proxy of the settings, else through one that the environment names.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from whatsapp_mcp.cli.doctor.finding import Finding
from whatsapp_mcp.cli.doctor.home import SET_CLOCK, TOLERANCE
from whatsapp_mcp.settings import Settings

if TYPE_CHECKING:
    import httpx2

WHATSAPP: Final = "https://web.whatsapp.com"
"""URL at which the client library opens its websocket. WhatsApp names the hosts for files after the login."""
LIMIT: Final = 10.0
"""Seconds for each step."""
_PROXY_PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_PROXY: Final = re.compile(r"(https|all)_proxy", re.IGNORECASE)
"""The variables that name a proxy for WhatsApp's address."""


class Server(NamedTuple):
    """A host and a port."""

    host: str
    port: int


def findings(loaded: Settings) -> list[Finding]:
    """The network, the proxy and WhatsApp itself, in that order."""
    through = proxy_of(loaded)
    try:
        first = server_of(through or WHATSAPP)
    except ValueError:
        return [_no_proxy()]
    reached = connection("proxy" if through else "network", first)
    if not reached.ok:
        return [reached]
    return [reached, *answer(WHATSAPP, loaded.network.proxy_url)]


def proxy_of(loaded: Settings) -> str | None:
    """The URL of the proxy that is used."""
    named = (value for name, value in os.environ.items() if _PROXY.fullmatch(name) and value)
    return loaded.network.proxy_url or next(named, None)


def server_of(url: str) -> Server:
    """Return the server of a URL; a URL without a scheme is taken for a proxy's."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    return Server(parts.hostname or "", parts.port or _PROXY_PORTS.get(parts.scheme, 443))


def connection(name: str, server: Server, limit: float = LIMIT) -> Finding:
    """Check whether a name resolves and its port accepts a connection."""
    where = f"{server.host}:{server.port}"
    other = "Correct network.proxy, or start the proxy."
    try:
        # Apart from the connection, so that a missing name server is told from a firewall.
        socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        action = other if name == "proxy" else "Check the network and its name server (DNS)."
        return Finding(name, False, f"the name {server.host} is not found", action)
    try:
        socket.create_connection(server, limit).close()
    except OSError as error:
        action = other if name == "proxy" else "Check the firewall; if a proxy is needed, set network.proxy."
        said = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or "no connection"
        return Finding(name, False, f"{where} cannot be reached: {said}", action)
    return Finding(name, True, f"{where} accepts connections")


def answer(
    url: str,
    proxy: str | None,
    verify: ssl.SSLContext | None = None,
    now: datetime | None = None,
    limit: float = LIMIT,
) -> list[Finding]:
    """Check the server's TLS certificate and HTTP answer, and compare its clock with the local one.

    Args:
        url: The server's.
        proxy: URL of the proxy of the settings; None asks the environment.
        verify: Whom to trust; None trusts whom this system trusts.
        now: The time here; None asks the clock.
        limit: Seconds for each step.
    """
    import httpx2

    host = urlsplit(url).hostname
    try:
        with httpx2.Client(
            verify=verify or ssl.create_default_context(),
            proxy=proxy,
            trust_env=proxy is None,
            timeout=limit,
        ) as http:
            response = http.head(url)
    except httpx2.ProxyError:
        action = "Check the proxy's user name and password, and that it lets you reach this host on port 443."
        return [Finding("whatsapp", False, f"the proxy opens no connection to {host}", action)]
    except (httpx2.InvalidURL, ValueError):
        return [_no_proxy()]
    except httpx2.TimeoutException:
        return [Finding("whatsapp", False, f"{host} does not answer within {limit:g} s", "Try again later.")]
    except httpx2.HTTPError as error:
        return [_failed(str(host), error)]
    results = [Finding("whatsapp", True, f"{host} answers, with a certificate that is trusted")]
    return [*results, *_clock(response.headers.get("Date", ""), now or datetime.now(UTC))]


def _no_proxy() -> Finding:
    """Settings are checked when they are read; the environment is not."""
    said = "the environment names a proxy that cannot be used"
    return Finding("proxy", False, said, "Correct HTTPS_PROXY or ALL_PROXY, or set network.proxy.")


def _failed(host: str, error: httpx2.HTTPError) -> Finding:
    causes: list[BaseException] = [error]
    while (further := causes[-1].__cause__ or causes[-1].__context__) and further not in causes:
        causes.append(further)
    # Of the library the text alone remains when it wraps the error of the system in its own.
    if any("CERTIFICATE_VERIFY_FAILED" in str(each) for each in causes):
        said = f"the certificate that {host} shows is not trusted here"
        action = "Something between here and WhatsApp reads along, or the clock or the certificates are old."
        return Finding("whatsapp", False, said, action)
    return Finding("whatsapp", False, f"{host} ends the connection", "Check the firewall and the proxy.")


def _clock(date: str, now: datetime) -> list[Finding]:
    """This computer's clock beside that of a server; nothing where it does not say."""
    try:
        server = parsedate_to_datetime(date)
    except ValueError:
        return []
    if server.tzinfo is None:  # "-0000" says that the time is UTC (RFC 5322, section 3.3)
        server = server.replace(tzinfo=UTC)
    off = (now - server).total_seconds()
    if abs(off) > TOLERANCE.total_seconds():
        said = f"{abs(off) / 60:.0f} minutes {'ahead of' if off > 0 else 'behind'} WhatsApp's"
        return [Finding("clock online", False, said, SET_CLOCK)]
    return [Finding("clock online", True, f"{abs(off):.0f} s off WhatsApp's")]
