"""The interface of the simulated WhatsApp for tests and the demo, and the proxy that clients connect to.

A client with `HTTPS_PROXY` set sends all traffic to the proxy, which answers CONNECT and terminates TLS
itself. A connection to a simulated host becomes a TLS stream of that host; every other host is refused and
logged, so nothing reaches a real network.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import struct
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
import anyio.abc
import trustme
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.tls import TLSStream

from whatsapp_simulator import launcher, login, media, pairing
from whatsapp_simulator.channels import SimulatedChannel
from whatsapp_simulator.connection import Connection
from whatsapp_simulator.fault_injection import FaultInjection
from whatsapp_simulator.faults import Faults
from whatsapp_simulator.groups import Group
from whatsapp_simulator.http import BROKEN, MalformedRequest, read_request, response
from whatsapp_simulator.network import Network
from whatsapp_simulator.noise import NoiseError, Server
from whatsapp_simulator.people import Person
from whatsapp_simulator.phone import Phone
from whatsapp_simulator.simulation import Anomaly
from whatsapp_simulator.user import User
from whatsapp_simulator.websocket import WebSocket

_CHAT_HOST = "web.whatsapp.com"
Handler = Callable[[anyio.abc.ByteStream], Awaitable[None]]
"""Serves one TLS stream until it ends."""
_GOODBYE_SECONDS = 1.0


class WhatsApp(FaultInjection):
    """WhatsApp on loopback: `async with WhatsApp() as wa:`.

    Its state (linked companions, sessions, queues) lives as long as this object, even if clients end.
    """

    def __init__(self, seed: int = 1, *, address: str = "127.0.0.1") -> None:
        self.faults = Faults()
        self.network = Network(seed, self.faults)
        self._authority = _Authority([_CHAT_HOST, f"*.{media.DOMAIN}", media.FALLBACK_HOST])
        self._noise = Server(self.network.random("noise").randbytes)
        self._proxy = Proxy(self._authority, self.faults, self.network.log, self._route, address)
        self._exit = AsyncExitStack()
        self._folder = Path()
        self._connections: set[Connection] = set()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="whatsapp-")))
            (self._folder / "ca.pem").write_bytes(self._authority.ca_pem)
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(tasks.cancel_scope.cancel)
            self.network.tasks = tasks
            await stack.enter_async_context(self._proxy)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Without the body's exception, which the task group would wrap in an exception group.
        await self._exit.__aexit__(None, None, None)

    def environment(self) -> dict[str, str]:
        """The environment variables with which a client process built on neonize uses this WhatsApp."""
        return launcher.environment(self._proxy.url, self._folder / "ca.pem", self._noise.root_public)

    def client_program(self) -> tuple[str, ...]:
        """The command of this package's client process, which uses this WhatsApp then."""
        return launcher.client_program(self.environment())

    def trusting(self, program: Path) -> Path:
        """A copy of a Go program or library built on whatsmeow that trusts this WhatsApp.

        The copy exists as long as this object. Its process also needs the variables of `environment`.

        Raises:
            InvalidArgument: The file does not contain WhatsApp's root key exactly once.
        """
        return launcher.trusting(program, self._folder, self._noise.root_public)

    @property
    def log(self) -> list[Anomaly]:
        """The logged client errors, which a test checks at its end."""
        return self.network.log

    @property
    def media(self) -> media.MediaHosts:
        """The hosts of images, videos and other blobs."""
        return self.network.media

    @property
    def me(self) -> Phone:
        """The first account, created on first access."""
        made = (each for each in self.network.accounts if isinstance(each, Phone))
        return next(made, None) or self.account("+15550001111")

    def account(self, number: str, name: str = "Me") -> Phone:
        """Create an account: a phone that companions can be linked to."""
        return Phone(self.network, number, name)

    def person(self, name: str, number: str | None = None) -> Person:
        """Create a person on WhatsApp; `number` defaults to an unused one."""
        return Person(self.network, number or self.network.spare_number(), name)

    def group(
        self, name: str, members: Iterable[User], *, founder: User | None = None, by_pn: bool = False
    ) -> Group:
        """Create a group of the first account and `members`.

        Args:
            name: Its subject.
            members: The other members.
            founder: Its superadmin; by default the account.
            by_pn: Whether to address members by number, as old groups do, instead of by LID.
        """
        everybody = [self.me, *members]
        return self.network.create_group(name, founder or self.me, everybody, "pn" if by_pn else "lid")

    def community(self, name: str, members: Iterable[User], *, founder: User | None = None) -> Group:
        """Create a community of the first account and `members`, with its announcement group."""
        return self.network.create_community(name, founder or self.me, [self.me, *members])

    def channel(self, name: str, description: str = "") -> SimulatedChannel:
        """Create a channel (newsletter) without followers."""
        return self.network.create_channel(name, description)

    def _reset_connections(self) -> None:
        self._proxy.cut()

    def _route(self, host: str) -> Handler | None:
        if host.endswith(f".{media.DOMAIN}") or host == media.FALLBACK_HOST:
            return self.media.serve
        return self._chat if host == _CHAT_HOST else None

    async def _chat(self, stream: anyio.abc.ByteStream) -> None:
        socket = await WebSocket.accept(stream, self.faults)
        if socket is None:
            return
        try:
            connection = Connection(await self._noise.accept(socket, self.faults), self.network.log)
        except NoiseError as error:
            self.network.log_anomaly("malformed", str(error))
            return
        self._connections.add(connection)
        try:
            unlinked = connection.client_payload.HasField("devicePairingData")
            # A client that is too old gets no codes either.
            refused = (self.faults.login_failure or {}).get("reason") == "405"
            await (pairing if unlinked and not refused else login).serve(self.network, connection)
        finally:
            self._connections.discard(connection)
            self.network.notify()


class Proxy:
    """A CONNECT proxy; an async context manager that listens while it is entered."""

    def __init__(
        self,
        authority: _Authority,
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


class _Authority:
    """A certificate authority with one leaf for all `names` (wildcards allowed).

    Attributes:
        ca_pem: The authority's own certificate, for a client's `SSL_CERT_FILE`.
        server_context: The server's TLS context; it offers no ALPN, which keeps clients on HTTP/1.1.
    """

    def __init__(self, names: list[str]) -> None:
        authority = trustme.CA(organization_name="whatsapp-mcp simulator")
        self.ca_pem = authority.cert_pem.bytes()
        self.server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names).configure_cert(self.server_context)
