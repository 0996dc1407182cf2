"""Rows of the archive to the models that the other rooms know."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

from whatsapp_mcp import decoding
from whatsapp_mcp.archive import state
from whatsapp_mcp.archive.database import ID_BITS
from whatsapp_mcp.archive.identity import chat_kind
from whatsapp_mcp.archive.state import NAME_SQL, STRANGER_SQL, ChatProgress, Target, call_text, send_progress
from whatsapp_mcp.decoding import (
    CALL,
    CHAT_KINDS,
    EVENT,
    EVENT_ANSWERS,
    KIND_NUMBER,
    MESSAGE_KINDS,
    NEVER_UNREAD,
    OWNER,
    POLL,
    Flag,
)
from whatsapp_mcp.jid import number_of
from whatsapp_mcp.models import (
    Actor,
    Chat,
    Contact,
    LastMessage,
    Media,
    Mention,
    Message,
    MessageKind,
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
 d.mime_type, d.file_name, d.size, d.duration, d.width, d.height, d.path, d.media_type,
 {STRANGER_SQL.format(c="cc")}, {STRANGER_SQL.format(c="s")}
 FROM messages AS m JOIN chats AS c ON c.id = m.chat_id
 LEFT JOIN contacts AS cc ON cc.id = c.contact_id
 LEFT JOIN contacts AS s ON s.id = m.sender_id
 LEFT JOIN media AS d ON d.message_id = m.id
"""  # noqa: S608
"""Everything of a message but what hangs on it; a WHERE may follow."""

_FORWARDED: Final = int(Flag.FORWARDED)
_IMPORTED: Final = int(Flag.IMPORTED)
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


def fitting(rows: Iterable[Any], most: int) -> tuple[list[Any], bool]:
    """Rows of `MESSAGE_SELECT` as far as one page goes, `most` of them, and whether there are more."""
    page: list[Any] = []
    room = decoding.MAX_PAGE
    for row in rows:
        room -= len(row[7]) + len(row[11] or "")
        if page and (len(page) == most or room < 0):
            return page, True
        page.append(row)
    return page, False


class Snippet(NamedTuple):
    """The words around a hit, and where in the message they stand."""

    text: str
    of: Literal["text", "file_name", "options"]


def messages(
    db: sqlite3.Connection, rows: Sequence[Any], snippets: dict[int, Snippet] | None = None
) -> tuple[Message, ...]:
    """Rows of `MESSAGE_SELECT` as messages, with what hangs on them, in the same order."""
    if not rows:
        return ()
    details = {row[0]: json.loads(row[11]) for row in rows if row[11]}
    names = _names(db, {jid for found in details.values() for jid in _named(found)})
    targets = [Target(row[2], row[4], row[3]) for row in rows if row[10] is None]
    hanging = _Hanging(
        _reactions(db, targets),
        _keepers(db, targets),
        _quotes(db, list({(row[2], row[8]) for row in rows if row[8]})),
        names,
        _earlier(db, {row[0]: Target(row[2], row[4], row[3]) for row in rows if row[9]}),
        send_progress(db, {row[2] for row in rows if row[3] == OWNER}),
        snippets or {},
    )
    return tuple([_message(db, row, details.get(row[0], _NO_DETAILS), hanging) for row in rows])


@dataclass(frozen=True, slots=True)
class _Hanging:
    """What hangs on the messages of a page: by message, by (chat, WhatsApp id), by jid, by chat."""

    reactions: dict[Target, list[Reaction]]
    keepers: dict[Target, Actor]
    quotes: dict[tuple[int, str], Quote]
    names: dict[str, Mention]
    earlier: dict[int, list[str]]
    progress: dict[int, ChatProgress]
    snippets: dict[int, Snippet]


def _named(details: dict[str, Any]) -> list[str]:
    quote = details.get("quote")
    return [*details.get("mentions", ()), *([quote["sender"]] if quote and quote.get("sender") else [])]


