"""Detection of the library's fetch of the phone's address book, so that its process does not end during it.

It begins when the phone shares the key of its app state, and it never starts again by itself (whatsmeow,
`handleAppStateSyncKeyShare`).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from whatsapp_mcp.client.protocol import FETCH_LIMIT, EventCode
from whatsapp_mcp.protobufs import Neonize
from whatsapp_mcp.protobufs.bounded import parsed

_PEER: Final = b"peer"
"""The category of what the phone sends to its companions; few messages of people hold the word."""
_LOOK_AGAIN: Final = 0.1
"""Seconds between two looks at the names."""


class Fetching:
    """The state of the library's address book fetch.

    Args:
        has_names: Asks the library whether it has stored names of the address book.
        monotonic: Seconds.
    """

    def __init__(
        self, has_names: Callable[[], Awaitable[bool]], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._has_names = has_names
        self._monotonic = monotonic
        self._ends_at = 0.0

    def hear(self, code: int, payload: bytes) -> None:
        """Take an event of the library."""
        if code == EventCode.LOGGED_OUT:
            self.stop()
        elif code == EventCode.MESSAGE and _PEER in payload and _shares_key(payload):
            self._ends_at = self._monotonic() + FETCH_LIMIT

    def stop(self) -> None:
        """Stop tracking the fetch: a companion that is logged out is sent nothing more."""
        self._ends_at = 0.0

    @property
    def seconds_left(self) -> float:
        """Seconds that the fetch may still take; 0 if none is going on."""
        return max(0.0, self._ends_at - self._monotonic())

    async def finish(self) -> None:
        """Return once the names are there, or `seconds_left` are over."""
        with anyio.move_on_after(self.seconds_left):
            while self.seconds_left and not await self._has_names():  # noqa: ASYNC110  nothing tells of it
                await anyio.sleep(_LOOK_AGAIN)
        self.stop()


def _shares_key(payload: bytes) -> bool:
    message = parsed(Neonize.Message, payload)
    return message.Message.protocolMessage.HasField("appStateSyncKeyShare")
