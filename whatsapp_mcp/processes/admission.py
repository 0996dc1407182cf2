"""Connections of whoever can reach a listener: how many there may be, and what they may do before a greeting.

A program of somebody else, or a web page in a browser, can open a connection. It costs little until it has
shown what only those know who may call, and it keeps nobody out who has.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import anyio

from whatsapp_mcp.errors import Denied, cause
from whatsapp_mcp.processes.frames import FRAME_LIMIT
from whatsapp_mcp.processes.rpc import Handler, Params, Peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import ByteStream, SocketListener, TaskGroup

HELLO: Final = "hello"
"""The call that greets; nothing else is answered before it."""
GREETING_LIMIT: Final = 5.0
"""Seconds in which whoever connects has to have greeted."""
GREETING_BYTES: Final = 4096
"""Most bytes of the frame that holds the greeting."""
UNGREETED: Final = 64
"""Connections at once that have not greeted. One more ends the oldest: a greeting takes milliseconds."""
PAUSE: Final = 0.5
"""Seconds until a connection that could not be accepted is tried again."""
SHORT_PAUSE: Final = 0.01
"""The same where others were ended for it."""
WARN_EVERY: Final = 60.0
"""Seconds from one warning that no connection can be accepted to the next."""

logger = logging.getLogger(__name__)


class Guest:
    """Whoever has connected."""

    def __init__(self, scope: anyio.CancelScope, leave: Callable[[Guest], None]) -> None:
        self._scope = scope
        self._leave = leave
        self.has_greeted = False

    def admit(self) -> None:
        """Let it stay: it has shown that it may call."""
        self.has_greeted = True
        # The deadline was that of the greeting alone.
        self._scope.deadline = math.inf
        self._leave(self)

    def end(self) -> None:
        """End its connection."""
        self._scope.cancel()


class Admission:
    """Accepts connections, of which so many may be open, and few that have not greeted.

    Args:
        name: Of the side that listens, for the log.
        most: Connections at once. Further ones wait in the kernel, and take no descriptor of this process.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._places = anyio.Semaphore(most)
        # A dict keeps the order of arrival: the oldest comes first, and any of them leaves at once.
        self._ungreeted: dict[Guest, None] = {}
        self._warned_at = -math.inf

    async def serve(
        self,
        listener: SocketListener,
        answer: Callable[[ByteStream, Guest], Awaitable[None]],
        connections: TaskGroup,
    ) -> None:
        """Serve whoever connects, until cancelled.

        Args:
            listener: Stays its owner's.
            answer: Serves one connection until that ends.
            connections: Runs what serves them.
        """
        while True:
            await self._places.acquire()
            try:
                stream = await self._accepted(listener)
            except BaseException:
                self._places.release()
                raise
            connections.start_soon(self._serve_one, stream, answer)

    async def _accepted(self, listener: SocketListener) -> ByteStream:
        """The next connection.

        While the system has no descriptor for it, those that have not greeted make room, the oldest first;
        those that have are served on.
        """
        while True:
            try:
                return await listener.accept()
            except (
                OSError,
                anyio.BrokenResourceError,
            ) as error:  # the latter of a unix socket, from the former
                self._warn(error.__cause__ or error)
                ended = self._end_oldest((len(self._ungreeted) + 1) // 2)
                await anyio.sleep(SHORT_PAUSE if ended else PAUSE)

    def _warn(self, error: BaseException) -> None:
        """Say it once a minute: a crowd may make it happen at every second connection."""
        now = anyio.current_time()
        if now - self._warned_at >= WARN_EVERY:
            self._warned_at = now
            why = cause(error) if isinstance(error, OSError) else type(error).__name__
            logger.warning("%s: no connection can be accepted now: %s", self._name, why)

    def _end_oldest(self, most: int) -> int:
        """End connections that have not greeted; how many."""
        oldest = list(itertools.islice(self._ungreeted, most))
        for guest in oldest:
            self._forget(guest)
            guest.end()
        return len(oldest)

    async def _serve_one(
        self, stream: ByteStream, answer: Callable[[ByteStream, Guest], Awaitable[None]]
    ) -> None:
        if len(self._ungreeted) >= UNGREETED:
            self._end_oldest(1)
        with anyio.CancelScope(deadline=anyio.current_time() + GREETING_LIMIT) as scope:
            guest = Guest(scope, self._forget)
            self._ungreeted[guest] = None
            try:
                await answer(stream, guest)
            except (OSError, anyio.BrokenResourceError, anyio.EndOfStream) as error:
                logger.info("%s: a connection was refused: %s", self._name, type(error).__name__)
            finally:
                self._forget(guest)
                self._places.release()
                await anyio.aclose_forcefully(stream)
        if scope.cancelled_caught:
            logger.info("%s: a connection was ended: it did not greet in time", self._name)

    def _forget(self, guest: Guest) -> None:
        self._ungreeted.pop(guest, None)


@asynccontextmanager
async def greeted_peer(
    stream: ByteStream,
    guest: Guest,
    hello: Callable[[Params], Awaitable[Any]],
    on_call: Handler,
    *,
    calls_at_once: int = 256,
) -> AsyncIterator[Peer]:
    """The end of a connection that answers nothing but the greeting until the guest is admitted.

    Args:
        stream: The connection.
        guest: Whose it is.
        hello: Answers the greeting; admits the guest if it has shown that it may call.
        on_call: Answers every other call.
        calls_at_once: How many calls of the other side may be running.
    """

    async def answer(method: str, params: Params) -> Any:
        if method == HELLO:
            greeting = await hello(params)
            if guest.has_greeted:
                # Before that, each stranger could make this process hold a whole large frame in memory.
                peer.allow_frames(FRAME_LIMIT)
            return greeting
        if not guest.has_greeted:
            raise Denied("The other side has not shown that it may call.")
        return await on_call(method, params)

    async with Peer(
        stream, stream, answer, frame_limit=GREETING_BYTES, calls_at_once=calls_at_once, strict=True
    ) as peer:
        yield peer
