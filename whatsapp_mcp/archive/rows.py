"""Rows of the archive to the models that the other rooms know."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from whatsapp_mcp.archive import votes
from whatsapp_mcp.archive.calls import call_text
from whatsapp_mcp.archive.facts import (
    CALL,
    CHAT_KINDS,
    EVENT,
    EVENT_ANSWERS,
    MESSAGE_KINDS,
    OWNER,
    POLL,
    Flag,
)
from whatsapp_mcp.archive.identity import chat_kind
from whatsapp_mcp.archive.names import NAME_SQL, number_of
from whatsapp_mcp.archive.progress import ChatProgress
from whatsapp_mcp.archive.schema import ID_BITS
from whatsapp_mcp.models import (
    Chat,
    Contact,
    Media,
    Message,
    PollOption,
    Quote,
    Reaction,
)

CHAT_NAME: Final = f"""CASE WHEN c.contact_id IS NOT NULL THEN {NAME_SQL.format(c="cc")}
 WHEN c.jid = 'status@broadcast' THEN 'Status' ELSE coalesce(c.name, c.jid) END"""

MESSAGE_SELECT: Final = f"""SELECT m.id, m.ref, m.chat_id, m.sender_id, m.wa_id, m.kind, m.flags, m.text,
 m.reply_wa_id, m.edited_at, m.revoked_at, m.details, c.jid, {CHAT_NAME},
 CASE WHEN m.sender_id = -1 THEN c.jid ELSE coalesce(s.pn, s.lid, '') END,
 CASE WHEN m.sender_id = -1 THEN {CHAT_NAME} ELSE {NAME_SQL.format(c="s")} END,
 d.mime_type, d.file_name, d.size, d.duration, d.width, d.height, d.path, d.media_type
 FROM messages AS m JOIN chats AS c ON c.id = m.chat_id
 LEFT JOIN contacts AS cc ON cc.id = c.contact_id
 LEFT JOIN contacts AS s ON s.id = m.sender_id
 LEFT JOIN media AS d ON d.message_id = m.id
"""  # noqa: S608
"""Everything of a message but what hangs on it; a WHERE may follow."""

_FORWARDED: Final = int(Flag.FORWARDED)
_MENTIONS_ME: Final = int(Flag.MENTIONS_ME)
_STARRED: Final = int(Flag.STARRED)
_VIEW_ONCE: Final = int(Flag.VIEW_ONCE)
_NO_DETAILS: Final[dict[str, Any]] = {}
_HIDDEN_DETAILS: Final = ("secret", "mentions", "quote", "call", "options", "server_id")


def time_of(message: int) -> datetime:
    """The time in a message's id."""
    return datetime.fromtimestamp(message >> ID_BITS, UTC)