def _message(db: sqlite3.Connection, row: Any, details: dict[str, Any], hanging: _Hanging) -> Message:
    """One row as a message; most are plain, so only what one has is set."""
    message, ref, chat, sender, wa_id, kind, flags, text, reply, edited_at, revoked_at = row[:11]
    if kind == CALL:
        text = call_text(db, chat, wa_id, sender == OWNER, details.get("call", {}), text)
    chat_jid, chat_name, sender_jid, sender_name = row[12:16]
    said = Message(
        ref, wa_id, chat_jid, chat_name, sender_jid, sender_name, sender == OWNER, MESSAGE_KINDS[kind], text,
        time_of(message),
        chat_stranger=bool(row[24]), sender_stranger=bool(row[25]),
    )  # fmt: skip
    if snippet := hanging.snippets.get(message):
        said.snippet, said.snippet_of = snippet
    if sender == OWNER:
        said.status = hanging.progress[chat].status(message)
    if row[23]:
        said.media = _media(row, flags)
    if reply:
        said.quote = _quote(chat, reply, details, hanging)
    if reactions := hanging.reactions.get(Target(chat, wa_id, sender)):
        said.reactions = tuple(reactions)
    said.kept_by = hanging.keepers.get(Target(chat, wa_id, sender))
    if flags:
        said.forwarded, said.mentions_me = bool(flags & _FORWARDED), bool(flags & _MENTIONS_ME)
        said.starred, said.imported = bool(flags & _STARRED), bool(flags & _IMPORTED)
    if edited_at is not None:
        said.edited_at = moment(edited_at)
        said.earlier = tuple(hanging.earlier.get(message, ()))
    if revoked_at is not None:
        said.revoked_at = moment(revoked_at)
    if kind in (POLL, EVENT):
        said.poll = _poll(db, Target(chat, wa_id, sender), kind, details)
    if details:
        said.details = _public(details)
        said.mentions = _mentions(details, hanging.names)
    return said


def _public(details: dict[str, Any]) -> dict[str, Any] | None:
    return {key: value for key, value in details.items() if key not in _HIDDEN_DETAILS} or None


def _quote(chat: int, reply: str, details: dict[str, Any], hanging: _Hanging) -> Quote:
    """The message that is answered: as it is in the archive, else as the reply tells it."""
    found = hanging.quotes.get((chat, reply))
    if found is not None:
        return found
    told = details.get("quote") or {}
    who = hanging.names.get(told.get("sender") or "")
    return Quote(reply, None, who and who.name, told.get("text"), who is not None and who.stranger)


def _mentions(details: dict[str, Any], names: dict[str, Mention]) -> dict[str, Mention] | None:
    """Who is mentioned, by what stands in the text for them; a number that nobody is known by for itself."""
    found: dict[str, Mention] = {}
    for jid in details.get("mentions", ()):
        if mention := names.get(jid):
            found[jid.partition("@")[0]] = mention
        elif number := number_of(jid):
            found[jid.partition("@")[0]] = Mention(number)
    return found or None


def _media(row: Any, flags: int) -> Media:
    mime_type, file_name, size, duration, width, height, path = row[16:23]
    return Media(mime_type, file_name, size, duration, width, height, path, bool(flags & _VIEW_ONCE))


def _pairs(keys: Sequence[tuple[int, str]]) -> tuple[str, list[Any]]:
    return ", ".join(["(?, ?)"] * len(keys)), [value for key in keys for value in key]


def _reactions(db: sqlite3.Connection, targets: Sequence[Target]) -> dict[Target, list[Reaction]]:
    found = state.current_addons(db, state.REACTIONS, targets)
    people = _people(db, {one.person for each in found.values() for one in each})
    return {
        target: [
            Reaction(emoji, *people[person]) for person, _, (emoji,) in hanging if emoji and person in people
        ]
        for target, hanging in found.items()
    }


def _keepers(db: sqlite3.Connection, targets: Sequence[Target]) -> dict[Target, Actor]:
    """Who keeps messages; of two at one moment who keeps, then by name."""
    found = state.read_addons(db, state.KEEPS, targets)
    people = _people(db, {one.person for each in found.values() for one in each})
    newest = {
        target: max((one.at, *one.says, people.get(one.person, ("", False, False))) for one in hanging)
        for target, hanging in found.items()
    }
    return {target: Actor(*who) for target, (_, kept, who) in newest.items() if kept}


def _people(db: sqlite3.Connection, contacts: Collection[int]) -> dict[int, tuple[str, bool, bool]]:
    """Of contacts: their names, whether it is the owner, and whether the name is of their own choice."""
    if not contacts:
        return {}
    return {
        contact: (name, contact == OWNER, bool(stranger))
        for contact, name, stranger in db.execute(
            f"""SELECT s.id, {NAME_SQL.format(c="s")}, {STRANGER_SQL.format(c="s")} FROM contacts AS s
            WHERE s.id IN ({", ".join("?" * len(contacts))})""",  # noqa: S608
            [*contacts],
        ).fetchall()
    }


