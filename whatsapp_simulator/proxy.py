"""The entry point: an HTTP proxy on loopback that answers CONNECT and terminates TLS itself.

A client with `HTTPS_PROXY` set sends all traffic here. A connection to a simulated host becomes a TLS stream
of that host; every other host is refused and logged, so nothing reaches a real network.
"""

import ipaddress
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import Self

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.tls import TLSStream

from whatsapp_simulator.anomaly import Anomaly
from whatsapp_simulator.certificates import Authority
from whatsapp_simulator.faults import Faults
from whatsapp_simulator.http import BROKEN, MalformedRequest, read_request, response

Handler = Callable[[anyio.abc.ByteStream], Awaitable[None]]
"""Serves one TLS stream until it ends."""


_GOODBYE_SECONDS = 1.0


class Proxy:
    """A CONNECT proxy; an async context manager that listens while it is entered."""

    def __init__(
        self,
        authority: Authority,
        faults: Faults,
        log: list[Anomaly],
        route: Callable[[str], Handler | None],
        address: str = "127.0.0.1",
    ) -> None:
        """Serve the hosts for which `route` (host name to handler) returns a handler; log others in `log`.

        Raises:
            ValueError: `address` is not a loopback address.
        """
        if not ipaddress.ip_address(address).is_loopback:
            raise ValueError(f"the simulator listens on loopback only, not on {address}")
        self._authority = authority
        self._faults = faults
        self._log = log
        self._route = route
        self._address = address
        self._open: set[anyio.CancelScope] = set()
        self._exit = AsyncExitStack()
        self.port = 0

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            listener = await anyio.create_tcp_listener(local_host=self._address)
            await stack.enter_async_context(listener)
            self.port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(tasks.cancel_scope.cancel)
            tasks.start_soon(listener.serve, self._serve, tasks)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Without the body's exception, which the task group would wrap in an exception group.
        await self._exit.__aexit__(None, None, None)

    @property
    def url(self) -> str:
        """The value of `HTTPS_PROXY`."""
        host = f"[{self._address}]" if ":" in self._address else self._address
        return f"http://{host}:{self.port}"

    def cut(self) -> None:
        """Reset every TCP connection."""
        for scope in list(self._open):
            scope.cancel()

    async def _serve(self, stream: anyio.abc.SocketStream) -> None:
        refused = self._faults.refuse  # by a reset after accepting: the socket itself goes on listening
        with anyio.CancelScope() as scope:
            self._open.add(scope)
            try:
                if not refused:
                    await self._converse(stream)
                    await _part(stream)
            except BROKEN:
                pass
            finally:
                self._open.remove(scope)
                if refused or scope.cancel_called:
                    _reset_on_close(stream)
                await anyio.aclose_forcefully(stream)

    async def _converse(self, stream: anyio.abc.SocketStream) -> None:
        await self._faults.silence.passed()
        try:
            request = await read_request(BufferedByteReceiveStream(stream))
        except MalformedRequest:
            await stream.send(response(400))
            return
        if self._faults.swallow_connect:
            await anyio.sleep_forever()
        host = request.target.rpartition(":")[0]
        handler = self._route(host) if request.method == "CONNECT" else None
        if handler is None:
            self._log.append(Anomaly("refused host", request.target))
            await stream.send(response(403))
        elif self._faults.proxy_status is not None:
            await stream.send(response(self._faults.proxy_status))
        else:
            await stream.send(response(200, body=None))
            tls = await TLSStream.wrap(
                stream,
                server_side=True,
                ssl_context=self._authority.server_context,
                standard_compatible=False,  # a client may end without TLS's closing handshake
            )
            await handler(tls)


async def _part(stream: anyio.abc.SocketStream) -> None:
    """Close our side of the stream, and wait for the peer to close its own."""
    with anyio.move_on_after(_GOODBYE_SECONDS):
        await stream.send_eof()
        while await stream.receive():
            pass


def _reset_on_close(stream: anyio.abc.SocketStream) -> None:
    """Turn the close of the socket into a TCP reset, which is what a client sees when a connection is cut."""
    raw: socket.socket = stream.extra(anyio.abc.SocketAttribute.raw_socket)  # noqa: S610
    with suppress(OSError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
