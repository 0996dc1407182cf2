"""Limits the number and the duration of connections, and of requests that take or bring nothing.

Each takes a file handle, and anybody who reaches the port can open many. Without handles the
server can neither answer nor restart the client process that holds the connection to WhatsApp.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

from whatsapp_mcp.server.transports.guard import is_admitted
from whatsapp_mcp.system import most_open_files

if TYPE_CHECKING:
    from collections.abc import Callable

ADMISSION_LIMIT: Final = 10.0
"""Seconds within which a connection must send a request that the guard admits."""
TRANSFER_LIMIT: Final = 60.0
"""Seconds that an admitted request may take to arrive, and for which its client may read nothing."""
_MOST: Final = 256
"""Connections at once, where the process has file handles enough."""
_FEWEST: Final = 8
"""Connections at once, however few file handles there are."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The limits on connections.

    Attributes:
        count: Connections at once. One more takes the place of that which has waited longest for an admitted
            request; when all are in use, it is closed itself.
        admission: Seconds in which each must bring an admitted request, and then again after each answer; the
            handshake of TLS may take as long.
        transfer: Seconds in which the body of an admitted request must be there, and in which a client must
            go on reading its answer.
    """

    count: int = _MOST
    admission: float = ADMISSION_LIMIT
    transfer: float = TRANSFER_LIMIT

    @property
    def backlog(self) -> int:
        """Connections that one turn of the event loop accepts before the first of them is counted."""
        return self.count // 4


def limits_of_this_process() -> ConnectionLimits:
    """A quarter of the process's file handles: the rest is for the archive and the client process."""
    handles = most_open_files()
    return ConnectionLimits(_MOST if handles is None else max(_FEWEST, min(_MOST, handles // 4)))


def bounded_protocol(limits: ConnectionLimits, tls: ssl.SSLContext | None = None) -> type[BoundedProtocol]:
    """The protocol for uvicorn's configuration, which takes a class."""
    return type("BoundedProtocol", (BoundedProtocol,), {"limits": limits, "tls": tls})


class BoundedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with limits for connections that bring no admitted request, or stand still.

    uvicorn itself has a time limit between requests only: it waits for ever for the rest of a header, for a
    body, and for a client that does not read. With TLS it would not even know of a connection before the
    handshake, so that is made here, within the limits.
    """

    limits = ConnectionLimits()
    tls: ssl.SSLContext | None = None
    _deadline: asyncio.TimerHandle | None = None
    """Closes a connection that brings no admitted request in time."""
    _stalled: asyncio.TimerHandle | None = None
    """Closes a connection whose client does not read its answer."""
    _early: bytes | None = None
    """Bytes received right behind the TLS handshake; None outside of the handshake."""
    waiting_since: float = 0.0
    """The loop's time when it was opened or last finished an answer."""

    @property
    def is_admitted(self) -> bool:
        """True while an admitted request is being answered."""
        # Before the first request it is None, in spite of its type.
        return bool(self.cycle) and not self.cycle.response_complete and is_admitted(self.cycle.scope)

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take a connection, and the place of another when there are too many."""
        super().connection_made(transport)
        self._wait(self.limits.admission, self._admission_over)
        self.waiting_since = self.loop.time()
        if len(self.connections) > self.limits.count:
            self._make_room()
        if self.tls is not None and not transport.is_closing():
            self._early = b""
            # Until the task runs, the first bytes of the handshake would be taken for those of a request.
            transport.pause_reading()
            task = self.loop.create_task(self._encrypt(transport, self.tls))
            # The event loop keeps only weak references to tasks; those in uvicorn's set are waited for at the
            # end.
            task.add_done_callback(self.tasks.discard)
            self.tasks.add(task)

    async def _encrypt(self, transport: asyncio.Transport, tls: ssl.SSLContext) -> None:
        limit = self.limits.admission
        try:
            encrypted = await self.loop.start_tls(
                transport, self, tls, server_side=True, ssl_handshake_timeout=limit
            )
        except OSError:  # no TLS, a handshake that failed, or not in time
            encrypted = None
        if encrypted is None or encrypted.is_closing():
            self.give_way()
            return
        early, self._early = self._early, None
        super().connection_made(encrypted)
        if early:
            self.data_received(early)

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request, once the connection is encrypted."""
        if self._early is None:
            super().data_received(data)
        else:
            self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting the connection."""
        self._stop_waiting()
        self.resume_writing()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self.waiting_since = self.loop.time()
        self._wait(self.limits.admission, self._admission_over)

    def pause_writing(self) -> None:
        """Wait for a client that does not read, but not for ever: its answer is kept in memory."""
        super().pause_writing()
        self._stalled = self.loop.call_later(self.limits.transfer, self.give_way)

    def resume_writing(self) -> None:
        """The client reads again."""
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        super().resume_writing()

    def give_way(self) -> None:
        """Close at once, even if the peer has not read everything."""
        # `abort` reports the loss in a later turn of the loop, until which it would be counted.
        self.connections.discard(self)
        self._stop_waiting()
        self.transport.abort()

    def _make_room(self) -> None:
        others = [each for each in self.connections if isinstance(each, BoundedProtocol) and each is not self]
        waiting = [each for each in others if not each.is_admitted]
        min(waiting, key=attrgetter("waiting_since"), default=self).give_way()

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(seconds, then)

    def _admission_over(self) -> None:
        if not self.is_admitted:
            self.transport.close()
        elif self.cycle.more_body:
            self._wait(self.limits.transfer, self._transfer_over)

    def _transfer_over(self) -> None:
        if self.cycle.more_body and not self.cycle.response_complete:
            self.give_way()

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
