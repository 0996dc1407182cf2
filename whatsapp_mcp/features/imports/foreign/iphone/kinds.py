"""One row of `ZWAMESSAGE`: its kind, its words, its file.

The numbers of `ZMESSAGETYPE` are WhatsApp's own and nowhere published. Here are those on which several people
agree who compared them with the files of their own backups (docs/importing.md). A number that is not here is
told by the MIME type that stands beside it, since a new number may be a photo of a new sort.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final, NamedTuple

from whatsapp_mcp.features.imports.foreign.database import number_of, text_of
from whatsapp_mcp.features.imports.foreign.iphone.blobs import jid, keys
from whatsapp_mcp.features.imports.foreign.said import (
    MOST_PIXELS,
    Said,
    kind_of,
    media_type_of,
    mime_type_of,
    numbers_of,
    path_of,
)
from whatsapp_mcp.models import ForeignFile, MessageKind

EPOCH: Final = 978_307_200
"""2001-01-01 as seconds since 1970: Core Data counts from there."""
DELETED: Final = 14
CALL: Final = 59
POLLS: Final = frozenset({46, 66})
_GROUP_EVENT, _NOTICE = 6, 10
_TEXTS: Final = frozenset({0, 7})
_CONTACT: Final = 4
_LOCATION: Final = 5
_KINDS: Final = {
    **dict.fromkeys((1, 20, 38), MessageKind.IMAGE),
    **dict.fromkeys((2, 39, 43, 54), MessageKind.VIDEO),
    3: MessageKind.AUDIO,
    **dict.fromkeys((8, 24), MessageKind.DOCUMENT),
    11: MessageKind.GIF,
    15: MessageKind.STICKER,
    53: MessageKind.VOICE,
}
_RECORDED: Final = 1
"""`ZMEDIAORIGIN` of a voice note; an audio file has 0."""
_TIMED: Final = frozenset({MessageKind.VIDEO, MessageKind.GIF, MessageKind.AUDIO, MessageKind.VOICE})
_SIZED: Final = frozenset({MessageKind.IMAGE, MessageKind.VIDEO, MessageKind.GIF, MessageKind.STICKER})
_SUBJECT, _JOINED, _LEFT, _PICTURE = 1, 2, 3, 4
_MOST_PEOPLE: Final = 1_024


class Media(NamedTuple):
    """A row of `ZWAMEDIAITEM`, whose columns mean something else with each kind of message."""

    path: Any = None
    size: Any = None
    duration: Any = None
    title: Any = None
    latitude: Any = None
    longitude: Any = None
    url: Any = None
    vcard: Any = None
    vcard_name: Any = None
    key: Any = None
    metadata: Any = None
    origin: Any = None


def is_event(kind: object) -> bool:
    """Return whether a row reports an event rather than a person's words."""
    return kind in (_GROUP_EVENT, _NOTICE)


def seconds(date: Any) -> int | None:
    """Seconds since 1970 of a time of Core Data; 0 is a column that nobody filled in."""
    if not isinstance(date, int | float) or not math.isfinite(date) or not 0 < date < 1 << 40:
        return None
    return int(date) + EPOCH


def said(kind: int, event: Any, text: Any, member: str | None, media: Media) -> Said:
    """Return the content of a row that is no call and no poll and was not deleted.

    Args:
        kind: Its `ZMESSAGETYPE`.
        event: Its `ZGROUPEVENTTYPE`, which means something with group events alone.
        text: Its `ZTEXT`.
        member: Who wrote it.
        media: What stands beside it.

    Raises:
        ValueError: A blob of it is damaged.
    """
    words = text_of(text) or ""
    if kind in _TEXTS:
        return Said(MessageKind.TEXT, words)
    if kind == _GROUP_EVENT:
        return _group_event(event, words, member)
    if kind == _CONTACT:
        return _contact(words, media)
    if kind == _LOCATION:
        return _location(words, media)
    mime_type = mime_type_of(media.vcard)
    message_kind = _KINDS.get(kind) or kind_of(mime_type)
    if message_kind is None:
        return Said(MessageKind.UNKNOWN, words, {"type": f"iPhone {kind}"})
    if message_kind is MessageKind.AUDIO and (media.origin == _RECORDED or "opus" in (mime_type or "")):
        message_kind = MessageKind.VOICE
    return _with_file(message_kind, words, mime_type, media)


