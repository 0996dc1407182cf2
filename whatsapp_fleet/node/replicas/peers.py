"""Connections of a replica to nodes: one to each, opened when it is needed and kept."""

from __future__ import annotations

import itertools
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import anyio
from anyio.abc import ByteStream, TaskGroup

from whatsapp_fleet.node.replicas.wire import PING, PROGRESS, PROTOCOL, NodeAnswer
from whatsapp_mcp.errors import Busy, DeadlineExceeded, Denied, NotConnected, WhatsAppError, cause
from whatsapp_mcp.processes.admission import HELLO
from whatsapp_mcp.processes.rpc import Params, Peer
from whatsapp_mcp.server.calls import Progress

CONNECT_LIMIT: Final = 3.0
"""Seconds in which a node has to be connected to, its certificate and version included."""
_PING_EVERY: Final = 1.0
_PING_LIMIT: Final = 3.0
"""Seconds after which a node that answers no ping counts as stopped."""
_PROGRESS_LIMIT: Final = 1.0
"""Seconds for which a client may take to be told how far its call is; later progress waits behind it."""
Connect = Callable[[str], Awaitable[ByteStream]]
"""Opens a connection to an address; raises `OSError` if it cannot."""

logger = logging.getLogger(__name__)


class Unreachable(Exception):
    """A node cannot be connected to: nothing was asked of it.

    Args:
        refusal: What the node and this process have refused each other for; None where it does not answer.
    """

    def __init__(self, refusal: WhatsAppError | None = None) -> None:
        super().__init__()
        self.refusal = refusal


class Lost(Exception):
    """The connection ended after a node was asked: it may have done it."""


class NodeConnection:
    """An open connection to a node.

    Args:
        peer: Asks it.
        progress: Who is told how far a call is, by number.
    """

    def __init__(self, peer: Peer, progress: dict[int, Progress]) -> None:
        self._peer = peer
        self._progress = progress
        self._numbers = itertools.count(1)
        self._asked = anyio.Event()
        self._waiting = 0

    @property
    def closed(self) -> bool:
        """True if the connection has ended."""
        return self._peer.closed

    async def ask(
        self, method: str, params: Params, *, deadline: float, progress: Progress | None = None
    ) -> NodeAnswer:
        """Send a request to the node and return its answer.

        Args:
            method: Of `wire`.
            params: By name.
            deadline: Seconds for the answer.
            progress: Told how far it is.

        Raises:
            Lost: The connection ended.
            WhatsAppError: What the node raised.
        """
        number = next(self._numbers)
        if progress is not None:
            self._progress[number] = progress
            params = {**params, "progress": number}
        self._waiting += 1
        self._asked.set()
        try:
            return cast("NodeAnswer", await self._peer.call(method, params, deadline=deadline))
        except NotConnected as error:
            if self._peer.closed:
                raise Lost from error
            raise
        finally:
            self._waiting -= 1
            self._progress.pop(number, None)

    async def watch(self) -> None:
        """Return when the connection has ended, or the node no longer answers while it is asked something."""
        while not self._peer.closed:
            if not self._waiting:
                self._asked = anyio.Event()
                with anyio.move_on_after(_PING_LIMIT):
                    await self._asked.wait()
                continue
            with anyio.move_on_after(_PING_EVERY):
                await self._peer.wait_closed()
            try:
                await self._peer.call(PING, deadline=_PING_LIMIT)
            except (DeadlineExceeded, NotConnected):
                return
            except WhatsAppError as error:
                logger.debug("replica: a ping was answered with %s", error.code)


@asynccontextmanager
async def connected(stream: ByteStream, secret: str) -> AsyncIterator[NodeConnection]:
    """A connection to the node at the other end of a stream.

    Args:
        stream: To it.
        secret: Of the fleet.

    Raises:
        Denied: It has another secret.
        Busy: It speaks another protocol.
        WhatsAppError: It does not answer.
    """
    progress: dict[int, Progress] = {}

    async def told(method: str, params: Params) -> None:
        follow = progress.get(params.get("number", 0)) if method == PROGRESS else None
        if follow is not None:
            with anyio.move_on_after(_PROGRESS_LIMIT):
                await follow(params["done"], params["total"], params["message"])

    async with Peer(stream, stream, on_notification=told) as peer:
        await _greet(peer, secret)
        yield NodeConnection(peer, progress)


async def _greet(peer: Peer, secret: str) -> None:
    hello = {"protocol": PROTOCOL, "secret": secret}
    answer: Any = await peer.call(HELLO, hello, deadline=CONNECT_LIMIT)
    if answer["protocol"] != PROTOCOL:
        raise Busy(
            f"A node of version {answer['version']} speaks another protocol.",
            "Tell the user: all nodes and replicas need versions that go together.",
        )


class Peers:
    """The connections of a process to nodes, by address.

    Args:
        connect: Opens one.
        secret: Of the fleet.
        tasks: Holds them; they end with it.
    """

    def __init__(self, connect: Connect, secret: str, tasks: TaskGroup) -> None:
        self._connect = connect
        self._secret = secret
        self._tasks = tasks
        self._open: dict[str, NodeConnection] = {}
        self._opening: dict[str, anyio.Lock] = {}
        self._unreached: set[str] = set()

    async def at(self, address: str) -> NodeConnection:
        """The connection to a node.

        Raises:
            Unreachable: It cannot be connected to, speaks another protocol, or has another secret.
        """
        async with self._opening.setdefault(address, anyio.Lock()):
            known = self._open.get(address)
            if known is None or known.closed:
                known = self._open[address] = await self._begun(address)
            return known

    async def _begun(self, address: str) -> NodeConnection:
        with anyio.move_on_after(CONNECT_LIMIT):
            try:
                begun = await self._tasks.start(self._hold, address)
            except (OSError, anyio.BrokenResourceError, anyio.EndOfStream, WhatsAppError) as error:
                self._note(address, _why(error))
                refusal = error if isinstance(error, Busy | Denied) else None
                raise Unreachable(refusal) from error
            self._unreached.discard(address)
            return begun
        self._note(address, "no answer in time")
        raise Unreachable

    def _note(self, address: str, why: str) -> None:
        """Warn once, until the node is reached: each call tries again."""
        level = logging.INFO if address in self._unreached else logging.WARNING
        logger.log(level, "replica: node %s cannot be reached: %s", address, why)
        self._unreached.add(address)

    async def _hold(
        self, address: str, *, task_status: anyio.abc.TaskStatus[NodeConnection] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        stream = await self._connect(address)
        try:
            async with stream, connected(stream, self._secret) as connection:
                task_status.started(connection)
                await connection.watch()
        except (OSError, anyio.BrokenResourceError):
            if self._open.get(address) is None:  # it was never begun
                raise
        logger.info("replica: connection to node %s ended", address)


def _why(error: Exception) -> str:
    """Why a node cannot be reached, for an operator."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, OSError):
        return f"{type(error).__name__}: {cause(error)}"
    return error.message if isinstance(error, WhatsAppError) else type(error).__name__
