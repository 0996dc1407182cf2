"""What a reverse proxy says of a request: the client's address, its scheme and the host name it asked for.

It is believed of the addresses in `server.trusted_proxies` alone. Anybody else could pretend to be another
address, and so escape the limits.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from starlette.requests import Request
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send


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