def _quotes(db: sqlite3.Connection, keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Quote]:
    if not keys:
        return {}
    places, values = _pairs(keys)
    return {
        (chat, wa_id): Quote(wa_id, ref, name, text or f"[{MESSAGE_KINDS[kind]}]", bool(stranger))
        for chat, wa_id, ref, kind, text, name, stranger in db.execute(
            f"""WITH k (chat_id, wa_id) AS (VALUES {places})
            SELECT q.chat_id, q.wa_id, q.ref, q.kind, substr(q.text, 1, {decoding.MAX_QUOTE}),
                {NAME_SQL.format(c="s")}, {STRANGER_SQL.format(c="s")}
            FROM k CROSS JOIN messages AS q ON q.chat_id = k.chat_id AND q.wa_id = k.wa_id
            LEFT JOIN contacts AS s ON s.id = q.sender_id""",  # noqa: S608
            values,
        ).fetchall()
    }


def _names(db: sqlite3.Connection, jids: set[str]) -> dict[str, Mention]:
    if not jids:
        return {}
    places = ", ".join("?" * len(jids))
    rows = db.execute(
        f"""SELECT a.jid, {NAME_SQL.format(c="s")}, s.id, {STRANGER_SQL.format(c="s")} FROM addresses AS a
        JOIN contacts AS s ON s.id = a.contact_id
        WHERE a.jid IN ({places})""",  # noqa: S608
        list(jids),
    ).fetchall()
    return {jid: Mention(name, contact == OWNER, bool(stranger)) for jid, name, contact, stranger in rows}


def _earlier(db: sqlite3.Connection, edited: dict[int, Target]) -> dict[int, list[str]]:
    """What edited messages said before, oldest first."""
    if not edited:
        return {}
    edits = state.read_addons(db, state.EDITS, edited.values())
    originals = dict(
        db.execute(
            f"SELECT id, original FROM messages WHERE id IN ({', '.join('?' * len(edited))})",  # noqa: S608
            [*edited],
        ).fetchall()
    )
    return {
        message: _newest(
            [one for one in (originals[message],) if one]
            + [text for _, _, (text,) in edits.get(target, [])[:-1]]
        )
        for message, target in edited.items()
    }


def _newest(texts: list[str]) -> list[str]:
    """The last of the texts, as many as there is room for."""
    room = decoding.MAX_EARLIER
    kept: list[str] = []
    for text in reversed(texts):
        if room > 0:
            kept.append(decoding.bounded_text(text, room))
        room -= len(text)
    return kept[::-1]


def _poll(db: sqlite3.Connection, poll: Target, kind: int, details: dict[str, Any]) -> tuple[PollOption, ...]:
    """The options of a poll, or the answers to an invitation once there are any, with who chose them."""
    options: list[str] = list(EVENT_ANSWERS) if kind == EVENT else details.get("options", [])
    voters: dict[str, list[Actor]] = {option: [] for option in options}
    found = state.current_addons(db, state.VOTES, [poll]).get(poll, [])
    people = _people(db, {one.person for one in found})
    for person, _, (*_, chosen) in found:
        if chosen is not None and person in people:
            for option in state.chosen_options(options, chosen):
                voters[option].append(Actor(*people[person]))
    if kind == EVENT and not any(voters.values()):
        return ()
    return tuple(PollOption(option, tuple(voters[option])) for option in options)


_SAID: Final = f"""m.kind, m.text, m.sender_id, m.wa_id, m.details, m.revoked_at, {NAME_SQL.format(c="s")},
 {STRANGER_SQL.format(c="s")}, m.flags"""
CHAT_SELECT: Final = f"""SELECT c.jid, {CHAT_NAME}, c.kind, c.unread, c.marked_unread, c.last_id, c.archived,
 c.pinned, c.muted_until, c.id, {STRANGER_SQL.format(c="cc")}, {_SAID}
 FROM chats AS c LEFT JOIN contacts AS cc ON cc.id = c.contact_id LEFT JOIN messages AS m ON m.id = c.last_id
 LEFT JOIN contacts AS s ON s.id = m.sender_id
"""  # noqa: S608
"""Everything of a chat; a WHERE may follow."""
_NO_WORDS: Final = frozenset(KIND_NUMBER[kind] for kind in NEVER_UNREAD)
_TELLING: Final = frozenset(
    KIND_NUMBER[kind]
    for kind in (MessageKind.CALL, MessageKind.EVENT, MessageKind.LOCATION, MessageKind.LIVE_LOCATION)
)
"""Kinds of which a list of chats tells details."""
_WORDS_WITHIN: Final = 20
"""Calls and notices in a row behind which the last words are still looked for."""


