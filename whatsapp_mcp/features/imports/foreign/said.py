"""The content of a message in a phone's database, and the parts that Android and iPhone share."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from whatsapp_mcp.models import ForeignFile, MessageKind

MOST_PIXELS: Final = 100_000
_BY_MIME_TYPE: Final = {
    "image": MessageKind.IMAGE,
    "video": MessageKind.VIDEO,
    "audio": MessageKind.AUDIO,
    "application": MessageKind.DOCUMENT,
    "text": MessageKind.DOCUMENT,
}
_MEDIA_TYPES: Final = {MessageKind.GIF: "video", MessageKind.VOICE: "audio"}
_MIME_TYPE: Final = re.compile(r"[a-z]+/[a-z0-9.+-]+(?:; ?[a-z]+=[\w.-]+)*", re.IGNORECASE)
_PATH: Final = re.compile(r"(?!.*(?:^|/)\.\.?(?:/|$))[^\0\\]{1,1024}", re.DOTALL)
_TEL: Final = re.compile(r"^(?:[\w-]+\.)?TEL[^:\n]*:(.+)$", re.MULTILINE | re.IGNORECASE)


class Said(NamedTuple):
    """The content of a message."""

    kind: MessageKind
    text: str = ""
    details: dict[str, Any] | None = None
    file: ForeignFile | None = None


def mime_type_of(value: Any) -> str | None:
    """A value that has the form of a MIME type; None for any other."""
    return value if isinstance(value, str) and len(value) < 256 and _MIME_TYPE.fullmatch(value) else None


def kind_of(mime_type: str | None) -> MessageKind | None:
    """The kind of a message with a file of this type; None for a type that says nothing of it."""
    return _BY_MIME_TYPE.get((mime_type or "").partition("/")[0].lower())


def media_type_of(kind: MessageKind) -> str:
    """Return WhatsApp's name for the file of a message of this kind."""
    return _MEDIA_TYPES.get(kind, kind.value)


def path_of(value: Any) -> str | None:
    """A path that leads out of no folder; None for any other value."""
    return value if isinstance(value, str) and _PATH.fullmatch(value) else None


def numbers_of(card: str) -> list[str]:
    """The phone numbers of a vCard, as they are written there."""
    return [number.strip() for number in _TEL.findall(card)]
