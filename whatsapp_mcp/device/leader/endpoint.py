"""The address of an account's leader: listening there, and connecting."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.abc import ByteStream, SocketListener

from whatsapp_mcp.device.leader.lock import identity
from whatsapp_mcp.device.supervise import background_tasks
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.processes.admission import Admission, Guest
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.system import MeetingPlace

MOST: Final = 256
"""Connections at once: one or two of each server and command of this account."""
_LOOK_AGAIN: Final = 2.0
"""Seconds between looks at whether the address is still there."""

logger = logging.getLogger(__name__)


@asynccontextmanager
async def listening(
    folder: AccountFolder, serve: Callable[[ByteStream, Guest, str], Awaitable[None]]
) -> AsyncIterator[None]:
    """Accept connections while the body runs; the address is removed at the end.

    Only the holder of the account's lock may listen, so what lies at the address is a dead leader's and
    removed. An address that somebody else deletes (runtime folders are cleaned) is created again.

    Args:
        serve: Called with each connection, whose it is, and the secret that the other side must know.
    """
    meeting_place = folder.meeting_place
    secret = meeting_place.new_secret()

    async def answer(stream: ByteStream, guest: Guest) -> None:
        if meeting_place.is_same_user(stream):
            await serve(stream, guest, secret)

    address = await _listen(folder, secret)
    async with background_tasks() as connections:
        admission = Admission("leader", MOST)

        async def accept(listener: SocketListener) -> None:
            await admission.serve(listener, answer, connections)

        connections.start_soon(_keep_listening, folder, secret, address, accept)
        yield


@dataclass(frozen=True, slots=True)
class _Address:
    """The leader's listener and the files that announce it, with their identities."""

    listener: SocketListener
    files: dict[Path, tuple[int, int] | None]

    def is_found(self, folder: AccountFolder) -> bool:
        """Check whether other processes still find this address."""
        try:
            there = _files_of(folder.meeting_place)
        except WhatsAppError:
            return False
        return there == self.files and None not in there.values()

    def remove(self) -> None:
        """Take it away, unless it has become another leader's."""
        for path, known in self.files.items():
            if identity(path) == known:
                path.unlink(missing_ok=True)


def _files_of(meeting_place: MeetingPlace) -> dict[Path, tuple[int, int] | None]:
    return {path: identity(path) for path in (meeting_place.path, meeting_place.secret_path)}


async def _keep_listening(
    folder: AccountFolder,
    secret: str,
    address: _Address,
    accept: Callable[[SocketListener], Coroutine[Any, Any, None]],
) -> None:
    """Listen until cancelled, at a new address whenever the old one has gone; connections stay."""
    while True:
        try:
            async with address.listener, background_tasks() as tasks:
                tasks.start_soon(accept, address.listener)
                while address.is_found(folder):  # noqa: ASYNC110  no event reports its removal
                    await anyio.sleep(_LOOK_AGAIN)
        finally:
            address.remove()
        logger.warning("leader: socket was deleted and is created again")
        address = await _listen_again(folder, secret)


async def _listen_again(folder: AccountFolder, secret: str) -> _Address:
    while True:
        try:
            return await _listen(folder, secret)
        except (OSError, WhatsAppError) as error:
            logger.warning("leader: socket cannot be created: %s", error)
            await anyio.sleep(_LOOK_AGAIN)


async def _listen(folder: AccountFolder, secret: str) -> _Address:
    meeting_place = folder.meeting_place
    meeting_place.path.unlink(missing_ok=True)
    # Cancelled half way, it would leave a socket that nobody removes.
    with anyio.CancelScope(shield=True):
        listener = await meeting_place.listen(secret)
    return _Address(listener, _files_of(meeting_place))  # pyright: ignore[reportPossiblyUnboundVariable]


async def connect(folder: AccountFolder) -> tuple[ByteStream, str]:
    """A connection to the account's leader, and the secret to show it.

    Raises:
        OSError: Nobody listens.
    """
    return await folder.meeting_place.connect()
