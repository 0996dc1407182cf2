"""Limits of what the archive takes in of others' content: the one table of them, and the cutting.

Each limit is several times what WhatsApp's own apps let a person write, so nothing honest is cut. A text that
is cut ends in `…`; of a list that is cut the details say how many are left out (`left_out`); an id or a jid
that is cut becomes `CUT-` and a hash, so that two of them stay two and whatever names them still meets. The
message itself always stays, and its raw form is in `raw.db`.

A text that is no UTF-8 is taken in, too: WhatsApp's protobufs do not forbid it, a sender can write so into
any field, and Python's then answer bytes for it. It has U+FFFD for what is no character.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final, get_args

from google.protobuf.message import Message as Proto

from whatsapp_mcp.decoding.updates import (
    Content,
    EditUpdate,
    MediaInfo,
    MembersUpdate,
    MessageUpdate,
    ReceiptUpdate,
    UndecodedUpdate,
    Update,
)

MAX_TEXT: Final = 65_536
"""Characters of a message; the apps stop there too."""
MAX_NAME: Final = 256
"""Most characters of the name of a person, group or channel; the apps allow 25 for a push name, 100 for a
subject or channel."""
OPTION: Final = 256
"""Most characters of a poll's option or a button; the apps allow 100."""
OPTIONS: Final = 64
"""Options of a poll (the apps: 12), or rows of a business's list (10)."""
MENTIONS: Final = 1_024
"""People mentioned; a group has so many members at most."""
CARDS: Final = 256
"""Contacts in one message; the apps: 257 in all."""
NUMBERS: Final = 32
"""Numbers of one contact."""
VCARD: Final = 8_000
"""Most characters of one contact's card."""
DETAIL: Final = 2_048
"""Any other text of a message: a link, a place; descriptions have so many at most."""
ENTRIES: Final = 64
"""Any other list or table of a message."""
DETAILS: Final = 131_072
"""Characters of all details of a message together."""
MAX_JID: Final = 128
"""WhatsApp's own have 32 at most."""
MAX_ID: Final = 128
"""Most characters of the id of a message or call; WhatsApp's own have 32 at most."""
FILE_NAME: Final = 255
"""Most characters of a file name, as file systems have it; a longer name keeps its end, which shows the type
of the file."""
MIME_TYPE: Final = 255
"""RFC 6838, 4.2: 127 on each side of the slash."""
MAX_FILE_BYTES: Final = 1 << 53
"""Bytes that a file's size has to stay below; JSON numbers hold this exactly."""
URL: Final = 4_096
"""Most characters of a file's place on WhatsApp's servers."""
MAX_THUMBNAIL: Final = 65_536
"""Bytes of the small picture in a message; the apps' have a few thousand."""
KEY: Final = 64
"""Bytes of a key, hash or initialisation vector, which have 32 at most."""
EMOJI: Final = 32
"""Code points; the longest emoji there is has 10."""
MEMBERS: Final = 10_000
"""Most members of one list; a community's announcement group has 5,000 at most."""
RECEIPTS: Final = 10_000
"""Messages that one receipt names."""
MAX_ADDONS: Final = 1_024
"""Reactions, or votes, of one message: one each of a full group."""
MAX_EDITS: Final = 16
"""Texts of one message that are kept beside the first one."""
MAX_PAGE: Final = 2_000_000
"""Characters of texts and details on a page of messages: one that is full before its limit ends there."""
MAX_EARLIER: Final = 8_192
"""Characters of what an edited message said before, the newest of it, in a list; `edits` returns all."""
MAX_QUOTE: Final = 500
"""Characters of a quoted message that are shown with the reply."""
_PATH: Final = re.compile(r"/[\x21-\x7e]*")
_URL: Final = re.compile(rf"https://(?:[a-z0-9-]+\.)+whatsapp\.net{_PATH.pattern}")
"""Form of an address on WhatsApp's servers: any other that a sender names is dropped."""
_END: Final = 20
"""Characters at the end of a long file name that stay."""
_LIST_LIMITS: Final = {"options": OPTIONS, "mentions": MENTIONS, "contacts": CARDS, "numbers": NUMBERS}
_TEXT_LIMITS: Final = {
    "vcard": VCARD,
    "options": OPTION,
    "choices": OPTION,
    "name": MAX_NAME,
    "title": MAX_NAME,
}
_DEPTH: Final = 4
"""Most levels of lists and objects in the details of a message."""
_PLAIN: Final = {str, int, type(None)}
_MAY_HOLD_TEXT: Final = re.compile(r"\b(str|Content|MediaInfo)\b")
_TEXTS: Final = {
    kind: attrgetter(*names)
    for kind in (*get_args(Update), Content, MediaInfo)
    if len(names := [one.name for one in fields(kind) if _MAY_HOLD_TEXT.search(str(one.type))]) > 1
}
"""Getters of the fields that may hold text, by kind of update. Kinds with a single such field are left out:
the decoder put that text together."""

Cut = tuple[int, Callable[[Any, int], Any]]


def bounded_text(value: str, limit: int) -> str:
    """A text of at most so many characters; `…` stands for the rest."""
    return value if len(value) <= limit else f"{value[: limit - 1]}…"


