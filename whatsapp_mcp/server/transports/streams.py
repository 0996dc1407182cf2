"""Ends an event stream whose token is no longer valid."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Message, Send

CHECK_INTERVAL: Final = 5.0
"""Seconds for which a stream's token is not looked at again."""


@dataclass(slots=True)
class CheckedStream:
    """Sends a response, and ends it before the next event once its token is no longer valid.

    An answer in one piece is sent: it was admitted. A stream may be open for days, and gets a comment at
    least every 15 seconds (sse-starlette).

    Attributes:
        send: The server's.
        is_valid: Looks at the token again.
    """

    send: Send
    is_valid: Callable[[], Awaitable[bool]]
    clock: Callable[[], float] = time.monotonic
    _checked: float | None = None
    _has_ended: bool = False

    async def __call__(self, message: Message) -> None:
        """Send a message of ASGI, or end the response in its place; what follows is dropped."""
        if self._has_ended:
            return
        if message.get("more_body") and not await self._is_still_valid():
            self._has_ended = True
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self.send(message)

    async def _is_still_valid(self) -> bool:
        now = self.clock()
        if self._checked is None:  # the guard has just looked
            self._checked = now
        if now - self._checked < CHECK_INTERVAL:
            return True
        self._checked = now
        return await self.is_valid()
