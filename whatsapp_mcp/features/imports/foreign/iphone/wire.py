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
    end, offset = len(blob), 0
    if end > MOST_BYTES:
        raise ValueError("the message is too large")
    results: list[Field] = []
    while offset < end:
        tag, offset = _varint(blob, offset)
        kind = tag & 7
        value: int | bytes
        if kind == 0:
            value, offset = _varint(blob, offset)
        else:
            size, offset = _varint(blob, offset) if kind == 2 else (_WIDTHS.get(kind, -1), offset)
            if not 0 <= size <= end - offset:
                raise ValueError("a field is longer than its message, or of no type")
            value, offset = blob[offset : offset + size], offset + size
        if tag < 8 or len(results) >= _FIELDS:
            raise ValueError("a field has no number, or there are too many")
        results.append((tag >> 3, value))
    return results


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


def _varint(blob: bytes, offset: int) -> tuple[int, int]:
    value = 0
    for shift, byte in enumerate(blob[offset : offset + _VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, offset + shift + 1
    raise ValueError("a number has no end")
