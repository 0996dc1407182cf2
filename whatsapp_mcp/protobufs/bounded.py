"""Protobufs of others, parsed within bounds.

Two bytes can name an empty message, which takes half a kilobyte once it is parsed: a few megabytes fill the
memory of a machine. So what parsing would take is estimated first, in one pass over the wire format.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final, NamedTuple, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError
from google.protobuf.message import Message as Proto

M = TypeVar("M", bound=Proto)
Descriptor = Any
"""The descriptor of a protobuf class; each of the two implementations of protobuf has its own class for
it."""

MAX_BYTES: Final = 48 << 20
"""Most bytes of one protobuf. A frame of WhatsApp has 16 MB at most; a chunk of history comes in a file of
its own."""
MAX_WEIGHT: Final = 64 << 20
"""Bytes that a protobuf may take parsed, by the estimate here."""
_SMALL: Final = 1024
"""Bytes of a protobuf that cannot take much, whatever it holds."""
MAX_DEPTH: Final = 100
"""Most levels of nested messages, the limit of protobuf itself."""
_MESSAGE: Final = 128
"""Bytes of a parsed message beside its fields, and of what Python makes of it."""
_FIELD: Final = 12
"""Bytes of a field, whether it is there or not."""
_ENTRY: Final = 128
"""Bytes of an entry of a list of texts, bytes or numbers."""
_PACKED: Final = 16
"""Bytes that one byte of packed numbers becomes."""
_COPIES: Final = 4
"""Bytes that one byte of a text or a picture becomes, parsed, decoded, and on its way to the disk."""
_VARINT, _FIXED64, _LENGTH, _START_GROUP, _, _FIXED32 = range(6)
_VARINT_BITS: Final = 63
_SIZES: Final = {_VARINT: None, _LENGTH: None, _FIXED64: 8, _FIXED32: 4}
"""Bytes of a value by its wire type; None: it says that itself."""


class OverBounds(DecodeError):
    """A protobuf would take more than it may."""


class Span(NamedTuple):
    """The position of a field.

    Attributes:
        tag: Its number and wire type, as they stand there.
        begin: Where the tag stands.
        start: Where the value begins.
        end: Where it ends.
    """

    tag: int
    begin: int
    start: int
    end: int


_Cost = tuple[int, int, Descriptor | None]
"""The cost of a field: of the field itself, of each byte of its value, and the descriptor of its message if
it holds one."""
_UNKNOWN: Final[_Cost] = (8, _COPIES, None)
"""The cost of a field that this version does not know: it is kept as it is."""


def parsed(kind: type[M], data: bytes, most: int = MAX_WEIGHT) -> M:
    """Parse a protobuf.

    Args:
        kind: Its class.
        data: Its bytes.
        most: How much it may weigh.

    Raises:
        OverBounds: It is too large, or would take too much.
        DecodeError: It is none.
    """
    if len(data) > _SMALL:
        weigh(kind.DESCRIPTOR, data, most)
    return kind.FromString(data)


@cache
def tag_of(descriptor: Descriptor, name: str) -> int:
    """The tag of a field that is a message, a text or bytes."""
    return descriptor.fields_by_name[name].number << 3 | _LENGTH


def spans(data: bytes, start: int, end: int) -> Iterator[Span]:
    """The fields of the message that lies there; `weigh` has seen that it is one."""
    position = start
    while position < end:
        begin = position
        tag = data[position]
        position += 1
        if tag > 127:
            tag, position = _varint(data, begin)
        start, size = position, _SIZES.get(tag & 7, 0)
        if size is None:
            size, position = _varint(data, position)
            start, size = (position, size) if tag & 7 == _LENGTH else (start, position - start)
        position = start + size
        yield Span(tag, begin, start, position)


def weigh(descriptor: Descriptor, data: bytes, most: int = MAX_WEIGHT) -> int:
    """Bytes that a protobuf takes parsed, roughly and rather too many.

    Args:
        descriptor: Of its class.
        data: Its bytes.
        most: What it may weigh.

    Raises:
        OverBounds: It weighs more, is larger than any may be, or lies too deep.
        DecodeError: It is no protobuf.
    """
    if len(data) > MAX_BYTES:
        raise OverBounds(f"{len(data)} bytes")
    try:
        return _weigh(descriptor, data, most)
    except IndexError:
        raise DecodeError("truncated") from None


def _weigh(descriptor: Descriptor, data: bytes, most: int) -> int:
    outer: list[tuple[dict[int, _Cost], int]] = []
    fields, position, end, weight = _costs(descriptor), 0, len(data), 0
    while True:
        if position >= end:
            if position > end:
                raise DecodeError("truncated")
            if not outer:
                return weight
            fields, end = outer.pop()
            continue
        begin, size = position, 0
        tag = data[position]
        position += 1
        if tag > 127:
            tag, position = _varint(data, begin)
        kind = tag & 7
        if kind == _LENGTH:
            size = data[position]
            position += 1
            if size > 127:
                size, position = _varint(data, position - 1)
            if position + size > end:
                raise DecodeError("truncated")
        elif kind == _VARINT:
            while data[position] > 127:
                position += 1
            position += 1
        elif kind > _FIXED32:
            raise DecodeError("no protobuf")
        else:
            position += _SIZES.get(kind) or 0
        cost, cost_of_byte, message = fields.get(tag, _UNKNOWN)
        weight += cost + size * cost_of_byte
        if weight > most:
            raise OverBounds(f"more than {most} bytes parsed")
        if message is None or not size:
            position += size
        else:
            if len(outer) >= MAX_DEPTH:
                raise OverBounds("nested too deep")
            outer.append((fields, end))
            fields, end = _costs(message), position + size


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
        if shift > _VARINT_BITS:
            raise DecodeError("no protobuf")


@cache
def _costs(descriptor: Descriptor) -> dict[int, _Cost]:
    """Return the cost of each field, by its tag."""
    costs: dict[int, _Cost] = {}
    for field in descriptor.fields:
        wire = _wire_type(field)
        tag = field.number << 3 | wire
        if field.message_type is not None:
            cost = _MESSAGE + _FIELD * len(field.message_type.fields)
            costs[tag] = (cost, 0, field.message_type)
        elif not field.is_repeated:
            costs[tag] = (0, _COPIES, None)  # its place is within the message
        else:
            costs[tag] = (_ENTRY, _COPIES, None)
            if wire != _LENGTH:  # numbers may be packed, whatever the descriptor says
                costs[field.number << 3 | _LENGTH] = (_ENTRY, _PACKED, None)
    return costs


def _wire_type(field: Any) -> int:
    match field.type:
        case FieldDescriptor.TYPE_DOUBLE | FieldDescriptor.TYPE_FIXED64 | FieldDescriptor.TYPE_SFIXED64:
            return _FIXED64
        case FieldDescriptor.TYPE_FLOAT | FieldDescriptor.TYPE_FIXED32 | FieldDescriptor.TYPE_SFIXED32:
            return _FIXED32
        case FieldDescriptor.TYPE_STRING | FieldDescriptor.TYPE_BYTES | FieldDescriptor.TYPE_MESSAGE:
            return _LENGTH
        case FieldDescriptor.TYPE_GROUP:
            return _START_GROUP
        case _:
            return _VARINT
