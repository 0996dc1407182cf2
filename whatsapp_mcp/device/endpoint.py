"""Where the host of an account is reached: a unix socket, or loopback TCP with a secret on Windows."""

from __future__ import annotations

import json
import os
import secrets
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
from anyio.abc import ByteStream, SocketAttribute

from whatsapp_mcp.settings import AccountFolder

_LOOPBACK: Final = "127.0.0.1"
_HAS_UNIX_SOCKETS: Final = sys.platform != "win32"


@asynccontextmanager
async def listening(
    folder: AccountFolder, serve: Callable[[ByteStream, str], Awaitable[None]]
) -> AsyncIterator[None]:
    """Accept connections while the body runs; the address is taken away at the end.

    Only the holder of the account's lock may listen, so what lies at the address is a dead host's and
    removed.

    Args:
        serve: Called with each connection and the secret that the other side must know (empty if none).
    """
    secret = "" if _HAS_UNIX_SOCKETS else secrets.token_hex(32)
    remove(folder)
    if _HAS_UNIX_SOCKETS:
        listener = await anyio.create_unix_listener(folder.socket, mode=0o600)
    else:
        tcp = await anyio.create_tcp_listener(local_host=_LOOPBACK)
        port = tcp.listeners[0].extra(SocketAttribute.local_port)  # noqa: S610
        _write_private(folder, {"port": port, "secret": secret})
        listener = tcp

    async def accept(stream: ByteStream) -> None:
        async with stream:
            if _is_same_user(stream):
                await serve(stream, secret)

    try:
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, accept)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()
    finally:
        remove(folder)


async def connect(folder: AccountFolder) -> tuple[ByteStream, str]:
    """A connection to the account's host, and the secret to show it.

    Raises:
        OSError: Nobody listens.
    """
    if _HAS_UNIX_SOCKETS:
        return await anyio.connect_unix(folder.socket), ""
    try:
        place = json.loads(_place(folder).read_text(encoding="utf-8"))
        return await anyio.connect_tcp(_LOOPBACK, int(place["port"])), str(place["secret"])
    except (ValueError, KeyError, TypeError) as error:
        raise OSError("the host's address cannot be read") from error


def remove(folder: AccountFolder) -> None:
    """Take the address away."""
    place = folder.socket if _HAS_UNIX_SOCKETS else _place(folder)
    place.unlink(missing_ok=True)


def _place(folder: AccountFolder) -> Any:
    return folder.path / "host.json"


def _write_private(folder: AccountFolder, content: dict[str, Any]) -> None:
    path = _place(folder)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file)


def _is_same_user(stream: ByteStream) -> bool:
    """Whether the other end belongs to this user, where the system tells; the socket is private anyway."""
    if not sys.platform.startswith("linux"):
        return True
    raw = stream.extra(SocketAttribute.raw_socket)  # noqa: S610
    credentials = raw.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", credentials)
    return user == os.getuid()
