"""Chats and contacts: rows of the archive, and the models that the other rooms know."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from whatsapp_mcp.archive.identity import chat_kind
from whatsapp_mcp.archive.read import message_rows
from whatsapp_mcp.archive.read.files import FileNotes, file_notes
from whatsapp_mcp.archive.state import NAME_SQL, STRANGER_SQL, call_text
from whatsapp_mcp.decoding import CALL, CHAT_KINDS, KIND_NUMBER, MESSAGE_KINDS, NEVER_UNREAD, OWNER
from whatsapp_mcp.jid import number_of
from whatsapp_mcp.models import LAST_WORDS, SHOWN_WITH, Chat, Contact, LastMessage, Mention, MessageKind

_LAST: Final = f"""m.id, m.kind, m.text, m.sender_id, m.wa_id, m.ref, m.details, m.revoked_at, m.flags,
 {NAME_SQL.format(c="s")}, {STRANGER_SQL.format(c="s")}"""
_SELECT: Final = f"""SELECT c.id, c.contact_id, c.jid,
 {message_rows.CHAT_NAME}, {STRANGER_SQL.format(c="cc")}, c.kind, c.unread, c.marked_unread, c.last_id,
 c.archived, c.pinned, c.muted_until, {_LAST}
 FROM chats AS c LEFT JOIN contacts AS cc ON cc.id = c.contact_id LEFT JOIN messages AS m ON m.id = c.last_id
 LEFT JOIN contacts AS s ON s.id = m.sender_id
