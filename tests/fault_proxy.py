"""A TCP proxy in front of a database: it delays, loses answers, and cuts connections."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Final

LIMIT: Final = 30


class FaultProxy:
    """One proxy on loopback, in a thread of its own.

    Attributes:
        port: Where clients connect.
        target: To which port of loopback new connections lead.
        delay: Seconds by which each piece of data is delayed, in both directions.
        lost: How many answers did not arrive.
    """

    def __init__(self, target: int, delay: float = 0.0) -> None:
        self.delay = delay
        self.port = 0
        self.lost = 0
        self.target = target
        self._loses: bytes | None = None
        self._refused_from: bytes | None = None
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._started = threading.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self._ended = asyncio.Event()
        self._passes = asyncio.Event()
        self._passes.set()

    def lose_answer(self, containing: bytes) -> None:
        """The next answer of the server that has these bytes does not arrive: the connection is cut then."""
        self._loses = containing

    def refuse_from(self, containing: bytes) -> None:
        """Cut every connection, and take no other, once a client says something that has these bytes."""
        self._refused_from = containing

    def cut(self) -> None:
        """Cut every connection."""
        self._loop.call_soon_threadsafe(self._close_all)

    def hold(self) -> None:
        """Let nothing through, as a network that is cut; connections stay, and what is sent arrives later."""
        self._loop.call_soon_threadsafe(self._passes.clear)

    def release(self) -> None:
        """Let everything through again."""
        self._loop.call_soon_threadsafe(self._passes.set)

    def run(self) -> None:
        """Serve until `end`."""
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    def wait_started(self) -> None:
        """Return once clients may connect."""
        assert self._started.wait(LIMIT)

    def end(self) -> None:
        """Let `run` return."""
        self._loop.call_soon_threadsafe(self._ended.set)

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._serve_client, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        self._server = server
        async with server:
            await self._ended.wait()
            self._close_all()
            self._passes.set()
            await asyncio.gather(*(one for one in asyncio.all_tasks() if one is not asyncio.current_task()))

    async def _serve_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        await self._passes.wait()
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._open.add(server_writer)
        await asyncio.gather(
            self._pump(reader, server_writer, self._is_refused),
            self._pump(server_reader, writer, self._is_lost),
        )
        self._open -= {writer, server_writer}

    def _is_lost(self, data: bytes) -> bool:
        if self._loses is None or self._loses not in data:
            return False
        self._loses = None
        self.lost += 1
        return True

    def _is_refused(self, data: bytes) -> bool:
        if self._refused_from is None or self._refused_from not in data:
            return False
        assert self._server is not None
        self._server.close()
        self._close_all()
        return True

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends_at: Callable[[bytes], bool]
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                await self._passes.wait()
                if ends_at(data):
                    break
                if self.delay:
                    self._loop.call_later(self.delay, self._write, writer, data)
                else:
                    self._write(writer, data)
        # Once what is delayed has been written.
        self._loop.call_later(self.delay, writer.transport.abort)

    def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if not writer.transport.is_closing():
            writer.write(data)

    def _close_all(self) -> None:
        for writer in self._open:
            writer.transport.abort()


@contextlib.contextmanager
def fault_proxy(target: int, delay: float = 0.0) -> Iterator[FaultProxy]:
    """A proxy in front of a port of loopback."""
    proxy = FaultProxy(target, delay)
    thread = threading.Thread(target=proxy.run)
    thread.start()
    try:
        proxy.wait_started()
        yield proxy
    finally:
        proxy.end()
        thread.join(LIMIT)
