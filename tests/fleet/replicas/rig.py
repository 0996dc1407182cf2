"""A replica and nodes in this process, joined by pipes: the nodes answer for the sources of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import ByteStream, TaskGroup
from anyio.streams.stapled import StapledByteStream

from whatsapp_fleet.node.replicas.directory import AccountLeader
from whatsapp_fleet.node.replicas.fleet_accounts import RemoteAccount
from whatsapp_fleet.node.replicas.peers import Peers
from whatsapp_fleet.node.replicas.serving import Served
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.processes.admission import Guest
from whatsapp_mcp.server.calls import Accounts, ServicesSource

SECRET = "of the fleet"


class _Receiver(anyio.abc.ByteReceiveStream):
    def __init__(self, stream: anyio.abc.ObjectReceiveStream[bytes]) -> None:
        self._stream = stream

    async def receive(self, max_bytes: int = 65536) -> bytes:
        return await self._stream.receive()

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Sender(anyio.abc.ByteSendStream):
    def __init__(self, stream: anyio.abc.ObjectSendStream[bytes]) -> None:
        self._stream = stream

    async def send(self, item: bytes) -> None:
        await self._stream.send(item)

    async def aclose(self) -> None:
        await self._stream.aclose()


def pipes() -> tuple[ByteStream, ByteStream]:
    """Two ends of a connection."""
    one_send, one_receive = anyio.create_memory_object_stream[bytes](1024)
    other_send, other_receive = anyio.create_memory_object_stream[bytes](1024)
    return (
        StapledByteStream(_Sender(one_send), _Receiver(other_receive)),
        StapledByteStream(_Sender(other_send), _Receiver(one_receive)),
    )


@dataclass
class Node:
    """A node that answers, or is dead."""

    served: Served = field(default_factory=lambda: Served(SECRET))
    is_alive: bool = True
    connections: list[anyio.CancelScope] = field(default_factory=list[anyio.CancelScope])

    async def serve(self, stream: ByteStream) -> None:
        """Answer until the connection ends, or the node dies."""
        with anyio.CancelScope() as scope:
            self.connections.append(scope)
            await self.served.serve(stream, Guest(scope, lambda _: None))
        await stream.aclose()

    def die(self) -> None:
        """Close every connection and take no further one."""
        self.is_alive = False
        for scope in self.connections:
            scope.cancel()


@dataclass
class Fleet:
    """Nodes by address, and what the replica's directory says of them.

    `leaders` are the addresses of those that lead, by account; `expected` whether another one may come,
    and `stopped` whether none may;
    `secret` is what the replica shows.
    """

    tasks: TaskGroup
    nodes: dict[str, Node] = field(default_factory=dict[str, Node])
    leaders: dict[str, str] = field(default_factory=dict[str, str])
    expected: bool = True
    stopped: bool = False
    looked: Callable[[], None] = lambda: None
    secret: str = SECRET

    def leader(self, account: str) -> str | None:
        return self.leaders.get(account)

    def holders(self, account: str) -> Sequence[str]:
        return list(self.nodes)

    def expects_leader(self, account: str) -> bool:
        return self.expected

    def is_stopped(self, account: str) -> bool:
        return self.stopped

    async def look_again(self) -> None:
        self.looked()
        await anyio.lowlevel.checkpoint()

    async def connect(self, address: str) -> ByteStream:
        """A connection to a node of this process."""
        node = self.nodes[address]
        if not node.is_alive:
            raise ConnectionRefusedError
        here, there = pipes()
        self.tasks.start_soon(node.serve, there)
        return here

    def accounts(self, *sources: ServicesSource) -> Accounts:
        """The accounts of these sources, as a replica has them."""
        peers = Peers(self.connect, self.secret, self.tasks)
        return Accounts.of(*(self._remote(source, peers) for source in sources))

    def _remote(self, source: ServicesSource, peers: Peers) -> RemoteAccount:
        def policy() -> Policy:
            return source.policy

        leader = AccountLeader(source.account, self, peers)
        return RemoteAccount(source.account, leader, policy, self.tasks)


@asynccontextmanager
async def fleet(*addresses: str) -> AsyncIterator[Fleet]:
    """Nodes at these addresses, which answer for nothing yet."""
    async with anyio.create_task_group() as tasks:
        yield Fleet(tasks, {address: Node() for address in addresses})
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def led(*sources: ServicesSource) -> AsyncIterator[Accounts]:
    """The accounts of these sources, as a replica has them, led by one node."""
    async with fleet("one") as nodes:
        for source in sources:
            await lead(nodes, "one", source)
        yield nodes.accounts(*sources)


async def lead(nodes: Fleet, address: str, source: ServicesSource) -> anyio.CancelScope:
    """Let a node lead the account of a source; cancelling gives the account up."""
    nodes.leaders[source.account] = address
    return await nodes.tasks.start(_lead, nodes.nodes[address].served, source)


async def _lead(
    served: Served,
    source: ServicesSource,
    *,
    task_status: anyio.abc.TaskStatus[anyio.CancelScope] = anyio.TASK_STATUS_IGNORED,
) -> None:
    with anyio.CancelScope() as scope, served.led(source.account, source):
        task_status.started(scope)
        await anyio.sleep_forever()
