"""The place where a server listens: its port, its certificate, its URL, and the proxies before it.

A reverse proxy says of a request the client's address, its scheme and the host name it asked for. This is
believed of the addresses in `server.trusted_proxies` alone. Anybody else could pretend to be another address,
and so escape the limits.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from whatsapp_mcp.errors import Busy, InvalidArgument
from whatsapp_mcp.server.transports.guard import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from whatsapp_mcp.settings import ServerSettings


@dataclass(frozen=True, slots=True)
class ListeningAddress:
    """Listening socket of a server, its TLS context and its base URL."""

    listener: socket.socket
    tls: ssl.SSLContext | None
    base: str

    @classmethod
    def bound(
        cls, host: str, port: int, server: ServerSettings, tls: ssl.SSLContext | None
    ) -> ListeningAddress:
        """Bind it: from here on connections are accepted.

        Args:
            host: What to bind.
            port: The same; 0 for any that is free.
            server: May have a URL of its own.
            tls: As `checked` gave it.

        Raises:
            InvalidArgument: The address cannot be used.
            Busy: The port is taken.
        """
        listener = _bind(host, port)
        own = base_url(*listener.getsockname()[:2], encrypted=tls is not None)
        return cls(listener, tls, server.public_url or own)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, port = self.listener.getsockname()[:2]
        return host, port


def checked(host: str, server: ServerSettings, *, auth: bool) -> ssl.SSLContext | None:
    """Check that a server may listen on a host; return the TLS context of its certificate, if it has one.

    Args:
        host: What is to be bound.
        server: Has the certificate.
        auth: Whether a token is asked for.

    Raises:
        InvalidArgument: Others can reach the host or come through a proxy, and it has no token or no TLS; or
            the certificate cannot be used.
    """
    _check_exposure(host, server, auth=auth)
    return _tls_context(server)


def _check_exposure(host: str, server: ServerSettings, *, auth: bool) -> None:
    """Refuse to offer an account to the network without a token, or its words and tokens in the clear."""
    if not auth and (named := _named_for_others(server)):
        raise InvalidArgument(
            f"--no-auth would give this account to whoever reaches the proxy that server.{named} is for.",
            "Omit --no-auth; or, if only programs of this computer use this server, take "
            "server.public_url and server.trusted_proxies out of config.toml and the environment.",
        )
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
            "In config.toml, set server.tls_certificate and server.tls_key; or server.trusted_proxies for a "
            "proxy with TLS before it; or server.allow_unencrypted if only programs of yours are there.",
        )


def _named_for_others(server: ServerSettings) -> str:
    """The setting that says that others come in through a proxy; empty where none does."""
    return "public_url" if server.public_url else "trusted_proxies" if server.trusted_proxies else ""


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


def reached_at(host: str, port: int) -> tuple[str, int]:
    """Return the address by which this machine reaches a server; `0.0.0.0` and `::` become loopback."""
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    return host, port


def base_url(host: str, port: int, *, encrypted: bool = False) -> str:
    """A URL that can be opened on this machine."""
    host, port = reached_at(host, port)
    scheme = "https" if encrypted else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


class ForwardedHeaders:
    """Takes `X-Forwarded-For`, `-Proto` and `-Host` of trusted proxies for the request's own.

    The name that `X-Forwarded-Host` replaces has to be one of this server as well: where the proxy is on this
    computer, a browser here is as trusted as the proxy is, and a web page under a name of its own (DNS
    rebinding) may set that header.

    Args:
        app: The application behind it, which judges the name that it sees.
        trusted: Networks, in CIDR notation.
        misdirected: The refusal of a request for the name in its Host header; None if that is one of this
            server.
    """

    def __init__(
        self, app: ASGIApp, trusted: Sequence[str], misdirected: Callable[[Request], Response | None]
    ) -> None:
        self._misdirected = misdirected
        self._app = ProxyHeadersMiddleware(app, list(trusted))  # pyright: ignore[reportArgumentType]  same protocol
        self._trusted = [ipaddress.ip_network(network) for network in trusted]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Correct the scope, and let the application answer."""
        if scope["type"] == "http" and self._is_trusted(scope):
            forwarded = [value for name, value in scope["headers"] if name == b"x-forwarded-host"]
            # With another name it is left as it is, and refused by what judges names behind this.
            if forwarded and self._misdirected(Request(scope)) is None:
                # Proxies append: the last host is what the nearest one was asked for.
                host = forwarded[-1].rpartition(b",")[2].strip()
                kept = [(name, value) for name, value in scope["headers"] if name != b"host"]
                scope["headers"] = [(b"host", host), *kept]
        await self._app(scope, receive, send)  # pyright: ignore[reportArgumentType]

    def _is_trusted(self, scope: Scope) -> bool:
        try:
            address = ipaddress.ip_address((scope.get("client") or ("",))[0])
        except ValueError:
            return False
        return any(address in network for network in self._trusted)
