"""Conversion of a foreign archive's content to the form and the bounds of this one.

Whoever made the file can have made it up: only the types are known to be right, and not those of details.
"""

from __future__ import annotations

import hashlib
import math
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from whatsapp_mcp import decoding
from whatsapp_mcp.archive.database import value
from whatsapp_mcp.archive.identity import Identities, chat_kind
from whatsapp_mcp.archive.write import WriteContext
from whatsapp_mcp.decoding import EVENT_ANSWERS, OWNER, Content, Flag, MediaInfo
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.jid import Jid, looks_like_number, parse_number
from whatsapp_mcp.models import ChatKind, ForeignFile, ForeignMessage, MessageKind, Unreadable

_FIRST: Final = 1_230_768_000
"""The first second of 2009, when WhatsApp began: nothing was said before."""
_AHEAD: Final = 86_400
"""Seconds. How far ahead a message may be: clocks and zones differ."""
_ID: Final = re.compile(r"[\x21-\x7e]+")
_USER: Final = re.compile(r"[0-9A-Za-z_.-]+")
_LARGEST: Final = 1 << 53
"""Numbers from here on are not exact in every JSON reader."""
_MOST_RECEIPTS: Final = 10_000
"""Most receipts of one message that are taken over."""
_PLACES: Final = {"latitude", "longitude", "accuracy"}
_NUMBERS: Final = {*_PLACES, "expires_at", "starts_at", "ends_at", "pages", "choose"}
_LISTS: Final = {"options", "choices", "mentions", "items"}
_TABLES: Final[dict[str, dict[str, type]]] = {
    "quote": {"sender": str, "text": str},
    "call": {"video": bool, "outcome": str, "duration": int},
    "album": {"images": int, "videos": int},
}
_NEVER: Final = {"secret", "server_id", "left_out"}
"""Details that no file gives: with the secret of a message its add-ons would be opened."""


DRY_PAIRS: Final = "CREATE TEMP TABLE IF NOT EXISTS dry_pairs (jid TEXT PRIMARY KEY, other TEXT NOT NULL)"
"""Temporary table that takes the place of `imported_pairs` in a dry run."""


def possible_time(context: WriteContext, at: int | None) -> bool:
    """Check whether a message may have this time."""
    return at is not None and _FIRST <= at <= context.seconds + _AHEAD


def clean_text(text: str) -> str:
    """Without NUL, at which SQLite's functions end a text."""
    return text.replace("\0", "\ufffd")


@dataclass(slots=True)
class AcceptedMessage:
    """A message of a foreign archive that is taken over.

    Attributes:
        chat: Its address.
        sender: That of who sent it; None: the owner.
        content: What it says; `IMPORTED`.
        edited_at: In seconds.
        foreign: As it stands there, with its add-ons.
    """

    chat: str
    sender: str | None
    content: Content
    edited_at: int | None
    foreign: ForeignMessage


