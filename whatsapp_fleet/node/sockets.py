"""The socket by which a node shows that it lives, and what others see when they connect to it."""

from __future__ import annotations

import errno
import ipaddress
import logging
import os
import socket
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
from anyio import open_process
from anyio.abc import Process

from whatsapp_fleet.protocol import Contact
from whatsapp_fleet.settings import HostPort, NodeSettings
from whatsapp_mcp.device.leader import background_tasks
from whatsapp_mcp.errors import InvalidArgument, cause
from whatsapp_mcp.processes.child_process import kept_variables, short_command
from whatsapp_mcp.system import boot, reuse_address

BIND_LIMIT: Final = 15.0
"""Seconds in which the clients of a former process give the port back."""
CONTACT_LIMIT: Final = 0.5
"""Seconds in which a machine accepts or refuses a connection."""
_RETRY: Final = 0.2
_BACKLOG: Final = 128
_NETWORK: Final = Path("/proc/self/ns/net")
_HOLD: Final = """
import os, signal
for each in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
    signal.signal(each, signal.SIG_IGN)
while os.read(0, 65536):
    pass
"""
"""Ends when nobody holds the other end of its input; a signal to the whole group comes before that."""
_END_LIMIT: Final = 5.0
"""Seconds in which that program has ended after its input."""

logger = logging.getLogger(__name__)


def this_machine() -> str:
    """Return boot and network namespace, which processes that reach each other over loopback share."""
    try:
        network = os.readlink(_NETWORK)
    except OSError:
        network = ""
    return f"{boot() or socket.gethostname()} {network}".strip()


async def listening_socket(node: NodeSettings) -> socket.socket:
    """A socket that listens at `node.listen`; whoever accepts comes later.

    Raises:
        InvalidArgument: Nobody can listen there, or a file of its certificate cannot be read.
    """
    for file in (node.certificate, node.key, node.authority):
        if file is not None and not os.access(file, os.R_OK):
            raise InvalidArgument(
                f"{file} cannot be read.", "Correct `certificate`, `key` and `authority` in [node]."
            )
    place = HostPort.parse(node.listen)
    with anyio.move_on_after(BIND_LIMIT):
        while True:
            try:
                return await anyio.to_thread.run_sync(_listen, place)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise _unusable(place, cause(error)) from error
            await anyio.sleep(_RETRY)
    raise _unusable(place, "another program listens there")


def _listen(place: HostPort) -> socket.socket:
    [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(
        place.host, place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    listener = socket.socket(family, kind, protocol)
    try:
        reuse_address(listener)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


@asynccontextmanager
async def held(listener: socket.socket) -> AsyncGenerator[int]:
    """Have a socket held until this process, and all that it lets hold what is yielded, have ended.

    A process that does nothing else holds it. So connections are not refused while anybody is left who may
    act for this one, and clients need no socket for that, with which they could take what is meant for the
    node.

    Args:
        listener: Listens.

    Yields:
        The descriptor that others hold.
    """
    reading, writing = os.pipe()
    try:
        holder = [await _holder(listener, reading)]

        async def keep() -> None:
            while True:
                await holder[0].wait()
                logger.warning("node: what holds its socket has ended, and is started again")
                await anyio.sleep(_RETRY)
                holder[0] = await _holder(listener, reading)

        async with background_tasks() as tasks:
            tasks.start_soon(keep)
            yield writing
    finally:
        os.close(writing)
        os.close(reading)
    with anyio.move_on_after(_END_LIMIT, shield=True):
        await holder[0].wait()


async def _holder(listener: socket.socket, reading: int) -> Process:
    return await open_process(
        short_command(_HOLD),
        stdin=reading,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=(listener.fileno(),),
        env=kept_variables(),
    )


def _unusable(place: HostPort, why: str) -> InvalidArgument:
    return InvalidArgument(
        f"The node cannot listen at {place}: {why}.",
        "Set node.listen to an address and a port of this machine.",
    )


def address_of(node: NodeSettings, listener: socket.socket) -> HostPort:
    """Return the address at which others reach a node that listens with this socket."""
    bound = HostPort(*listener.getsockname()[:2])
    if node.address is None:
        return bound
    named = HostPort.parse(node.address)
    return named if named.port else HostPort(named.host, bound.port)


def local_address(listener: socket.socket) -> HostPort:
    """Return the address at which processes of this machine reach the listener of this socket."""
    host, port = listener.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = "::1" if listener.family == socket.AF_INET6 else "127.0.0.1"
    return HostPort(host, port)


async def contact(address: str, machine: str) -> Contact:
    """Connect to a run's address, as far as that can prove anything.

    Args:
        address: Host and port of a `RunRow`.
        machine: Of the same row.
    """
    try:
        place = HostPort.parse(address)
        own = ipaddress.ip_address(place.host)
    except ValueError:  # a name may lead to another machine once its own is lost
        return Contact.UNKNOWN
    if own.is_unspecified or (own.is_loopback and machine != this_machine()):
        return Contact.UNKNOWN
    return await anyio.to_thread.run_sync(_connect, place)


def _connect(place: HostPort) -> Contact:
    try:
        with closing(socket.create_connection(place, CONTACT_LIMIT)):
            return Contact.ACCEPTED
    except ConnectionRefusedError:
        return Contact.REFUSED
    except OSError:
        return Contact.UNKNOWN