def chats(db: sqlite3.Connection, rows: Sequence[Any]) -> tuple[Chat, ...]:
    """Rows of `CHAT_SELECT` as chats, in the same order."""
    newest = [(row[9], row[11:]) for row in rows if row[11] is not None]
    words = [(chat, said) for chat, row in newest if row[0] in _NO_WORDS and (said := _words(db, chat))]
    details = [_telling(row) for _, row in (*newest, *words)]
    names = _names(db, {jid for one in details for jid in one.get("mentions", ())})
    told = [
        _last(db, chat, row, one, names) for (chat, row), one in zip((*newest, *words), details, strict=True)
    ]
    last = {chat: one for (chat, _), one in zip(newest, told, strict=False)}
    for (chat, _), one in zip(words, told[len(newest) :], strict=True):
        last[chat].before = one
    return tuple([_chat(row, last.get(row[9])) for row in rows])


def _words(db: sqlite3.Connection, chat: int) -> Any:
    """What was last said in a chat, calls and notices aside, as `_SAID`."""
    return db.execute(
        f"""SELECT {_SAID} FROM (SELECT * FROM messages WHERE chat_id = ? ORDER BY id DESC LIMIT ?) AS m
        LEFT JOIN contacts AS s ON s.id = m.sender_id
        WHERE m.kind NOT IN ({", ".join(map(str, _NO_WORDS))}) AND m.revoked_at IS NULL
        ORDER BY m.id DESC LIMIT 1""",  # noqa: S608
        (chat, _WORDS_WITHIN),
    ).fetchone()


def _telling(row: Any) -> dict[str, Any]:
    """The details of a row of `_SAID`, if a list of chats needs them."""
    if row[4] and (row[0] in _TELLING or '"mentions"' in row[4]):
        return json.loads(row[4])
    return _NO_DETAILS


def _last(
    db: sqlite3.Connection,
    chat: int,
    row: Any,
    details: dict[str, Any],
    names: dict[str, Mention],
) -> LastMessage:
    kind, text, sender, wa_id, _, revoked_at, name, stranger, flags = row
    if kind == CALL:
        text = call_text(db, chat, wa_id, sender == OWNER, details.get("call", {}), text)
    return LastMessage(
        MESSAGE_KINDS[kind],
        text[:200],
        name,
        sender == OWNER,
        bool(stranger),
        revoked_at is not None,
        _public(details) if details else None,
        _mentions(details, names),
        forwarded=bool(flags & _FORWARDED),
    )


def _chat(row: Any, last: LastMessage | None) -> Chat:
    jid, name, kind, unread, marked, last_id, archived, pinned, muted_until, _, stranger = row[:11]
    at = time_of(last_id) if last_id else None
    until = moment(muted_until or None)
    unread = unread or (1 if marked else 0)
    return Chat(
        jid, name, CHAT_KINDS[kind], unread, at, last, bool(archived), bool(pinned), until, bool(stranger)
    )


def chat(db: sqlite3.Connection, row: Any) -> Chat:
    """One row of `CHAT_SELECT` as a chat."""
    return chats(db, [row])[0]


CONTACT_SELECT: Final = f"""SELECT s.id, coalesce(s.pn, s.lid), {NAME_SQL.format(c="s")}, s.pn, s.lid,
 s.saved_name, s.push_name, s.business_name FROM contacts AS s
"""  # noqa: S608


def contact(row: Any) -> Contact:
    """A row of `CONTACT_SELECT` as a contact."""
    _, jid, name, pn, lid, saved, push, business = row[:8]
    return Contact(jid or "", name, number_of(pn), lid, saved or None, push or None, business or None)


def empty_chat(jid: str, name: str, *, stranger: bool = False) -> Chat:
    """A chat in which nothing was said yet."""
    return Chat(jid, name, chat_kind(jid), stranger=stranger)
