"""The pipes to the leader: moved to other descriptors before the library is loaded, and read by a thread.

The library prints to fd 1, which the leader would read as frames, so the real pipes move to other
descriptors; fd 1 becomes the log and fd 0 is empty. How linking ends the library says there and nowhere else,
so its lines pass through a listener.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Callable
from typing import Final

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream

from whatsapp_mcp.client.client_storage import STORAGE_SIZE_BYTES, ClientStorage
from whatsapp_mcp.system import PipeOutput

_CHUNK: Final = 65536
_LOG: Final = 2
"""File descriptor of the log: standard error."""
_LINE: Final = 4096
"""Bytes of a printed line that are looked at together."""
_LOGIN_EVENT: Final = re.compile(rb"Login event: ([a-z][a-z-]{0,39})")
"""Line that neonize 0.5.2 prints for each item of whatsmeow's channel of QR codes that is not a code."""


def take_aside() -> tuple[int, int]:
    """Move the pipes away from fd 0 and 1; returns (what the leader writes, what the leader reads)."""
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    # Not closed: the next file that anything opens would get the number 0 and be taken for standard input.
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return incoming, outgoing


def read_storage(incoming: int) -> ClientStorage:
    """Read the storage of this client, which the leader writes before its frames.

    Raises:
        EOFError: The leader is gone.
        ValueError: It is of another version.
    """
    size = int.from_bytes(_read_exactly(incoming, STORAGE_SIZE_BYTES))
    return ClientStorage.from_bytes(_read_exactly(incoming, size))


def _read_exactly(incoming: int, size: int) -> bytes:
    given = b""
    while len(given) < size:
        part = os.read(incoming, size - len(given))
        if not part:
            raise EOFError("the leader is gone before it said where to store anything")
        given += part
    return given


def listen_to_library(on_login_event: Callable[[str], None]) -> None:
    """Pass what is printed to fd 1 on to the log, and report each login event in it.

    Args:
        on_login_event: Called in a thread of its own with the event's name, such as `timeout`.
    """
    reading, writing = os.pipe()
    os.dup2(writing, 1)
    os.close(writing)

    def pass_on() -> None:
        with os.fdopen(reading, "rb") as lines:
            while line := lines.readline(_LINE):
                os.write(_LOG, line)
                if match := _LOGIN_EVENT.match(line):
                    on_login_event(match[1].decode())

    threading.Thread(target=pass_on, name="library output", daemon=True).start()


class LeaderReceiveStream(ByteReceiveStream):
    """The pipe that the leader writes, read by a thread: it sees a closed pipe even if the loop is stuck.

    Args:
        fd: The reading end.
        on_closed: Called in that thread when the leader has closed its end or is gone.
    """

    def __init__(self, fd: int, on_closed: Callable[[], None]) -> None:
        self._fd = fd
        self._on_closed = on_closed
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, name="leader pipe", daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self._fd, _CHUNK)
            except OSError:
                chunk = b""
            if not chunk:
                self._on_closed()
                return
            self._loop.call_soon_threadsafe(self._chunks.put_nowait, chunk)

    async def receive(self, max_bytes: int = _CHUNK) -> bytes:
        """The next bytes, however many there are."""
        return await self._chunks.get()

    async def aclose(self) -> None:
        """Nothing to do: the thread ends with the process."""


class LeaderSendStream(ByteSendStream):
    """The pipe that the leader reads.

    A leader that is gone is seen by `LeaderReceiveStream`, which lets the process end in order: what is still
    on its way is journaled. An error here would end it at once.
    """

    def __init__(self, fd: int) -> None:
        self._output = PipeOutput(fd)

    async def send(self, item: bytes) -> None:
        """Write all of it; waits while the leader does not read, and forever once it is gone."""
        try:
            await self._output.write(item)
        except OSError:
            await anyio.sleep_forever()

    async def aclose(self) -> None:
        """Nothing to do: the descriptor is closed with the process."""