def identifier(value: str, limit: int = MAX_ID) -> str:
    """An id; one that is too long becomes another that no other becomes."""
    if len(value) <= limit:
        return value
    return f"CUT-{hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()[:32].upper()}"


def address(value: str, limit: int = MAX_JID) -> str:
    """A jid; one that is too long becomes another at the same server."""
    if len(value) <= limit:
        return value
    return f"{identifier(value, limit)}@{value.rpartition('@')[2][:32]}"


def _file_name(value: str, limit: int) -> str:
    return f"{value[: limit - _END - 1]}…{value[-_END:]}"


def _blob(value: bytes, limit: int) -> bytes:
    return value[:limit]


_BY_NAME: Final[dict[str, Cut]] = {
    **dict.fromkeys(("chat", "sender", "contact", "jid", "pn", "lid", "community"), (MAX_JID, address)),
    **dict.fromkeys(("voter_jid", "sender_jid"), (MAX_JID, address)),
    **dict.fromkeys(("wa_id", "own_id"), (MAX_ID, identifier)),
    **dict.fromkeys(
        ("name", "push_name", "business_name", "saved_name", "given_name", "reason"), (MAX_NAME, bounded_text)
    ),
    "emoji": (EMOJI, bounded_text),
    "options": (32 * OPTIONS, _blob),
    "iv": (KEY, _blob),
    "media_type": (MAX_ID, bounded_text),
    "mime_type": (MIME_TYPE, bounded_text),
    "file_name": (FILE_NAME, _file_name),
    **dict.fromkeys(("direct_path", "url"), (URL, bounded_text)),
    **dict.fromkeys(("media_key", "sha256", "enc_sha256"), (KEY, _blob)),
}
"""Limit and cutting function of each field, by its name in every kind of update."""
FIELDS: Final[dict[type, tuple[tuple[str, int, Callable[[Any, int], Any]], ...]]] = {
    kind: tuple((one.name, *_BY_NAME[one.name]) for one in fields(kind) if one.name in _BY_NAME)
    for kind in (*get_args(Update), MediaInfo)
}
"""Fields that others fill, with their limits."""


def bound_update(update: Update) -> None:
    """Cut an update, in place, to what the archive takes in."""
    _bound_fields(update)
    if isinstance(update, MessageUpdate | EditUpdate):
        bound_content(update.content)
    elif isinstance(update, MembersUpdate):
        update.members = tuple([(address(jid), role) for jid, role in update.members[:MEMBERS]])
    elif isinstance(update, ReceiptUpdate):
        update.wa_ids = tuple([identifier(one) for one in update.wa_ids[:RECEIPTS]])


def bound_content(content: Content) -> None:
    """Cut what a message says, in place."""
    if len(content.text) > MAX_TEXT:
        content.text = bounded_text(content.text, MAX_TEXT)
    if content.reply_to is not None:
        content.reply_to = identifier(content.reply_to)
    if content.media is not None:
        _bound_media(content.media)
    if content.details:
        content.details = _Details().bounded(content.details)


def _bound_media(media: MediaInfo) -> None:
    """Cut what a message says of its file; the places that it may be fetched from are WhatsApp's alone."""
    _bound_fields(media)
    if media.url is not None and not _URL.fullmatch(media.url):
        media.url = None
    if media.direct_path is not None and not _PATH.fullmatch(media.direct_path):
        media.direct_path = None


def _bound_fields(value: Any) -> None:
    for name, limit, cut in FIELDS[type(value)]:
        field = getattr(value, name)
        if field is not None and len(field) > limit:
            setattr(value, name, cut(field, limit))


class _Details:
    """Cuts the details of one message."""

    def __init__(self) -> None:
        self._room = DETAILS
        self._left_out: dict[str, int] = {}

    def bounded(self, details: dict[str, Any]) -> dict[str, Any]:
        """The details, and how much of which list is left out."""
        entries = {key: self._value(key, value, 0) for key, value in details.items()}
        return {**entries, "left_out": self._left_out} if self._left_out else entries

    def _value(self, key: str, value: Any, depth: int) -> Any:
        match value:
            case str():
                return self._text(key, value)
            case list() if depth < _DEPTH:
                return [self._value(key, one, depth + 1) for one in self._some(key, value)]
            case dict() if depth < _DEPTH:
                some = self._some(key, list(value.items()))
                return {bounded_text(name, OPTION): self._value(name, one, depth + 1) for name, one in some}
            case int() | float():
                return value
            case _:
                return None

    def _text(self, key: str, value: str) -> str:
        if key == "mentions":
            value = address(value)
        elif key == "secret":
            value = value[: 2 * KEY]
        else:
            # At least 1: with a limit of 0 `bounded_text` would cut the last character and keep the rest.
            value = bounded_text(value, min(_TEXT_LIMITS.get(key, DETAIL), max(self._room, 1)))
        self._room -= len(value)
        return value

    def _some(self, key: str, values: list[Any]) -> list[Any]:
        limit = _LIST_LIMITS.get(key, ENTRIES) if self._room > 0 else 0
        if len(values) > limit:
            self._left_out[key] = self._left_out.get(key, 0) + len(values) - limit
        return values[:limit]


def is_legible(value: Any) -> bool:
    """Return whether an update, or a part of one, holds no bytes where it should hold text."""
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
    """Decode a protobuf, with text wherever text should be."""
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
