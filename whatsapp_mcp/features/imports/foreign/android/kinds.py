"""The content of a message, by the number of its kind: its words, its file, and details of that kind.

The numbers are those on which several people agree who compared them with their own backups
(docs/importing.md). One that is not here is told by the MIME type that stands beside it.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from whatsapp_mcp.features.imports.foreign.android.parts import Values
from whatsapp_mcp.features.imports.foreign.android.rows import address
from whatsapp_mcp.features.imports.foreign.database import blob_of, text_of
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

AUDIO: Final = 2
CONTACTS: Final = frozenset({4, 14})
PLACES: Final = {5: MessageKind.LOCATION, 16: MessageKind.LIVE_LOCATION}
NOTICE: Final = 7
MISSED_CALL: Final = 10
CALLS: Final = frozenset({8, 10, 90})
WAITING: Final = 11
REVOKED: Final = frozenset({15, 64})
INVITE: Final = 24
TIMER: Final = 36
POLLS: Final = frozenset({66, 106})
EVENT: Final = 92
ALBUM: Final = 99
PRIVACY: Final = 112
VIEW_ONCE: Final = frozenset({42, 43, 82})
ROUND: Final = 81
TEXTS: Final = frozenset({0, 25, 27, 28, 32, 45, 46, 49, 55})
"""A text, and what businesses send, of which the text is here."""
RECORDED: Final = 1
"""The origin of what was recorded in the app."""
_FILES: Final = {
    1: MessageKind.IMAGE,
    AUDIO: MessageKind.AUDIO,
    3: MessageKind.VIDEO,
    9: MessageKind.DOCUMENT,
    13: MessageKind.GIF,
    20: MessageKind.STICKER,
    26: MessageKind.DOCUMENT,
    42: MessageKind.IMAGE,
    43: MessageKind.VIDEO,
    ROUND: MessageKind.VIDEO,
    82: MessageKind.VOICE,
}
_NAME: Final = re.compile(r"^FN[^:\n]*:(.+)$", re.MULTILINE | re.IGNORECASE)
_CARDS: Final = 256
_OPTIONS: Final = 64
_ALBUM: Final = 100_000
_FILE_BYTES: Final = 1 << 53
_SECONDS: Final = 1 << 31
_OUTCOMES: Final = {2: "missed", 3: "rejected", 4: "rejected", 5: "connected"}
_YEAR_5138: Final = 100_000_000_000
"""In seconds; what is more are milliseconds."""


class Media(NamedTuple):
    """The file of a message, as `message_media` describes it."""

    mime_type: Any = None
    path: Any = None
    length: Any = None
    size: Any = None
    width: Any = None
    height: Any = None
    duration: Any = None
    name: Any = None
    key: Any = None
    sha256: Any = None
    enc_sha256: Any = None
    direct_path: Any = None
    url: Any = None
    caption: Any = None
    pages: Any = None
    animated: Any = None


def with_file(number: Any, origin: Any, words: str, media: Media) -> Said | None:
    """A message with a file, or one of a kind that has one; None for any other."""
    mime_type = mime_type_of(media.mime_type)
    kind = _FILES.get(number) or kind_of(mime_type)
    if kind is None:
        return None
    if number == AUDIO and origin == RECORDED:
        kind = MessageKind.VOICE
    details: dict[str, Any] = {}
    if number == ROUND:
        details["round"] = True
    if kind is MessageKind.STICKER and media.animated == 1:
        details["animated"] = True
    if kind is MessageKind.DOCUMENT and (pages := _whole(media.pages, _SECONDS)):
        details["pages"] = pages
    name = text_of(media.name)
    file = ForeignFile(
        media_type_of(kind),
        mime_type or None,
        name if kind is MessageKind.DOCUMENT else None,
        _whole(media.length, _FILE_BYTES) or _whole(media.size, _FILE_BYTES),
        _whole(media.duration, _SECONDS),
        _whole(media.width, MOST_PIXELS),
        _whole(media.height, MOST_PIXELS),
        text_of(media.direct_path),
        text_of(media.url),
        blob_of(media.key),
        _digest(media.sha256),
        _digest(media.enc_sha256),
        place_of(media.path),
    )
    return Said(kind, words or text_of(media.caption) or "", details, file)


def contacts(cards: Sequence[Values], words: str) -> Said:
    """Contacts that somebody sent."""
    entries: list[dict[str, Any]] = []
    for (vcard,) in cards[:_CARDS]:
        card = (text_of(vcard) or "").replace("\r", "")
        name = _NAME.search(card)
        numbers = numbers_of(card)
        entries.append({"name": name[1].strip() if name else "", "numbers": numbers, "vcard": card})
    text = ", ".join(" ".join([card["name"], *card["numbers"]]).strip() for card in entries)
    return Said(MessageKind.CONTACT, text or words, {"contacts": entries} if entries else None)


def place(number: int, values: Values | None, words: str) -> Said:
    """A place that somebody sent."""
    latitude, longitude, name, place_address = values or (None, None, None, None)
    text = ", ".join(part for part in (text_of(name), text_of(place_address)) if part) or words
    details = None
    if (north := _degrees(latitude, 90)) is not None and (east := _degrees(longitude, 180)) is not None:
        details = {"latitude": north, "longitude": east}
    return Said(PLACES[number], text, details)


def poll(options: Sequence[Values], values: Values | None, words: str) -> Said:
    """A poll with its options."""
    names = [text_of(name) or "" for (name,) in options[:_OPTIONS]]
    choose = values[0] if values and isinstance(values[0], int) and 0 <= values[0] <= _OPTIONS else 0
    return Said(MessageKind.POLL, words, {"options": names, "choose": choose})


def event(values: Values, words: str) -> Said:
    """An event to which people are invited."""
    name, description, location, location_address, starts, ends, link, cancelled = values
    details: dict[str, Any] = {"starts_at": _moment(starts) or 0, "cancelled": cancelled == 1}
    if ends_at := _moment(ends):
        details["ends_at"] = ends_at
    if text_of(link):
        details["join_link"] = text_of(link)
    if where := text_of(location) or text_of(location_address):
        details["place"] = where
    parts = (text_of(name) or words, text_of(description), details.get("place"))
    return Said(MessageKind.EVENT, "\n".join(part for part in parts if part), details)


def call(video: Any, duration: Any = None, result: Any = None) -> dict[str, Any]:
    """The details of a call."""
    details: dict[str, Any] = {"video": video == 1}
    length = _whole(duration, _SECONDS)
    # The numbers of results have changed; what took a while was answered under any.
    outcome = "connected" if length else _OUTCOMES.get(result) if isinstance(result, int) else None
    if outcome:
        details["outcome"] = outcome
    if length:
        details["duration"] = length
    return {"call": details}


def invite(values: Values, words: str) -> Said:
    """An invitation to a group."""
    group, name, code, expires = values
    title = text_of(name) or ""
    details: dict[str, Any] = {"what": "group invite", "title": title}
    details["invite"] = {"group": address(group) or "", "code": text_of(code) or ""}
    if expires_at := _moment(expires):
        details["expires_at"] = expires_at
    return Said(MessageKind.TEXT, "\n".join(filter(None, (title, words))), details)


def album(values: Values) -> Said:
    """Return the notice that precedes files sent together."""
    images, videos = (_whole(values[at], _ALBUM) or _whole(values[at + 2], _ALBUM) or 0 for at in (0, 1))
    counts = {"images": images, "videos": videos}
    return Said(MessageKind.SYSTEM, f"Album of {images + videos} files", {"album": counts})


def place_of(value: Any) -> str | None:
    """Return the path of a file in the folder `WhatsApp`; None for one that leads out of it."""
    path = path_of(value)
    if path is None:
        return None
    _, marker, below = path.rpartition("/WhatsApp/")
    return (below if marker else path.lstrip("/")) or None


def _degrees(value: Any, most: int) -> float | None:
    is_one = isinstance(value, int | float) and math.isfinite(value) and abs(value) <= most
    return round(value, 6) if is_one else None


def _moment(value: Any) -> int | None:
    """Seconds of a time in seconds or milliseconds."""
    timestamp = _whole(value, 1 << 53)
    return None if timestamp is None else timestamp // 1000 if timestamp > _YEAR_5138 else timestamp


def _whole(value: Any, end: int) -> int | None:
    return value if isinstance(value, int) and 0 < value < end else None


def _digest(value: Any) -> bytes | None:
    """A SHA-256, which these databases keep in base64."""
    if not isinstance(value, str) or len(value) != 44:
        return None
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