def moment(seconds: int | None) -> datetime | None:
    """Seconds since 1970 as a time."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def messages(
    db: sqlite3.Connection, rows: Sequence[Any], snippets: dict[int, str] | None = None
) -> tuple[Message, ...]:
    """Rows of `MESSAGE_SELECT` as messages, with what hangs on them, in the same order."""
    if not rows:
        return ()
    details = {row[0]: json.loads(row[11]) for row in rows if row[11]}
    hanging = _Hanging(
        _reactions(db, list({(row[2], row[4]) for row in rows})),
        _quotes(db, list({(row[2], row[8]) for row in rows if row[8]})),
        _names(db, {jid for found in details.values() for jid in _mentioned(found)}),
        {chat: ChatProgress(db, chat) for chat in {row[2] for row in rows if row[3] == OWNER}},
        snippets or {},
    )
    return tuple([_message(db, row, details.get(row[0], _NO_DETAILS), hanging) for row in rows])


@dataclass(frozen=True, slots=True)
class _Hanging:
    """What hangs on the messages of a page: by (chat, WhatsApp id), by jid, by chat, by message."""

    reactions: dict[tuple[int, str], list[Reaction]]
    quotes: dict[tuple[int, str], Quote]
    names: dict[str, str]
    progress: dict[int, ChatProgress]
    snippets: dict[int, str]


def _mentioned(details: dict[str, Any]) -> list[str]:
    quote = details.get("quote")
    return [*details.get("mentions", ()), *([quote["sender"]] if quote and quote.get("sender") else [])]


def _message(db: sqlite3.Connection, row: Any, details: dict[str, Any], hanging: _Hanging) -> Message:
    message, ref, chat, sender, wa_id, kind, flags, text, reply, edited_at, revoked_at = row[:11]
    public = None
    if kind == CALL:
        text = call_text(db, chat, wa_id, sender == OWNER, details.get("call", {}), text)
    if details:
        text = with_names(text, details.get("mentions", ()), hanging.names)
        public = {key: value for key, value in details.items() if key not in _HIDDEN_DETAILS} or None
    reactions = hanging.reactions.get((chat, wa_id))
    return Message(
        ref=ref,
        message_id=wa_id,
        chat=row[12],
        chat_name=row[13],
        sender=row[14],
        sender_name=row[15],
        from_me=sender == OWNER,
        kind=MESSAGE_KINDS[kind],
        text=text,
        timestamp=time_of(message),
        status=hanging.progress[chat].status(message) if sender == OWNER else None,
        media=_media(row, flags) if row[23] else None,
        quote=_quote(chat, reply, details, hanging) if reply else None,
        reactions=tuple(reactions) if reactions else (),
        poll=_poll(db, chat, wa_id, kind, details),
        edited_at=moment(edited_at),
        revoked_at=moment(revoked_at),
        forwarded=bool(flags & _FORWARDED),
        mentions_me=bool(flags & _MENTIONS_ME),
        starred=bool(flags & _STARRED),
        snippet=hanging.snippets.get(message),
        details=public,
    )


def _quote(chat: int, reply: str, details: dict[str, Any], hanging: _Hanging) -> Quote:
    """The message that is answered: as it is in the archive, else as the reply tells it."""
    found = hanging.quotes.get((chat, reply))
    if found is not None:
        return found
    told = details.get("quote") or {}
    return Quote(reply, None, hanging.names.get(told.get("sender") or ""), told.get("text"))


def with_names(text: str, mentions: Iterable[str], names: dict[str, str]) -> str:
    """The text with names in place of the numbers of mentioned people."""
    for jid in mentions:
        name = names.get(jid) or number_of(jid)
        if name:
            text = text.replace(f"@{jid.partition('@')[0]}", f"@{name}")
    return text


def _media(row: Any, flags: int) -> Media:
    mime_type, file_name, size, duration, width, height, path = row[16:23]
    return Media(mime_type, file_name, size, duration, width, height, path, bool(flags & _VIEW_ONCE))


def _pairs(keys: Sequence[tuple[int, str]]) -> tuple[str, list[Any]]:
    return ", ".join(["(?, ?)"] * len(keys)), [value for key in keys for value in key]


def _reactions(
    db: sqlite3.Connection, keys: Sequence[tuple[int, str]]
) -> dict[tuple[int, str], list[Reaction]]:
    places, values = _pairs(keys)
    found: dict[tuple[int, str], list[Reaction]] = {}
    for chat, wa_id, emoji, sender, name in db.execute(
        f"""WITH k (chat_id, wa_id) AS (VALUES {places})
        SELECT r.chat_id, r.wa_id, r.emoji, r.sender_id, {NAME_SQL.format(c="s")} FROM k
        CROSS JOIN reactions AS r ON r.chat_id = k.chat_id AND r.wa_id = k.wa_id
        LEFT JOIN contacts AS s ON s.id = r.sender_id WHERE r.emoji != '' ORDER BY r.at, r.sender_id""",  # noqa: S608
        values,
    ).fetchall():
        found.setdefault((chat, wa_id), []).append(Reaction(emoji, name, sender == 0))
    return found


def _quotes(db: sqlite3.Connection, keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Quote]:
    if not keys:
        return {}
    places, values = _pairs(keys)
    return {
        (chat, wa_id): Quote(wa_id, ref, name, text or f"[{MESSAGE_KINDS[kind]}]")
        for chat, wa_id, ref, kind, text, name in db.execute(
            f"""WITH k (chat_id, wa_id) AS (VALUES {places})
            SELECT q.chat_id, q.wa_id, q.ref, q.kind, q.text,
                {NAME_SQL.format(c="s")}
            FROM k CROSS JOIN messages AS q ON q.chat_id = k.chat_id AND q.wa_id = k.wa_id
            LEFT JOIN contacts AS s ON s.id = q.sender_id""",  # noqa: S608
            values,
        ).fetchall()
    }


def _names(db: sqlite3.Connection, jids: set[str]) -> dict[str, str]:
    if not jids:
        return {}
    places = ", ".join("?" * len(jids))
    rows = db.execute(
        f"""SELECT a.jid, {NAME_SQL.format(c="s")} FROM addresses AS a
        JOIN contacts AS s ON s.id = a.contact_id
        WHERE a.jid IN ({places})""",  # noqa: S608
        list(jids),
    ).fetchall()
    return dict(rows)


def _poll(
    db: sqlite3.Connection, chat: int, wa_id: str, kind: int, details: dict[str, Any]
) -> tuple[PollOption, ...]:
    """The options of a poll, or the answers to an invitation once there are any, with who chose them."""
    if kind not in (POLL, EVENT):
        return ()
    options: list[str] = list(EVENT_ANSWERS) if kind == EVENT else details.get("options", [])
    voters: dict[str, list[str]] = {option: [] for option in options}
    for name, chosen in db.execute(
        f"""SELECT {NAME_SQL.format(c="s")}, v.options FROM votes AS v JOIN contacts AS s ON s.id = v.voter_id
        WHERE v.chat_id = ? AND v.wa_id = ? AND v.options IS NOT NULL ORDER BY v.at, v.voter_id""",  # noqa: S608
        (chat, wa_id),
    ).fetchall():
        for option in votes.chosen(options, chosen):
            voters[option].append(name)
    if kind == EVENT and not any(voters.values()):
        return ()
    return tuple(PollOption(option, tuple(voters[option])) for option in options)


CHAT_SELECT: Final = f"""SELECT c.jid, {CHAT_NAME}, c.kind, c.unread, c.marked_unread, c.last_id, c.archived,
 c.pinned, c.muted_until, m.text, m.kind, m.sender_id, c.id
 FROM chats AS c LEFT JOIN contacts AS cc ON cc.id = c.contact_id LEFT JOIN messages AS m ON m.id = c.last_id
