"""Text that is no UTF-8: WhatsApp's protobufs do not forbid it, and Python's then answer bytes for it.

A sender can write so into any field. The message is read all the same, with U+FFFD for what is no character.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final, get_args

from google.protobuf.message import Message as Proto

from whatsapp_mcp.decoding.updates import Content, MediaInfo, UndecodedUpdate, Update

_PLAIN: Final = {str, int, type(None)}
_MAY_HOLD_TEXT: Final = re.compile(r"\b(str|Content|MediaInfo)\b")
_TEXTS: Final = {
    kind: attrgetter(*names)
    for kind in (*get_args(Update), Content, MediaInfo)
    if len(names := [one.name for one in fields(kind) if _MAY_HOLD_TEXT.search(str(one.type))]) > 1
}
"""What holds text in each kind of update. A lone text was put together by the decoder and is one."""


def is_legible(value: Any) -> bool:
    """Whether no bytes stand where an update, or a part of one, should hold text."""
    kind = type(value)
    if kind is bytes or kind is UndecodedUpdate:
        return False
    if kind in _TEXTS:
        value = _TEXTS[kind](value)
    elif kind is dict:
        value = value.values()
    elif kind is not tuple and kind is not list:
        return True
    return _PLAIN.issuperset(map(type, value)) or all(map(is_legible, value))


def legibly(value: Proto, decode: Callable[[Any], list[Update]]) -> list[Update]:
    """What a protobuf says, with text wherever text should be."""
    try:
        updates = decode(value)
        if all(map(is_legible, updates)):
            return updates
    except (TypeError, AttributeError):
        pass  # bytes stand where the decoder expects text
    make_legible(value)
    return decode(value)


def make_legible(message: Proto) -> None:
    """Put text in place of bytes, in all of a protobuf."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in (value,) if isinstance(value, Proto) else value:
                make_legible(part)
        elif field.type == field.TYPE_STRING:
            if isinstance(value, str | bytes):
                setattr(message, field.name, _text(value))
            else:
                value[:] = [_text(one) for one in value]


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
