"""Where the leader of an account is reached: a unix socket, or loopback TCP with a secret on Windows."""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import ByteStream, Listener, SocketAttribute, TaskGroup

from whatsapp_mcp.device.leader.background import background_tasks
from whatsapp_mcp.device.leader.lock import identity
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.system import write_private

_LOOK_AGAIN: Final = 2.0
"""Seconds between looks at whether the address is still there."""
_LOOPBACK: Final = "127.0.0.1"
_SOL_LOCAL: Final = 0
_LOCAL_PEERCRED: Final = 1
"""Of macOS (sys/un.h); Python does not name them."""
_XUCRED: Final = struct.Struct("=IIhh16I")
"""`struct xucred` of macOS (sys/ucred.h): version, user, number of groups, padding, groups."""
_XUCRED_VERSION: Final = 0
_HAS_UNIX_SOCKETS: Final = sys.platform != "win32"

logger = logging.getLogger(__name__)


@asynccontextmanager
async def listening(
    folder: AccountFolder, serve: Callable[[ByteStream, str], Awaitable[None]]
) -> AsyncIterator[None]:
    """Accept connections while the body runs; the address is removed at the end.

    Only the holder of the account's lock may listen, so what lies at the address is a dead leader's and
    removed. An address that somebody else deletes (runtime folders are cleaned) is created again.

    Args:
        serve: Called with each connection and the secret that the other side must know (empty if none).
    """
    secret = "" if _HAS_UNIX_SOCKETS else secrets.token_hex(32)

    async def accept(stream: ByteStream) -> None:
        async with stream:
            if _is_same_user(stream):
                await serve(stream, secret)

    at = await _listen(folder, secret)
    async with background_tasks() as connections:
        connections.start_soon(_keep_listening, folder, secret, at, accept, connections)
        yield


@dataclass(frozen=True, slots=True)
class _Address:
    """Where the leader listens, and which file says so."""

    place: Path
    listener: Listener[ByteStream]
    identity: tuple[int, int] | None

    def is_found(self, folder: AccountFolder) -> bool:
        """Whether others still find it."""
        try:
            return self.identity is not None and self.identity == identity(_place(folder))
        except WhatsAppError:
            return False

    def remove(self) -> None:
        """Take it away, unless it has become another leader's."""
        if identity(self.place) == self.identity:
            self.place.unlink(missing_ok=True)


async def _keep_listening(
    folder: AccountFolder,
    secret: str,
    at: _Address,
    accept: Callable[[ByteStream], Awaitable[None]],
    connections: TaskGroup,
) -> None:
    """Listen until cancelled, at a new address whenever the old one has gone; connections stay."""
    while True:
        try:
            async with at.listener, background_tasks() as tasks:
                tasks.start_soon(at.listener.serve, accept, connections)
                while at.is_found(folder):  # noqa: ASYNC110  no event reports its removal
                    await anyio.sleep(_LOOK_AGAIN)
        finally:
            at.remove()
        logger.warning("leader: socket was deleted and is created again")
        at = await _listen_again(folder, secret)


async def _listen_again(folder: AccountFolder, secret: str) -> _Address:
    while True:
        try:
            return await _listen(folder, secret)
        except (OSError, WhatsAppError) as error:
            logger.warning("leader: socket cannot be created: %s", error)
            await anyio.sleep(_LOOK_AGAIN)


async def _listen(folder: AccountFolder, secret: str) -> _Address:
    place = _place(folder)
    place.unlink(missing_ok=True)
    # Cancelled half way, it would leave a socket that nobody removes.
    with anyio.CancelScope(shield=True):
        listener = await _open(place, secret)
    return _Address(place, listener, identity(place))  # pyright: ignore[reportPossiblyUnboundVariable]


async def _open(place: Path, secret: str) -> Listener[ByteStream]:
    if _HAS_UNIX_SOCKETS:
        return await anyio.create_unix_listener(place, mode=0o600)
    listener = await anyio.create_tcp_listener(local_host=_LOOPBACK)
    port = listener.listeners[0].extra(SocketAttribute.local_port)  # noqa: S610
    write_private(place, json.dumps({"port": port, "secret": secret}).encode())
    return listener


async def connect(folder: AccountFolder) -> tuple[ByteStream, str]:
    """A connection to the account's leader, and the secret to show it.

    Raises:
        OSError: Nobody listens.
    """
    if _HAS_UNIX_SOCKETS:
        return await anyio.connect_unix(folder.socket), ""
    try:
        place = json.loads(_place(folder).read_text(encoding="utf-8"))
        return await anyio.connect_tcp(_LOOPBACK, int(place["port"])), str(place["secret"])
    except (ValueError, KeyError, TypeError) as error:
        raise OSError("the leader's address cannot be read") from error


def _place(folder: AccountFolder) -> Path:
    """The socket, or the file that holds the port and the secret."""
    return folder.socket if _HAS_UNIX_SOCKETS else folder.path / "host.json"


def _is_same_user(stream: ByteStream) -> bool:
    """Whether the other end belongs to this user, where the system tells; the socket is private anyway."""
    if not sys.platform.startswith(("linux", "darwin")):
        return True
    raw = stream.extra(SocketAttribute.raw_socket)  # noqa: S610
    if sys.platform == "darwin":
        credentials = raw.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size)
        return peer_uid_of_xucred(credentials) == os.getuid()
    credentials = raw.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", credentials)
    return user == os.getuid()


def peer_uid_of_xucred(credentials: bytes) -> int | None:
    """The user in what macOS tells of a socket's other end; None if it is of another version."""
    if len(credentials) < _XUCRED.size:
        return None
    version, user, *_ = _XUCRED.unpack(credentials[: _XUCRED.size])
    return user if version == _XUCRED_VERSION else None