def _group_event(event: Any, words: str, member: str | None) -> Said:
    subject = _subject(words) if words.startswith("{") else words if event == _SUBJECT else None
    if subject:
        return Said(MessageKind.SYSTEM, f"changed the group's name to {subject}")
    if event == _JOINED:
        people = [
            participant for part in words.split(",")[:_MOST_PEOPLE] if (participant := jid(part.strip()))
        ]
        if people == [member]:
            return Said(MessageKind.SYSTEM, "joined")
        if people:
            names = ", ".join(f"@{person.partition('@')[0]}" for person in people)
            return Said(MessageKind.SYSTEM, f"joined: {names}", {"mentions": people})
    if event == _LEFT and member:
        return Said(MessageKind.SYSTEM, "left")
    if event == _PICTURE:
        return Said(MessageKind.SYSTEM, "changed the group's picture")
    code = event if isinstance(event, int) else "?"
    return Said(MessageKind.UNKNOWN, "", {"type": f"iPhone {_GROUP_EVENT}/{code}"})


def _subject(words: str) -> str | None:
    """The new name of a group, of the JSON object that newer versions write."""
    try:
        document = json.loads(words)
    except (ValueError, RecursionError):
        return None
    subject = document.get("subject") if isinstance(document, dict) else None
    return subject if isinstance(subject, str) else None


def _contact(words: str, media: Media) -> Said:
    card = (text_of(media.vcard) or "").replace("\r", "")
    name = text_of(media.vcard_name) or text_of(media.title) or words
    numbers = numbers_of(card)
    details = {"contacts": [{"name": name, "numbers": numbers, "vcard": card}]}
    return Said(MessageKind.CONTACT, " ".join([name, *numbers]).strip(), details)


def _location(words: str, media: Media) -> Said:
    place, coordinates = text_of(media.title) or words, (media.latitude, media.longitude)
    # Without a fix both are 0, a place in the sea.
    if (
        any(coordinates)
        and all(isinstance(each, int | float) for each in coordinates)
        and abs(coordinates[0]) <= 90
        and abs(coordinates[1]) <= 180
    ):
        details = {"latitude": round(coordinates[0], 6), "longitude": round(coordinates[1], 6)}
        return Said(MessageKind.LOCATION, place, details)
    return Said(MessageKind.LOCATION, place)


def _with_file(kind: MessageKind, words: str, mime_type: str | None, media: Media) -> Said:
    title = text_of(media.title)
    named = kind is MessageKind.DOCUMENT
    media_key, enc_sha256 = keys(media.key)
    width, height = (whole(each, MOST_PIXELS) for each in (media.latitude, media.longitude))
    file = ForeignFile(
        media_type_of(kind),
        mime_type=mime_type,
        name=title if named else None,
        size=whole(media.size, 1 << 53),
        # Of a document it is the number of its pages.
        duration=whole(media.duration, 1 << 31) if kind in _TIMED else None,
        width=width if kind in _SIZED else None,
        height=height if kind in _SIZED else None,
        url=text_of(media.url),
        media_key=media_key,
        enc_sha256=enc_sha256,
        path=_path(media.path),
    )
    return Said(kind, words or ("" if named else title or ""), None, file)


def _path(value: Any) -> str | None:
    """Return the path of a file in WhatsApp's folder; the column begins below `Message`."""
    path = path_of(value)
    return None if path is None else f"Message/{path.lstrip('/')}"


def whole(value: Any, end: int) -> int | None:
    """A whole number above 0 and below `end`, of a column that may hold a float; None for what is none."""
    number = int(value) if isinstance(value, float) and math.isfinite(value) else number_of(value)
    return number if number is not None and 0 < number < end else None
