"""The simulated WhatsApp as tests and the demo use it."""

import tempfile
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
import anyio.abc

from whatsapp_mcp.simulator import launcher, login, media, pairing
from whatsapp_mcp.simulator.binary import Node
from whatsapp_mcp.simulator.certificates import Authority
from whatsapp_mcp.simulator.channels import Channel
from whatsapp_mcp.simulator.companion import Companion
from whatsapp_mcp.simulator.connection import Connection, Remark
from whatsapp_mcp.simulator.faults import Faults
from whatsapp_mcp.simulator.groups import Group
from whatsapp_mcp.simulator.network import Network
from whatsapp_mcp.simulator.noise import NoiseError, Server
from whatsapp_mcp.simulator.people import Party, Person
from whatsapp_mcp.simulator.phone import Phone
from whatsapp_mcp.simulator.proxy import Handler, Proxy
from whatsapp_mcp.simulator.websocket import WebSocket

_BANNED = 402
_CUT_SECONDS = 5.0
_CHAT_HOST = "web.whatsapp.com"


class WhatsApp:
    """WhatsApp on loopback: `async with WhatsApp() as wa:`.

    State (linked companions, sessions, queues) lives as long as this object does, whatever becomes of
    the clients.

    Attributes:
        faults: The switches that make it misbehave; the methods here are shorter.
        network: Who exists, and what the servers know.
    """

    def __init__(self, seed: int = 1, *, address: str = "127.0.0.1") -> None:
        self.faults = Faults()
        self.network = Network(seed, self.faults, Phone)
        self._authority = Authority([_CHAT_HOST, f"*.{media.DOMAIN}"])
        self._noise = Server()
        self._proxy = Proxy(self._authority, self.faults, self._route, address)
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
        # Without the body's exception: it shall leave as itself, not within an exception group.
        await self._exit.__aexit__(None, None, None)

    def environment(self) -> dict[str, str]:
        """The variables that make any client process built on neonize use this WhatsApp."""
        return launcher.environment(self._proxy.url, self._folder / "ca.pem", self._noise.root_public)

    @property
    def log(self) -> list[Remark]:
        """What clients did that a faultless one would not: a test's last look."""
        refused = [Remark("refused host", host) for host in self._proxy.refused_hosts]
        return [*self.network.log, *refused]

    @property
    def media(self) -> media.MediaHosts:
        """The hosts of images, videos and other blobs."""
        return self.network.media

    @property
    def me(self) -> Phone:
        """The first account; made when first asked for."""
        return self.network.first_account

    def account(self, number: str, name: str = "Me") -> Phone:
        """A phone with WhatsApp that companions can be linked to."""
        return self.network.add_account(number, name)

    def person(self, name: str, number: str | None = None) -> Person:
        """Somebody with WhatsApp; without `number` one is made up."""
        return Person(self.network, number or self.network.spare_number(), name)

    def group(
        self, name: str, members: Iterable[Party], *, founder: Party | None = None, by_pn: bool = False
    ) -> Group:
        """A group of the first account and `members`; its founder is the account when left out.

        Args:
            name: Its subject.
            members: Who else is in it.
            founder: Its superadmin.
            by_pn: Address members by number, as old groups do, rather than by LID.
        """
        everybody = [self.me, *members]
        return Group(self.network, name, founder or self.me, everybody, "pn" if by_pn else "lid")

    def channel(self, name: str, description: str = "") -> Channel:
        """A channel (newsletter) that nobody follows yet."""
        return Channel(self.network, name, description)

    async def cut(self) -> None:
        """Reset every TCP connection; new ones are welcome."""
        former = set(self._connections)
        self._proxy.cut()
        await self.network.until(lambda: former.isdisjoint(self._connections), _CUT_SECONDS)

    async def refuse(self) -> None:
        """Reset every TCP connection, and new ones too, until `recover`."""
        self.faults.refuse = True
        await self.cut()

    async def restart(self, seconds: float = 0.5) -> None:
        """Go down for so many seconds: connections are reset and refused, then all is as it was before."""
        await self.refuse()
        await anyio.sleep(seconds)
        self.faults.refuse = False

    def go_silent(self) -> None:
        """Keep TCP up and neither read nor write on it, until `recover`."""
        self.faults.silence.shut()

    def proxy_status(self, status: int) -> None:
        """Answer CONNECT with this HTTP status, until `recover`."""
        self.faults.proxy_status = status

    def swallow_connect(self) -> None:
        """Never answer CONNECT, until `recover`; what was swallowed stays unanswered until `cut`."""
        self.faults.swallow_connect = True

    def swallow_websocket(self) -> None:
        """Never answer the websocket request, until `recover`; see `swallow_connect`."""
        self.faults.swallow_websocket = True

    def swallow_noise(self) -> None:
        """Never answer the Noise handshake, until `recover`; see `swallow_connect`."""
        self.faults.swallow_noise = True

    def bad_certificate(self) -> None:
        """Sign the Noise certificates with a key that no client trusts, until `recover`."""
        self.faults.bad_certificate = True

    def websocket_status(self, status: int) -> None:
        """Answer the websocket request with this HTTP status, until `recover`."""
        self.faults.websocket_status = status

    def failure(self, reason: int, **attrs: str | int) -> None:
        """Answer logins by `<failure reason=...>`, until `recover`; the link that is up stays.

        Args:
            reason: 401, 403, 406 unlink the client; 402 is a ban (`code` 101 and `expire` 3600 seconds
                unless given); 405 says that the client is too old; others are errors.
            **attrs: Further attributes.
        """
        ban = {"code": "101", "expire": "3600"} if reason == _BANNED else {}
        given = {key: str(value) for key, value in attrs.items()}
        self.faults.login_failure = {"reason": str(reason), **ban, **given}

    def ignore_pings(self) -> None:
        """Never answer keep-alive queries, until `recover`."""
        self.faults.ignore_pings = True

    def ignore_queries(self, *namespaces: str) -> None:
        """Never answer queries of these namespaces (`usync`, `w:g2` ... or `*`), until `recover`."""
        self.faults.ignore_queries.update(namespaces)

    def no_acks(self) -> None:
        """Deliver messages and never acknowledge them, until `recover`."""
        self.faults.no_acks = True

    def ack_error(self, code: int) -> None:
        """Deliver no message and acknowledge each with this error, until `recover`."""
        self.faults.ack_error = code

    def media_status(self, status: int, times: int | None = None) -> None:
        """Answer media requests with this HTTP status, all or the next few, until `recover`."""
        self.faults.media_status, self.faults.media_status_left = status, times

    def corrupt_media(self) -> None:
        """Flip a byte in every media download, until `recover`."""
        self.faults.media_corrupt = True

    def lose(self, messages: int) -> None:
        """Lose the next messages on their way; they come with the next login."""
        self.faults.lose = messages

    def corrupt(self, messages: int) -> None:
        """Flip a bit in the next messages: the client cannot decrypt them and asks for them again."""
        self.faults.corrupt = messages

    def duplicate(self, messages: int) -> None:
        """Send each of the next messages twice."""
        self.faults.duplicate = messages

    def reorder(self, messages: int) -> None:
        """Hold the next messages until so many are there, then send them in reverse."""
        self.faults.reorder = messages

    def slow(self, latency: float, piece: int | None = None) -> None:
        """Let everything wait `latency` seconds and leave in pieces of `piece` bytes, until `recover`."""
        self.faults.latency, self.faults.trickle = latency, piece

    def skew_clock(self, seconds: float) -> None:
        """Let the servers' clock be ahead (or, below zero, behind), until `recover`."""
        self.faults.clock_skew = seconds

    def garble(self) -> None:
        """Send every client that is logged in a frame that does not decrypt."""
        for companion in self._online():
            if companion.connection is not None:
                companion.connection.garble()

    def recover(self) -> None:
        """End every fault."""
        self.faults.rest()

    async def stream_error(self, code: str | int | None, *content: Node, close: bool = True) -> None:
        """Send `<stream:error>` to every client that is logged in, then close the link."""
        for companion in self._online():
            await self._end(companion, Node("stream:error", {"code": code}, content or None), close)

    async def replaced(self) -> None:
        """Tell every client that another one has taken its place."""
        await self.stream_error(None, Node("conflict", {"type": "replaced"}))

    async def device_removed(self) -> None:
        """Unlink every companion that is online, as from the phone's list of linked devices."""
        removed = Node("stream:error", {"code": 401}, [Node("conflict", {"type": "device_removed"})])
        for companion in self._online():
            companion.phone.unlink(companion)
            await self._end(companion, removed, close=True)

    def send(self, node: Node) -> None:
        """Send any stanza to every client that is logged in, once and unkept."""
        for companion in self._online():
            if companion.connection is not None:
                companion.connection.send(node)

    def send_raw(self, stanza: bytes) -> None:
        """Send bytes that need not be a stanza to every client that is logged in."""
        for companion in self._online():
            if companion.connection is not None:
                companion.connection.send_raw(stanza)

    def _online(self) -> list[Companion]:
        companions = (each for phone in self.network.accounts for each in phone.companions.values())
        return [each for each in companions if each.active]

    async def _end(self, companion: Companion, node: Node, close: bool) -> None:
        connection = companion.connection
        if connection is None:
            return
        connection.send(node)
        companion.active = False
        if close:
            await connection.close(self.faults.close_delay)

    def _route(self, host: str) -> Handler | None:
        if host.endswith(f".{media.DOMAIN}"):
            return self.media.serve
        return self._chat if host == _CHAT_HOST else None

    async def _chat(self, stream: anyio.abc.ByteStream) -> None:
        socket = await WebSocket.accept(stream, self.faults)
        if socket is None:
            return
        try:
            connection = Connection(await self._noise.accept(socket, self.faults), self.network.log)
        except NoiseError as error:
            self.network.remark("malformed", str(error))
            return
        self._connections.add(connection)
        try:
            unlinked = connection.client_payload.HasField("devicePairingData")
            await (pairing if unlinked else login).serve(self.network, connection)
        finally:
            self._connections.discard(connection)
            self.network.notify()
