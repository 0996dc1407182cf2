"""Taking over chats that WhatsApp exported as a text.

An export has no message ids, so a message counts as there already when the chat holds the same text from the
same side within a minute; ids are made of what was said, so that a second import adds nothing.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Collection, Sequence
from typing import Any, Final

from whatsapp_mcp.archive.database import ID_BITS, column, fold, value
from whatsapp_mcp.archive.exchange.foreign_reading import AcceptedMessage, clean_text, number_jid
from whatsapp_mcp.archive.exchange.prepared_imports import MADE, DatedMessage
from whatsapp_mcp.archive.identity import chat_kind
from whatsapp_mcp.decoding import Content, Flag, MediaInfo
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.models import ChatKind, ExportedMessage, ForeignMessage, MessageKind

NEAR: Final = 61
"""Seconds within which an exported message may be one that is here: Android writes whole minutes."""
_PAST_MADE: Final = MADE[:-1] + chr(ord(MADE[-1]) + 1)
"""The first text after all made ids: a range goes by the index of ids, LIKE would not."""
_MENTION: Final = re.compile(r"@?\u2068[^\u2068\u2069]*\u2069|@\d{5,}")
"""A mention: in an export a name between Unicode's isolates, in a message a number."""
_KINDS: Final = {
    "image": (MessageKind.IMAGE, "image"),
    "video": (MessageKind.VIDEO, "video"),
    "audio": (MessageKind.AUDIO, "audio"),
}
_NEAR_ROWS: Final = f"""SELECT m.id, m.ref, m.kind, m.flags, m.edited_at, m.revoked_at, m.text,
 d.message_id IS NOT NULL FROM messages AS m LEFT JOIN media AS d ON d.message_id = m.id
 WHERE m.chat_id = ? AND m.id BETWEEN (? - {NEAR}) << {ID_BITS} AND (? + {NEAR}) << {ID_BITS}
 AND (m.sender_id = 0) = ?"""  # noqa: S608


def people_of_export(
    db: sqlite3.Connection, chat: str, names: Sequence[str], me: str | None, title: str
) -> tuple[tuple[str, str | None], ...]:
    """Return the person of each name in an export: a jid, or None for the owner.

    Args:
        db: The archive.
        chat: Jid of the chat that it is.
        names: Those in it.
        me: The owner's, where it is not the one on WhatsApp.
        title: What the file is called, which may name the other one.

    Raises:
        InvalidArgument: Which of two is the owner is not known.
    """
    own = value(db, "SELECT name_norm FROM contacts WHERE id = 0")
    ours = {fold(me)} if me else {*own.split("\n"), "you"}
    people: dict[str, str | None] = {name: None for name in names if fold(name) in ours}
    others = [name for name in names if name not in people]
    if chat_kind(chat) is ChatKind.DIRECT:
        theirs = _theirs(db, chat, others, title)
        if len(others) > 1 and not theirs and not people:
            raise InvalidArgument(
                f"It is not clear which of {' and '.join(others[:3])} you are.",
                "Give your own name in the export with --me.",
            )
        people |= {name: chat if name in (theirs or others) else None for name in others}
    else:
        people |= {name: number_jid(name) or _by_name(db, name) for name in others}
    return tuple(people.items())


def _theirs(db: sqlite3.Connection, chat: str, names: list[str], title: str) -> list[str]:
    """The names that the other one of a direct chat is known to have: here, by number, in the file's name."""
    here = "SELECT c.name_norm FROM addresses AS a JOIN contacts AS c ON c.id = a.contact_id WHERE a.jid = ?"
    known = (value(db, here, (chat,)) or "").split("\n")
    matches = [name for name in names if fold(name) in known or number_jid(name) == chat]
    return matches or [name for name in names if fold(name) in fold(title)]


