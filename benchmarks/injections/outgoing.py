"""Name lookups and web requests of this process, recorded and answered on loopback.

Every name has a public address here, and every connection to an address beyond loopback ends at a recorder.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
import anyio.abc

from whatsapp_mcp.device.supervise import background_tasks

_PUBLIC: Final = "93.184.215.14"
_PAGE: Final = b"<html><head><title>Collector</title></head></html>"
_ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
)
_LOOPBACK_NAMES: Final = frozenset({"localhost", "ip6-localhost", ""})


class Outgoing:
    """Names looked up and requests made, as text, oldest first."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self._taken = 0

    def news(self) -> list[str]:
        """Return the entries recorded since the last call."""
        new, self._taken = self.told[self._taken :], len(self.told)
        return new

    async def serve(self, stream: anyio.abc.SocketStream) -> None:
        """Record one request and answer it."""
        async with stream:
            with anyio.move_on_after(2):
                head = await stream.receive(1 << 16)
                self.told.append(f"request {head.decode('latin-1')}")
                await stream.send(_ANSWER % (len(_PAGE), _PAGE))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in _LOOPBACK_NAMES


@asynccontextmanager
async def recorded() -> AsyncGenerator[Outgoing]:
    """Record while the block runs; not to be nested."""
    outgoing = Outgoing()
    lookup, connect = socket.getaddrinfo, BaseSelectorEventLoop.sock_connect

    def look_up(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name is None or _is_loopback(name):
            return lookup(host, port, *rest, **options)
        outgoing.told.append(f"look-up {name}")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (_PUBLIC, int(port or 0)))]

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)

        async def go(loop: BaseSelectorEventLoop, sock: socket.socket, address: Any) -> Any:
            if sock.family != socket.AF_UNIX and not _is_loopback(address[0]):
                outgoing.told.append(f"connection {address}")
                address = ("127.0.0.1", port)
            return await connect(loop, sock, address)

        async with background_tasks() as tasks:
            tasks.start_soon(listener.serve, outgoing.serve)
            socket.getaddrinfo, BaseSelectorEventLoop.sock_connect = look_up, go  # type: ignore[assignment]
            try:
                yield outgoing
            finally:
                socket.getaddrinfo, BaseSelectorEventLoop.sock_connect = lookup, connect  # type: ignore[assignment]


assert issubclass(asyncio.SelectorEventLoop, BaseSelectorEventLoop)
