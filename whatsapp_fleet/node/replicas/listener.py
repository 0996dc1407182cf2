"""Connections between replicas and nodes: TLS 1.3, where both show certificates of one authority.

Whoever connects has to show the secret of the fleet as well: the authority may have signed certificates of
other programs, and without certificates every program of the machine reaches a node.
"""

from __future__ import annotations

import logging
import secrets
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

import anyio
from anyio.abc import ByteStream, SocketListener
from anyio.streams.tls import TLSAttribute, TLSStream

from whatsapp_fleet.database import Session, shared_secret
from whatsapp_fleet.settings import HostPort, NodeSettings
from whatsapp_mcp.processes.admission import Admission, Guest

MOST: Final = 1024
"""Connections at once."""
LOOK: Final = 2.0
"""Seconds after which a replica is looked for among those that may call."""
logger = logging.getLogger(__name__)


_NODES: Final = "nodes"
"""The name of the secret in the database."""
_SECRET_BYTES: Final = 32


def fleet_secret(session: Session) -> str:
    """Return the secret that replicas make and show to nodes; no account's role may read it."""
    return shared_secret(session, _NODES, secrets.token_bytes(_SECRET_BYTES)).hex()


def _context(node: NodeSettings, protocol: ssl._SSLMethod) -> ssl.SSLContext | None:  # pyright: ignore[reportPrivateUsage]
    """Return a side's TLS context: its certificate and its authority; None without a certificate.

    Raises:
        OSError: A file cannot be used.
    """
    if node.certificate is None or node.key is None or node.authority is None:
        return None
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # Without a password OpenSSL would ask for one on the terminal.
    context.load_cert_chain(node.certificate, node.key, password="")
    context.load_verify_locations(node.authority)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def accept(
    listener: socket.socket,
    node: NodeSettings,
    serve: Callable[[ByteStream, Guest], Awaitable[None]],
    listed: Callable[[], Collection[str]] | None = None,
) -> None:
    """Serve every replica that connects, until cancelled.

    Args:
        listener: Listens already; it stays its owner's.
        node: Has the certificate, which is read for each connection: it may be replaced while the node runs.
        serve: Answers one replica.
        listed: The names of the replicas that may call now; none: every one may. Connections of others end.
            Without it, those of the settings.
    """
    names = listed or (lambda: node.replicas)

    async def answer(stream: ByteStream, guest: Guest) -> None:
        shown = await _shown(stream, node)
        shown.require(names())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_end_unlisted, shown, names, tasks.cancel_scope)
            await serve(shown.stream, guest)
            tasks.cancel_scope.cancel()

    async with (
        await SocketListener.from_socket(listener.dup()) as connections,
        anyio.create_task_group() as tasks,
    ):
        await Admission("node", MOST).serve(connections, answer, tasks)


@dataclass(frozen=True, slots=True)
class _ReplicaStream:
    """A stream to a replica, and the names that its certificate is for; none where it has shown none."""

    stream: ByteStream
    names: frozenset[str] = frozenset()

    def require(self, listed: Collection[str]) -> None:
        """Require a certificate of one of the listed replicas; an empty list admits all.

        Raises:
            PermissionError: It is none of them.
        """
        if listed and self.names.isdisjoint(listed):
            raise PermissionError("the certificate is for no replica that node.replicas names")


async def _shown(stream: ByteStream, node: NodeSettings) -> _ReplicaStream:
    """The stream to a replica that has shown a certificate; without one the settings listen on loopback."""
    context = _context(node, ssl.PROTOCOL_TLS_SERVER)
    if context is None:
        return _ReplicaStream(stream)
    shown = await TLSStream.wrap(stream, server_side=True, ssl_context=context, standard_compatible=False)
    return _ReplicaStream(shown, _names(shown.extra_attributes[TLSAttribute.peer_certificate]()))


async def _end_unlisted(
    shown: _ReplicaStream, listed: Callable[[], Collection[str]], scope: anyio.CancelScope
) -> None:
    """End what is done for a replica once it may call no longer."""
    while True:
        await anyio.sleep(LOOK)
        try:
            shown.require(listed())
        except PermissionError as error:
            logger.warning("node: a connection is ended: %s", error)
            scope.cancel()


def _names(certificate: Any) -> frozenset[str]:
    """The host names and addresses that a certificate is for, as `SSLSocket.getpeercert` has them."""
    return frozenset(value.lower() for _, value in certificate.get("subjectAltName", ()))


async def connect(address: str, node: NodeSettings) -> ByteStream:
    """A connection to a node.

    Args:
        address: Host and port, as the node's run has them.
        node: Has the certificate of this side.

    Raises:
        OSError: It cannot be connected to, or does not show a certificate of the authority for its address;
            or it is beyond loopback, and there is none to show.
    """
    place = HostPort.parse(address)
    context = _context(node, ssl.PROTOCOL_TLS_CLIENT)
    if context is None and not place.is_loopback:
        raise ConnectionRefusedError("without a certificate only nodes on loopback are connected to")
    stream = await anyio.connect_tcp(place.host, place.port)
    if context is None:
        return stream
    try:
        return await TLSStream.wrap(
            stream, hostname=place.host, ssl_context=context, standard_compatible=False
        )
    except BaseException:
        await anyio.aclose_forcefully(stream)
        raise