class ForeignReader:
    """Reads messages and addresses of one import.

    Of a person's two addresses it takes the one that is known here, else the number: so nobody is stored
    twice, and nothing has to be believed of who is who.
    """

    def __init__(self, context: WriteContext, number: int, identities: Identities) -> None:
        self._context = context
        self._number = number
        self._identities = identities
        self._chosen: dict[str, str | None] = {}
        if not number:
            context.db.execute(DRY_PAIRS)

    def message(self, message: ForeignMessage) -> AcceptedMessage | Unreadable:
        """A message, or why it is not taken over."""
        chat = self.address(message.chat)
        if chat is None or "@" not in message.chat:
            return Unreadable.NO_CHAT
        if len(message.id) > decoding.MAX_ID or not _ID.fullmatch(message.id):
            return Unreadable.NO_ID
        if not possible_time(self._context, message.at):
            return Unreadable.NO_TIME
        sender = None
        if message.sender is not None:
            # In the chat with one person it can be nobody else's.
            sender = chat if chat_kind(chat) is ChatKind.DIRECT else self.address(message.sender)
            if sender is None:
                return Unreadable.NO_SENDER
        if message.revoked_at is not None and not possible_time(self._context, message.revoked_at):
            message = replace(message, revoked_at=message.at)  # that it was deleted counts all the same
        content = self._content(message)
        edited = message.edited_at_ms
        edited_at = edited // 1000 if edited and possible_time(self._context, edited // 1000) else None
        if edited_at is not None:
            content.flags |= Flag.ONLY_EDITED
        return AcceptedMessage(chat, sender, content, edited_at, message)

    def address(self, text: str) -> str | None:
        """The address that is used for one of the file; None for what is none."""
        if text not in self._chosen:
            self._chosen[text] = _chosen(self._context.db, self._identities, self._number, text)
        return self._chosen[text]

    def _content(self, message: ForeignMessage) -> Content:
        flags = int(Flag.IMPORTED)
        for told, flag in (
            (message.forwarded, Flag.FORWARDED),
            (message.starred, Flag.STARRED),
            (message.view_once, Flag.VIEW_ONCE),
            (message.ephemeral, Flag.EPHEMERAL),
        ):
            flags |= flag if told else 0
        if message.revoked_at is not None:
            return Content(message.kind, flags=int(Flag.IMPORTED))
        reply = message.reply_to if message.reply_to and _ID.fullmatch(message.reply_to) else None
        details = dict(_details(message.details)) if message.details else {}
        content = Content(
            message.kind,
            clean_text(message.text),
            None if message.file is None else _media(message.file),
            flags,
            reply,
            details,
        )
        decoding.bound_content(content)
        mentions = content.details.get("mentions")
        if mentions and any(self._identities.known_contact(jid) == OWNER for jid in mentions):
            content.flags |= Flag.MENTIONS_ME
        return content

    def reactions(self, taken: AcceptedMessage) -> Iterator[tuple[str | None, int, str]]:
        """Address of who reacted (None: the owner), when in milliseconds, and the emoji."""
        for one in taken.foreign.reactions[: decoding.MAX_ADDONS]:
            sender = self._person(one.sender)
            if sender is not _NOBODY and one.emoji and possible_time(self._context, one.at_ms // 1000):
                yield sender, one.at_ms, decoding.bounded_text(clean_text(one.emoji), decoding.EMOJI)

    def votes(self, taken: AcceptedMessage) -> Iterator[tuple[str | None, int, bytes]]:
        """Address of who voted, when, and the SHA-256 of each chosen option."""
        content = taken.content
        names = EVENT_ANSWERS if content.kind is MessageKind.EVENT else content.details.get("options", ())
        for one in taken.foreign.votes[: decoding.MAX_ADDONS]:
            sender = self._person(one.sender)
            if sender is not _NOBODY and possible_time(self._context, one.at_ms // 1000):
                chosen = [names[place] for place in sorted({*one.options}) if 0 <= place < len(names)]
                yield sender, one.at_ms, b"".join(hashlib.sha256(name.encode()).digest() for name in chosen)

    def receipts(self, taken: AcceptedMessage) -> Iterator[tuple[str, decoding.ReceiptKind, int]]:
        """Address of the reader, how far they got, and when."""
        kinds = decoding.ReceiptKind
        for one in taken.foreign.receipts[:_MOST_RECEIPTS]:
            reader = self._person(one.reader)
            if reader is None or reader is _NOBODY:
                continue
            for kind, at in (
                (kinds.DELIVERED, one.delivered_at),
                (kinds.READ, one.read_at),
                (kinds.PLAYED, one.played_at),
            ):
                if at is not None and possible_time(self._context, at):
                    yield reader, kind, at

    def _person(self, text: str | None) -> str | None:
        if text is None:
            return None
        jid = self.address(text)
        return jid if jid is not None and chat_kind(jid) is ChatKind.DIRECT else _NOBODY


_NOBODY: Final = ""
"""Instead of an address that is none."""


def address_of_import(db: sqlite3.Connection, number: int, text: str) -> str | None:
    """The address that an import uses for one of its file, until it is done; None for what is none.

    Args:
        db: The archive.
        number: Of the import.
        text: The address, as it stands in the file.
    """
    return _chosen(db, Identities(db), number, text)


def _chosen(db: sqlite3.Connection, identities: Identities, number: int, text: str) -> str | None:
    jid = _with_server(identities, text) if "@" not in text else parsed(text)
    if jid is None or identities.known(jid):
        return jid
    pairs = "imported_pairs WHERE import_id = ?" if number else "temp.dry_pairs WHERE ? = 0"
    other: str | None = value(db, f"SELECT other FROM {pairs} AND jid = ?", (number, jid))  # noqa: S608
    if other is None:
        return jid
    if identities.known(other):
        return other
    return other if jid.endswith("@lid") else jid


def _with_server(identities: Identities, user: str) -> str | None:
    """Some programs keep what stands before the `@`, of numbers and LIDs alike."""
    if len(user) > decoding.MAX_JID or not _USER.fullmatch(user):
        return None
    number, lid = f"{user}@s.whatsapp.net", f"{user}@lid"
    for jid in (number, lid):
        if identities.known(jid):
            return jid
    return number if _may_be_number(user) else lid


@lru_cache(maxsize=10_000)
def parsed(text: str) -> str | None:
    """A jid without its device; None for what is none."""
    try:
        return str(Jid.parse(text).bare) if len(text) <= decoding.MAX_JID else None
    except InvalidArgument:
        return None


@lru_cache(maxsize=10_000)
def _may_be_number(user: str) -> bool:
    """Check whether digits may be a phone number; WhatsApp keeps a 1 that Mexican ones lost elsewhere."""
    return number_jid(f"+{user}") == f"{user}@s.whatsapp.net" or (user.startswith("521") and len(user) == 13)


def number_jid(name: str) -> str | None:
    """The jid of a phone number; None for what is none."""
    if not looks_like_number(name):
        return None
    try:
        return str(parse_number(name))
    except InvalidArgument:
        return None


def _media(file: ForeignFile) -> MediaInfo:
    return MediaInfo(
        clean_text(file.media_type),
        file.mime_type and clean_text(file.mime_type),
        file.name and clean_text(file.name),
        file.size if file.size is not None and 0 < file.size < decoding.MAX_FILE_BYTES else None,
        _small(file.duration),
        _small(file.width),
        _small(file.height),
        file.direct_path,
        file.url,
        file.media_key,
        file.sha256,
        file.enc_sha256,
    )


def _small(number: int | None) -> int | None:
    return number if number is not None and 0 <= number < 1 << 31 else None


def _details(details: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the details that have the form in which they are read."""
    for key, said in details.items():
        if key in _NEVER:
            continue
        if key in _NUMBERS:
            if _is_number(said):
                yield key, said
        elif key in _LISTS:
            yield key, [clean_text(one) for one in _list(said) if isinstance(one, str)]
        elif key in _TABLES:
            yield from _table(key, said)
        elif key == "contacts":
            yield from _cards(said)
        elif isinstance(said, bool):
            yield key, said
        elif isinstance(said, str):
            yield key, clean_text(said)


def _is_number(said: object) -> bool:
    return isinstance(said, int | float) and math.isfinite(said) and abs(said) < _LARGEST


def _table(key: str, said: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    table: dict[Any, Any] = said if isinstance(said, dict) else {}  # pyright: ignore[reportUnknownVariableType]
    fields: dict[str, Any] = {}
    for name, kind in _TABLES[key].items():
        field_value = table.get(name)
        # Not isinstance: to Python, True is an int.
        if type(field_value) is kind and (kind is not int or _is_number(field_value)):
            fields[name] = clean_text(field_value) if isinstance(field_value, str) else field_value
    if fields:
        yield key, fields


def _cards(said: Any) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Contacts that were sent."""
    cards: list[dict[str, Any]] = []
    for card in _list(said):
        if isinstance(card, dict):
            of_card: dict[Any, Any] = card  # pyright: ignore[reportUnknownVariableType]
            texts = {name: of_card.get(name) for name in ("name", "vcard")}
            numbers = [clean_text(one) for one in _list(of_card.get("numbers")) if isinstance(one, str)]
            fields = {name: clean_text(one) for name, one in texts.items() if isinstance(one, str)}
            cards.append({"name": "", **fields, "numbers": numbers})
    if cards:
        yield "contacts", cards


def _list(said: Any) -> list[Any]:
    return [*said] if isinstance(said, list | tuple) else []