def _by_name(db: sqlite3.Connection, name: str) -> str:
    """The jid of the one person with this name, else an address that stands for the name alone."""
    jids = [
        row[0]
        for row in db.execute(
            "SELECT coalesce(pn, lid), name_norm FROM contacts WHERE id != 0 AND name_norm LIKE ?",
            (f"%{fold(name)}%",),
        ).fetchall()
        if row[0] and fold(name) in row[1].split("\n")
    ]
    return jids[0] if len(jids) == 1 else f"{hashlib.sha256(fold(name).encode()).hexdigest()[:16]}@import"


def exported_message(
    dated_message: DatedMessage, sent_at: int, chat: str, sender: str | None
) -> AcceptedMessage:
    """An exported message in the form of one of another archive."""
    foreign = ForeignMessage(dated_message.wa_id, chat, sender, sent_at)
    return AcceptedMessage(
        chat, sender, _content(dated_message.message, dated_message.mime_type), None, foreign
    )


def _content(message: ExportedMessage, mime_type: str | None) -> Content:
    text = clean_text(message.text)
    flags = int(Flag.IMPORTED)
    if message.name is None:
        return Content(MessageKind.SYSTEM, text, flags=flags)
    if message.file is None or mime_type is None:
        return Content(MessageKind.TEXT, text, flags=flags)
    kind, media_type = _KINDS.get(mime_type.partition("/")[0], (MessageKind.DOCUMENT, "document"))
    if message.file.endswith(".webp"):
        kind, media_type = MessageKind.STICKER, "sticker"
    elif message.file.endswith(".opus"):
        kind, media_type = MessageKind.VOICE, "audio"
    return Content(kind, text, MediaInfo(media_type, mime_type, message.file), flags)


def find_here(
    db: sqlite3.Connection, chat: int, message: ExportedMessage, sent_at: int, *, is_own: bool, used: set[int]
) -> tuple[int, bool] | None:
    """The message that an exported one is, of those that none was taken for yet; None: it is not here.

    Answers its ref, and whether a file brought it.

    Args:
        db: The archive.
        chat: Number of the chat.
        message: The exported one.
        sent_at: Seconds since 1970.
        is_own: The owner sent it.
        used: Ids of those that others are; the found one is added.
    """
    wanted, has_file = _comparable(message.text), message.file is not None
    for found, ref, _, flags, _, _, text, with_file in db.execute(
        _NEAR_ROWS, (chat, sent_at, sent_at, is_own)
    ).fetchall():
        same = bool(with_file) == has_file and _comparable(text) == wanted
        if found not in used and (same or (message.omitted and with_file)):
            used.add(found)
            return ref, bool(flags & Flag.IMPORTED)
    return None


def find_exported(
    db: sqlite3.Connection, chat: int, taken: AcceptedMessage, *, is_own: bool
) -> tuple[Any, ...] | None:
    """The message made of an exported chat that says what one with an id says.

    Returns:
        Its id, ref, kind, flags, and the times of an edit and a deletion.
    """
    rows = db.execute(
        f"{_NEAR_ROWS} AND m.wa_id >= ? AND m.wa_id < ? AND m.flags & {int(Flag.IMPORTED)}",
        (chat, taken.foreign.at, taken.foreign.at, is_own, MADE, _PAST_MADE),
    ).fetchall()
    has_file, wanted = taken.content.media is not None, _comparable(taken.content.text)
    for *row, text, with_file in rows:
        if bool(with_file) == has_file and _comparable(text) == wanted:
            return tuple(row)
    return None


def with_exports(db: sqlite3.Connection, chats: Collection[int]) -> set[int]:
    """Return those of the chats that have messages made from an exported chat."""
    places = ", ".join(["(?)"] * len(chats))
    made = f"""WITH k (chat) AS (VALUES {places}) SELECT chat FROM k
        WHERE EXISTS (SELECT 1 FROM messages WHERE chat_id = chat AND wa_id >= ? AND wa_id < ?)"""  # noqa: S608
    return {*column(db, made, [*chats, MADE, _PAST_MADE])}


def _comparable(text: str) -> str:
    """A text without its mentions: an export shows names there, a message holds numbers."""
    return _MENTION.sub("@", text).strip()