"""  # noqa: S608
"""Everything of a chat; a WHERE may follow."""


def chat(row: Any) -> Chat:
    """A row of `CHAT_SELECT` as a chat."""
    jid, name, kind, unread, marked, last_id, archived, pinned, muted_until, text, message_kind = row[:11]
    last = None
    if message_kind is not None:
        last = text or f"[{MESSAGE_KINDS[message_kind]}]"
    return Chat(
        jid=jid,
        name=name,
        kind=CHAT_KINDS[kind],
        unread=unread or (1 if marked else 0),
        last_message_at=time_of(last_id) if last_id else None,
        last_message=last[:200] if last else None,
        archived=bool(archived),
        pinned=bool(pinned),
        muted_until=moment(muted_until or None),
    )


CONTACT_SELECT: Final = f"""SELECT s.id, coalesce(s.pn, s.lid), {NAME_SQL.format(c="s")}, s.pn, s.lid,
 s.saved_name, s.push_name, s.business_name FROM contacts AS s
"""  # noqa: S608


def contact(row: Any) -> Contact:
    """A row of `CONTACT_SELECT` as a contact."""
    _, jid, name, pn, lid, saved, push, business = row[:8]
    return Contact(jid or "", name, number_of(pn), lid, saved or None, push or None, business or None)


def empty_chat(jid: str, name: str) -> Chat:
    """A chat in which nothing was said yet."""
    return Chat(jid, name, chat_kind(jid))
