"""Checks of what a client process sends: whoever has taken one over can send anything."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from anyio import EndOfStream
from anyio.abc import ByteReceiveStream

from whatsapp_mcp.client import protocol
from whatsapp_mcp.errors import TooLong
from whatsapp_mcp.processes.rpc import Params

_CHUNK: Final = 8192
"""Bytes that are read at a time: what many short frames cost before others have their turn."""
_COSTLY: Final = (b"\n", b"[", b"{")
"""Bytes that begin or end what costs more than its bytes in a line: a frame, a list, an object."""
_LARGEST: Final = 1 << 63
"""End of the numbers that are taken: SQLite's integers have 64 bits, one of which is the sign."""
_QR_TEXT: Final = re.compile(r"[\w+/=,@.:?&#%-]{1,400}", re.ASCII)
"""Text of a QR code that a phone scans: keys in base64, with commas between them, or after an address."""
_VERSION: Final = re.compile(r"\d{1,6}(\.\w{1,16}){0,7}", re.ASCII)
_PAIRING_CODE: Final = re.compile(r"[0-9A-Z]{4}-?[0-9A-Z]{4}")


class ClientPipe(ByteReceiveStream):
    """The pipe from a client process; it ends where that floods.

    Args:
        pipe: The pipe.
        monotonic: Seconds.

    Attributes:
        is_flooded: Whether it has ended for that.
    """

    def __init__(self, pipe: ByteReceiveStream, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._pipe = pipe
        self._monotonic = monotonic
        self._left: float = protocol.FLOOD_BYTES
        self._at = monotonic()
        self.is_flooded = False

    async def receive(self, max_bytes: int = _CHUNK) -> bytes:
        """Receive the next bytes; raise `EndOfStream` if the client process floods the pipe."""
        chunk = await self._pipe.receive(min(max_bytes, _CHUNK))
        now = self._monotonic()
        gained = (now - self._at) * protocol.BYTES_PER_SECOND
        spent = len(chunk) + sum(map(chunk.count, _COSTLY)) * protocol.LEAST_BYTES
        self._left, self._at = min(self._left + gained, protocol.FLOOD_BYTES) - spent, now
        if self._left < 0:
            self.is_flooded = True
            raise EndOfStream
        return chunk

    async def aclose(self) -> None:
        """Close the pipe."""
        await self._pipe.aclose()


def is_notification(method: str, params: Params) -> bool:
    """Return whether a client may send this notification."""
    form = protocol.FORMS.get(method)
    if form is None or not all(_is_of(params.get(name), kind) for name, kind in form.items()):
        return False
    if method == protocol.QR and not _QR_TEXT.fullmatch(params["text"]):
        return False
    if method == protocol.READY and not _VERSION.fullmatch(params["library"]):
        return False
    try:
        base64.b64decode(params.get("payload", ""), validate=True)
    except ValueError:  # no base64, or no ASCII
        return False
    return True


def is_pairing_code(answer: object) -> bool:
    """Return whether an answer is a pairing code and nothing else that a model would read."""
    return isinstance(answer, str) and _PAIRING_CODE.fullmatch(answer) is not None


def _is_of(value: object, kind: type[object] | tuple[type[object], ...]) -> bool:
    # In Python a boolean is an `int`.
    if isinstance(value, bool):
        return kind is bool
    # In this form it also refuses NaN, which Python reads in JSON.
    return isinstance(value, kind) and not (isinstance(value, int | float) and not 0 <= value < _LARGEST)


async def whole(answer: Any, following: Callable[[int], Awaitable[Any]]) -> Any:
    """An answer, with all that follows if it is the first part of a list.

    Args:
        answer: Of the client process.
        following: Asks for the next part of the list with a number.

    Raises:
        TooLong: The list has too many parts.
    """
    parts: list[Any] = []
    for _ in range(protocol.MOST_PARTS):
        match answer:
            case {protocol.PART: list(part), "number": int(number)}:
                parts += part
                answer = await following(number)
            case {protocol.PART: list(part)}:
                return parts + part
            case _:
                return answer
    raise TooLong("The client process answered with a list that is too long.")
