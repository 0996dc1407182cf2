"""Meeting places of one user's processes: a unix socket, or on Windows a loopback port, and a secret.

The system says which user connects to a unix socket. A confined client process is of the same user, and may
connect to any of them; what it may not read is the secret.
"""

from __future__ import annotations

import json
import secrets
import socket
import struct
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import ByteStream, SocketAttribute, SocketListener

from whatsapp_mcp.system.machine import HERE, System
from whatsapp_mcp.system.paths import own_user, write_private

SOCKET_PATH_LIMIT: Final = 103
"""Bytes of a unix socket's path on macOS; Linux allows 107."""
_LOOPBACK: Final = "127.0.0.1"
"""By number: the name localhost may lead to ::1 as well, where nobody listens."""
_SECRET_BYTES: Final = 32
"""256 bits of chance."""
_SOL_LOCAL: Final = 0
_LOCAL_PEERCRED: Final = 1
"""Socket option of macOS (sys/un.h) for the peer's credentials; Python names neither it nor its level."""
_XUCRED: Final = struct.Struct("=IIhh16I")
"""`struct xucred` of macOS (sys/ucred.h): version, user, number of groups, padding, groups."""
_XUCRED_VERSION: Final = 0
_UCRED: Final = struct.Struct("3i")
"""`struct ucred` of Linux (unix(7)): process, user, group."""


class MeetingPlace(ABC):
    """Place where a process listens for others of the same user.

    Attributes:
        path: The file by which others find it: deleted, nobody does.
        secret_path: The file that holds the secret, for its owner alone: deleted, nobody is served.
    """

    def __init__(self, path: Path, secret_path: Path | None = None) -> None:
        self.path = path
        self.secret_path = path if secret_path is None else secret_path

    def new_secret(self) -> str:
        """Return a new secret, which others must show to be served and nobody can guess."""
        return secrets.token_hex(_SECRET_BYTES)

    @abstractmethod
    async def listen(self, secret: str) -> SocketListener:
        """Listen; nothing may lie at `path`.

        Raises:
            OSError: That is not possible.
        """

    @abstractmethod
    async def connect(self) -> tuple[ByteStream, str]:
        """A connection to who listens, and the secret to show.

        Raises:
            OSError: Nobody listens.
        """

    @abstractmethod
    def is_same_user(self, stream: ByteStream) -> bool:
        """Return whether the peer belongs to this user, as far as the system says so."""


class UnixSocket(MeetingPlace):
    """A unix socket that only its owner may use, and the secret in a file beside it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, path.with_suffix(".secret"))

    def __str__(self) -> str:
        """Return the path of the socket, for a person."""
        return str(self.path)

    async def listen(self, secret: str) -> SocketListener:
        """Write the secret down, then make the socket: whoever has connected finds the secret."""
        write_private(self.secret_path, secret.encode())
        return await anyio.create_unix_listener(self.path, mode=0o600)

    async def connect(self) -> tuple[ByteStream, str]:
        """Connect to it; the secret is empty where none is written."""
        stream = await anyio.connect_unix(self.path)
        try:
            return stream, self.secret_path.read_text(encoding="ascii")
        except (FileNotFoundError, ValueError):
            return stream, ""
        except OSError:
            await anyio.aclose_forcefully(stream)
            raise

    def is_same_user(self, stream: ByteStream) -> bool:
        """Return whether the peer is this user; True if the system does not tell, since the mode protects."""
        user = _user_behind(stream.extra(SocketAttribute.raw_socket))  # noqa: S610
        return user is None or user == own_user()


class LoopbackPort(MeetingPlace):
    """A port that any process of this machine can reach; only its owner may read the file with the secret."""

    def __str__(self) -> str:
        """Return a description for a person."""
        return f"loopback, with a secret in {self.path}"

    async def listen(self, secret: str) -> SocketListener:
        """Take a free port, and write it down with the secret."""
        listener = await SocketListener.from_socket(socket.create_server((_LOOPBACK, 0)))
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610
        # Once it listens: whoever reads the file can connect.
        write_private(self.path, json.dumps({"port": port, "secret": secret}).encode())
        return listener

    async def connect(self) -> tuple[ByteStream, str]:
        """Connect to the port that was written down."""
        try:
            place = json.loads(self.path.read_text(encoding="utf-8"))
            return await anyio.connect_tcp(_LOOPBACK, int(place["port"])), str(place["secret"])
        except (ValueError, KeyError, TypeError) as error:
            raise OSError("where it listens cannot be read") from error

    def is_same_user(self, stream: ByteStream) -> bool:
        """Unknown: the secret has to show it."""
        return True


def meeting_place(unix_socket: Callable[[], Path], file: Path, system: System = HERE) -> MeetingPlace:
    """The kind that a system has.

    Args:
        unix_socket: Where the socket would be; asked only if there is one.
        file: What names the port otherwise.
        system: The system.
    """
    return LoopbackPort(file) if system is System.WINDOWS else UnixSocket(unix_socket())


def reuse_address(listener: socket.socket) -> None:
    """Let it listen where somebody has just ended, as servers do; on Windows they may without."""
    if HERE is not System.WINDOWS:  # there it would share the port of one that still listens
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def _user_behind(connection: socket.socket) -> int | None:
    """The user at the other end of a unix socket; None where the system does not say."""
    if sys.platform == "linux":
        _, user, _ = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        return user
    if sys.platform == "darwin":
        found = user_of_xucred(connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size))
        # No user has this number: a peer whose credentials cannot be read is refused; None would admit it.
        return -1 if found is None else found
    return None


def user_of_xucred(credentials: bytes) -> int | None:
    """The user in what macOS tells of a socket's other end; None if it is of another version."""
    if len(credentials) < _XUCRED.size:
        return None
    version, user, *_ = _XUCRED.unpack(credentials[: _XUCRED.size])
    return user if version == _XUCRED_VERSION else None
