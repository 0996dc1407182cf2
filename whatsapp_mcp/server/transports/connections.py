"""Limits the number and the duration of connections without an admitted request.

Each takes a file handle, and anybody who reaches the port can open many. Without handles the
server can neither answer nor restart the client process that holds the connection to WhatsApp.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol

from whatsapp_mcp.server.transports.guard import is_admitted

ADMISSION_LIMIT: Final = 10.0
"""Seconds within which a connection must send a request that the guard admits."""
_MOST: Final = 256
_FEWEST: Final = 8


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The limits on connections.

    Attributes:
        count: Connections at once. One more takes the place of that which has waited longest for an admitted
            request; when all are in use, it is closed itself.
        admission: Seconds in which each must bring an admitted request, and then again after each answer.
    """

    count: int = _MOST
    admission: float = ADMISSION_LIMIT

    @property
    def backlog(self) -> int:
        """Connections that one turn of the event loop accepts before the first of them is counted."""
        return self.count // 4


def limits_of_this_process() -> ConnectionLimits:
    """A quarter of the process's file handles: the rest is for the archive and the client process."""
    if sys.platform == "win32":
        return ConnectionLimits()
    import resource

    handles, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST if handles == resource.RLIM_INFINITY else min(_MOST, handles // 4)
    return ConnectionLimits(max(_FEWEST, most))


def bounded_protocol(limits: ConnectionLimits) -> type[BoundedProtocol]:
    """The protocol for uvicorn's configuration, which takes a class."""
    return type("BoundedProtocol", (BoundedProtocol,), {"limits": limits})


class BoundedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with limits for connections that bring no admitted request.

    uvicorn itself has a time limit between requests only: it waits for ever for the rest of a header, and for
    a body after its answer.
    """

    limits = ConnectionLimits()
    _deadline: asyncio.TimerHandle | None = None
    waiting_since: float = 0.0
    """The loop's time when it was opened or last finished an answer."""

    @property
    def is_admitted(self) -> bool:
        """Whether an admitted request is being answered."""
        # Before the first request it is None, in spite of its type.
        return bool(self.cycle) and not self.cycle.response_complete and is_admitted(self.cycle.scope)

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take a connection, and the place of another when there are too many."""
        super().connection_made(transport)
        self._wait_for_request()
        if len(self.connections) > self.limits.count:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._wait_for_request()

    def give_way(self) -> None:
        """Close at once, even if the peer has not read everything."""
        self.connections.discard(self)
        self.transport.abort()

    def _make_room(self) -> None:
        others = [each for each in self.connections if isinstance(each, BoundedProtocol) and each is not self]
        waiting = [each for each in others if not each.is_admitted]
        min(waiting, key=attrgetter("waiting_since"), default=self).give_way()

    def _wait_for_request(self) -> None:
        self._stop_waiting()
        self.waiting_since = self.loop.time()
        self._deadline = self.loop.call_later(self.limits.admission, self._time_out)

    def _time_out(self) -> None:
        if not self.is_admitted:
            self.transport.close()

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
