"""Connections between replicas and nodes: TLS 1.3, where both show certificates of one authority."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
from anyio.abc import ByteStream, SocketListener
from anyio.streams.tls import TLSStream

from whatsapp_mcp.settings import HostPort, NodeSettings

HANDSHAKE_LIMIT: Final = 5.0
"""Seconds in which whoever connects has to show its certificate."""
MOST: Final = 1024
"""Connections at once; further ones wait until one has ended."""

logger = logging.getLogger(__name__)


def _context(node: NodeSettings, protocol: ssl._SSLMethod) -> ssl.SSLContext | None:  # pyright: ignore[reportPrivateUsage]
    """What a side shows and asks for; None where the settings name no certificate.

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
    listener: socket.socket, node: NodeSettings, serve: Callable[[ByteStream], Awaitable[None]]
) -> None:
    """Serve every replica that connects, until cancelled.

    Args:
        listener: Listens already; it stays its owner's.
        node: Has the certificate, which is read for each connection: it may be replaced while the node runs.
        serve: Answers one replica.
    """
    limit = anyio.CapacityLimiter(MOST)

    async def admitted(stream: ByteStream) -> None:
        async with limit:
            try:
                with anyio.fail_after(HANDSHAKE_LIMIT):
                    shown = await _shown(stream, node)
                await serve(shown)
            except (OSError, TimeoutError, anyio.BrokenResourceError, anyio.EndOfStream) as error:
                logger.info("node: a connection was refused: %s", type(error).__name__)
            finally:
                await anyio.aclose_forcefully(stream)

    async with await SocketListener.from_socket(listener.dup()) as connections:
        await connections.serve(admitted)


async def _shown(stream: ByteStream, node: NodeSettings) -> ByteStream:
    """The stream to a replica that has shown a certificate; without one the settings listen on loopback."""
    context = _context(node, ssl.PROTOCOL_TLS_SERVER)
    if context is None:
        return stream
    return await TLSStream.wrap(stream, server_side=True, ssl_context=context, standard_compatible=False)


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
