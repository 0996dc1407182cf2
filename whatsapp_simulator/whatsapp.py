"""The interface of the simulated WhatsApp for tests and the demo."""

import tempfile
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
import anyio.abc

from whatsapp_simulator import launcher, login, media, pairing
from whatsapp_simulator.anomaly import Anomaly
from whatsapp_simulator.certificates import Authority
from whatsapp_simulator.channels import SimulatedChannel
from whatsapp_simulator.connection import Connection
from whatsapp_simulator.fault_injection import FaultInjection
from whatsapp_simulator.faults import Faults
from whatsapp_simulator.groups import Group
from whatsapp_simulator.network import Network
from whatsapp_simulator.noise import NoiseError, Server
from whatsapp_simulator.people import Person
from whatsapp_simulator.phone import Phone
from whatsapp_simulator.proxy import Handler, Proxy
from whatsapp_simulator.user import User
from whatsapp_simulator.websocket import WebSocket

_CHAT_HOST = "web.whatsapp.com"


class WhatsApp(FaultInjection):
    """WhatsApp on loopback: `async with WhatsApp() as wa:`.

    Its state (linked companions, sessions, queues) lives as long as this object, even if clients end.
    """

    def __init__(self, seed: int = 1, *, address: str = "127.0.0.1") -> None:
        self.faults = Faults()
        self.network = Network(seed, self.faults)
        self._authority = Authority([_CHAT_HOST, f"*.{media.DOMAIN}", media.FALLBACK_HOST])
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
