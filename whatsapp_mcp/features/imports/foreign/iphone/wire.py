"""Protocol buffers of which nobody published the schema: the fields of one message, and nothing believed.

Encoding: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from typing import Final

Field = tuple[int, int | bytes]
"""Number and value: a number of a varint, bytes of everything else."""

MOST_BYTES: Final = 1 << 20
_FIELDS: Final = 20_000
"""Most fields of one message. A reaction takes some 60 bytes, so a large channel has a few hundred."""
_VARINT_BYTES: Final = 10
_WIDTHS: Final = {1: 8, 5: 4}


def fields(blob: bytes) -> list[Field]:
    """The fields of a message, in order.

    Raises:
        ValueError: It is none: a length lies, a type does not exist, or it is over a bound.
    """
    end, at = len(blob), 0
    if end > MOST_BYTES:
        raise ValueError("the message is too large")
    found: list[Field] = []
    while at < end:
        tag, at = _varint(blob, at)
        kind = tag & 7
        value: int | bytes
        if kind == 0:
            value, at = _varint(blob, at)
        else:
            size, at = _varint(blob, at) if kind == 2 else (_WIDTHS.get(kind, -1), at)
            if not 0 <= size <= end - at:
                raise ValueError("a field is longer than its message, or of no type")
            value, at = blob[at : at + size], at + size
        if tag < 8 or len(found) >= _FIELDS:
            raise ValueError("a field has no number, or there are too many")
        found.append((tag >> 3, value))
    return found


def first(message: list[Field], number: int) -> int | bytes | None:
    """The first value under this number."""
    return next((value for each, value in message if each == number), None)


def text(value: int | bytes | None) -> str | None:
    """The text that a value is; None for what is none."""
    if not isinstance(value, bytes):
        return None
    try:
        return value.decode() or None
    except UnicodeDecodeError:
        return None


def _varint(blob: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift, byte in enumerate(blob[at : at + _VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, at + shift + 1
    raise ValueError("a number has no end")
