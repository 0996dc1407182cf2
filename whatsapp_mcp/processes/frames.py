"""Frames: one JSON object a line, of a limited size, and how an error crosses the connection in one.

Of a frame that no parser accepts (nested too deep, truncated, not Unicode), the members can be read still.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from whatsapp_mcp.errors import Busy, InvalidArgument, TooLong, Unsupported, WhatsAppError, from_payload

FRAME_LIMIT: Final = 64 * 1024 * 1024
"""Largest frame, in bytes, newline included."""
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INTERNAL_ERROR = -32700, -32600, -32601, -32603
"""Codes of JSON-RPC."""
_OUR_ERROR = -32000
"""JSON-RPC 2.0 leaves -32099 to -32000 to implementations."""
Scalar = int | str | None
# A string need not end, so that the search never goes back: a hostile text would make that quadratic.
_PART: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_INTEGER: Final = re.compile(r"-?\d{1,18}")


def encoded(message: dict[str, Any], limit: int) -> bytes:
    """The frame of a message.

    Raises:
        InvalidArgument: JSON cannot hold it.
        TooLong: It is over the limit.
    """
    try:
        frame = json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")).encode() + b"\n"
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"A message cannot be sent: {why_unreadable(error)}.") from error
    if len(frame) > limit:
        raise TooLong(f"A message of {len(frame)} bytes is over the limit of {limit}.")
    return frame


def error_body(error: WhatsAppError) -> dict[str, Any]:
    """An error as JSON-RPC has it, with the whole of it in `data`."""
    code = METHOD_NOT_FOUND if isinstance(error, Unsupported) else _OUR_ERROR
    return {"code": code, "message": error.message, "data": error.to_payload()}


def error_of(body: dict[str, Any]) -> WhatsAppError:
    """The error that the other side has raised."""
    data = body.get("data")
    if isinstance(data, dict):
        return from_payload(data)
    if body.get("code") in {PARSE_ERROR, INVALID_REQUEST}:
        return InvalidArgument("The other process refused the call.")
    return Busy("The other process failed; its log says why.")


def why_unreadable(error: ValueError | RecursionError) -> str:
    """Return why a frame cannot be read or written; Python takes integers of up to 4,300 digits."""
    if isinstance(error, RecursionError):
        return "nested too deep"
    if isinstance(error, json.JSONDecodeError | UnicodeError):
        return "not JSON"
    return "a number with too many digits"


class LineBuffer:
    """Cuts a byte stream into lines; one over `limit` is None, as soon as it is that long, and not kept."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        # Joined once a line is whole: adding to one bytes object would copy a large frame for every chunk.
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes | None]:
        """The lines that `data` completes, without their newline; empty ones are left out."""
        *ends, rest = data.split(b"\n")
        lines: list[bytes | None] = []
        for end in ends:
            if self._add(end + b"\n"):
                lines.append(None)
            elif self._size <= self.limit and (line := b"".join(self._parts).strip()):
                lines.append(line)
            self._parts, self._size = [], 0
        if self._add(rest):
            lines.append(None)
        return lines

    def _add(self, part: bytes) -> bool:
        """Keep a part of a line; whether the line is over the limit with it, and was not before."""
        was_over = self._size > self.limit
        self._size += len(part)
        if self._size <= self.limit:
            self._parts.append(part)
            return False
        self._parts = []
        return not was_over


def scalar_members(text: str) -> dict[str, Scalar]:
    """The object's own members that are no objects or lists, found without recursion.

    A value other than a string or an integer of up to 18 digits counts as None. What is no object has none.
    """
    members: dict[str, Scalar] = {}
    depth, last, key = 0, "", None
    for part in _PART.findall(text):
        if part in "{[":
            depth, key = depth + 1, None
        elif part in "}]":
            depth -= 1
        elif depth == 1 and part == ":":
            key = _value(last)
        elif depth == 1 and part != ",":
            if isinstance(key, str):
                members[key] = _value(part)
            last, key = part, None
    return members


def _value(part: str) -> Scalar:
    if _INTEGER.fullmatch(part):
        return int(part)
    try:
        return str(json.loads(part)) if part.startswith('"') else None
    except ValueError:
        return None