"""  # noqa: S608
_VOICE: Final = KIND_NUMBER[MessageKind.VOICE]
_NO_WORDS: Final = frozenset(KIND_NUMBER[kind] for kind in NEVER_UNREAD)
_DETAILED: Final = frozenset(
    KIND_NUMBER[kind]
    for kind in (MessageKind.CALL, MessageKind.EVENT, MessageKind.LOCATION, MessageKind.LIVE_LOCATION)
)
"""Kinds of which a list of chats shows details."""
_SHOWN: Final = re.compile(r'"(?:mentions|what|choices|album)":')
"""Other details that it shows."""
_WORDS_WITHIN: Final = 20
"""Calls and notices in a row behind which the last words are still looked for."""


class LastRow(NamedTuple):
    """Row of the last message of a chat."""

    id: int
    kind: int
    text: str
    sender: int
    wa_id: str
    ref: int
    details: str | None
    revoked_at: int | None
    flags: int
    sender_name: str | None
    sender_stranger: int


class ChatRow(NamedTuple):
    """Everything of a chat: `contact` is with whom, `last` its newest message."""

    id: int
    contact: int | None
    jid: str
    name: str
    stranger: int
    kind: int
    unread: int
    marked_unread: int
    last_id: int
    archived: int
    pinned: int
    muted_until: int
    last: LastRow | None


_OF_LAST: Final = len(LastRow._fields)


def chat_rows(db: sqlite3.Connection, rest: str, values: Sequence[Any] = ()) -> list[ChatRow]:
    """Rows of chats (`c`; `cc` is with whom, `m` the newest message); `rest` is the SQL from WHERE on."""
    return [
        ChatRow._make((*row[:-_OF_LAST], None if row[-_OF_LAST] is None else LastRow(*row[-_OF_LAST:])))
        for row in db.execute(_SELECT + rest, values)
    ]


def chats(db: sqlite3.Connection, rows: Sequence[ChatRow]) -> tuple[Chat, ...]:
    """Rows as chats, in the same order."""
    newest = [(row.id, row.last) for row in rows if row.last is not None]
    words = [(chat, said) for chat, last in newest if last.kind in _NO_WORDS and (said := _words(db, chat))]
    details = [_details(last) for _, last in (*newest, *words)]
    names = message_rows.mentioned(db, {jid for one in details for jid in one.get("mentions", ())})
    heard = file_notes(db, [last.id for _, last in (*newest, *words) if last.kind == _VOICE])
    shown = [
        _last(db, chat, last, one, names, heard.get(last.id))
        for (chat, last), one in zip((*newest, *words), details, strict=True)
    ]
    by_chat = {chat: one for (chat, _), one in zip(newest, shown, strict=False)}
    for (chat, _), one in zip(words, shown[len(newest) :], strict=True):
        by_chat[chat].before = one
    return tuple([_chat(row, by_chat.get(row.id)) for row in rows])


def _words(db: sqlite3.Connection, chat: int) -> LastRow | None:
    """Return the last message of a chat that is neither a call nor a notice; None if too far back."""
    row = db.execute(
        f"""SELECT {_LAST} FROM (SELECT * FROM messages WHERE chat_id = ? ORDER BY id DESC LIMIT ?) AS m
        LEFT JOIN contacts AS s ON s.id = m.sender_id
        WHERE m.kind NOT IN ({", ".join(map(str, _NO_WORDS))}) AND m.revoked_at IS NULL
        ORDER BY m.id DESC LIMIT 1""",  # noqa: S608
        (chat, _WORDS_WITHIN),
    ).fetchone()
    return None if row is None else LastRow(*row)


def _details(last: LastRow) -> dict[str, Any]:
    """The details of a message, if a list of chats needs them."""
    if last.details and (last.kind in _DETAILED or _SHOWN.search(last.details)):
        return json.loads(last.details)
    return message_rows.NO_DETAILS


def _last(
    db: sqlite3.Connection,
    chat: int,
    row: LastRow,
    details: dict[str, Any],
    names: dict[str, Mention],
    file: FileNotes | None,
) -> LastMessage:
    _, kind, text, sender, wa_id, ref, _, revoked_at, flags, name, stranger = row
    if kind == CALL:
        text = call_text(db, chat, wa_id, sender == OWNER, details.get("call", {}), text)
    return LastMessage(
        MESSAGE_KINDS[kind],
        text[: LAST_WORDS + SHOWN_WITH],
        name,
        sender == OWNER,
        bool(stranger),
        revoked_at is not None,
        message_rows.shown_details(details) if details else None,
        message_rows.shown_mentions(details, names),
        forwarded=bool(flags & message_rows.FORWARDED),
        ref=ref,
        message_id=wa_id,
        imported=bool(flags & message_rows.IMPORTED),
        heard=(file.reading.text if file and file.reading else None) or None,
    )


def _chat(row: ChatRow, last: LastMessage | None) -> Chat:
    last_message_at = message_rows.time_of(row.last_id) if row.last_id else None
    unread = row.unread or (1 if row.marked_unread else 0)
    return Chat(
        row.jid, row.name, CHAT_KINDS[row.kind], unread, last_message_at, last, bool(row.archived),
        bool(row.pinned), message_rows.moment(row.muted_until or None), bool(row.stranger),
    )  # fmt: skip


def empty_chat(jid: str, name: str, *, stranger: bool = False) -> Chat:
    """A chat in which nothing was said yet."""
    return Chat(jid, name, chat_kind(jid), stranger=stranger)


_CONTACT: Final = f"""SELECT s.id, coalesce(s.pn, s.lid), {NAME_SQL.format(c="s")}, s.pn, s.lid,
 s.saved_name, s.push_name, s.business_name, s.given_name, NOT ({STRANGER_SQL.format(c="s")}), s.name_norm
 FROM contacts AS s
"""  # noqa: S608


class ContactRow(NamedTuple):
    """A contact, with every name folded as `name_norm`."""

    id: int
    jid: str | None
    name: str
    pn: str | None
    lid: str | None
    saved: str | None
    push: str | None
    business: str | None
    given: str | None
    known: int
    name_norm: str

    @property
    def contact(self) -> Contact:
        """The row as a contact."""
        _, jid, name, pn, lid, saved, push, business, given, known, _ = self
        return Contact(
            jid or "", name, number_of(pn), lid, saved or None, push or None, business or None, given or None,
            bool(known),
        )  # fmt: skip


def contact_rows(db: sqlite3.Connection, rest: str, values: Sequence[Any] = ()) -> list[ContactRow]:
    """Rows of contacts (`s`); `rest` is the SQL from WHERE on."""
    return [*map(ContactRow._make, db.execute(_CONTACT + rest, values))]
