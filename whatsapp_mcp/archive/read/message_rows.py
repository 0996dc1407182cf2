"""Messages: rows of the archive, and the models that the other rooms know."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

from whatsapp_mcp import decoding
from whatsapp_mcp.archive import state
from whatsapp_mcp.archive.database import ID_BITS, placeholders
from whatsapp_mcp.archive.read.files import FileNotes, file_notes
from whatsapp_mcp.archive.state import NAME_SQL, STRANGER_SQL, ChatProgress, Target, call_text, send_progress
from whatsapp_mcp.decoding import (
    CALL,
    EVENT,
    EVENT_ANSWERS,
    MESSAGE_KINDS,
    OWNER,
    POLL,
    Flag,
)
from whatsapp_mcp.jid import number_of
from whatsapp_mcp.models import (
    Actor,
    Album,
    Media,
    Mention,
    Message,
    PollOption,
    Quote,
    Reaction,
    names_of_others,
)

CHAT_NAME: Final = f"""CASE WHEN c.contact_id IS NOT NULL THEN {NAME_SQL.format(c="cc")}
 WHEN c.jid = 'status@broadcast' THEN 'Status' ELSE coalesce(c.name, c.jid) END"""

_SELECT: Final = f"""SELECT m.id, m.ref, m.chat_id, m.sender_id, m.wa_id, m.kind, m.flags, m.text,
 m.reply_wa_id, m.edited_at, m.revoked_at, m.details, c.jid, {CHAT_NAME}, {STRANGER_SQL.format(c="cc")},
 CASE WHEN m.sender_id = -1 THEN c.jid ELSE coalesce(s.pn, s.lid, '') END,
 CASE WHEN m.sender_id = -1 THEN {CHAT_NAME} ELSE {NAME_SQL.format(c="s")} END, {STRANGER_SQL.format(c="s")},
 d.media_type, d.mime_type, d.file_name, d.size, d.duration, d.width, d.height, d.path
 FROM messages AS m JOIN chats AS c ON c.id = m.chat_id
 LEFT JOIN contacts AS cc ON cc.id = c.contact_id
 LEFT JOIN contacts AS s ON s.id = m.sender_id
 LEFT JOIN media AS d ON d.message_id = m.id
"""  # noqa: S608


class MessageRow(NamedTuple):
    """Everything of a message but its add-ons; a file is there if `media_type` is."""

    id: int
    ref: int
    chat: int
    sender: int
    wa_id: str
    kind: int
    flags: int
    text: str
    reply_wa_id: str | None
    edited_at: int | None
    revoked_at: int | None
    details: str | None
    chat_jid: str
    chat_name: str
    chat_stranger: int
    sender_jid: str
    sender_name: str
    sender_stranger: int
    media_type: str | None
    mime_type: str | None
    file_name: str | None
    size: int | None
    duration: int | None
    width: int | None
    height: int | None
    path: str | None

    @property
    def target(self) -> Target:
        """The message as that of its add-ons."""
        return Target(self.chat, self.wa_id, self.sender)

    @property
    def length(self) -> int:
        """Characters that it takes of a page."""
        return len(self.text) + len(self.details or "")


FORWARDED: Final = int(Flag.FORWARDED)
IMPORTED: Final = int(Flag.IMPORTED)
_MENTIONS_ME: Final = int(Flag.MENTIONS_ME)
_STARRED: Final = int(Flag.STARRED)
_VIEW_ONCE: Final = int(Flag.VIEW_ONCE)
NO_DETAILS: Final[dict[str, Any]] = {}
_HIDDEN_DETAILS: Final = ("secret", "mentions", "quote", "call", "options", "server_id", "album_of")


def time_of(message: int) -> datetime:
    """The time in a message's id."""
    return datetime.fromtimestamp(message >> ID_BITS, UTC)


def moment(seconds: int | None) -> datetime | None:
    """Seconds since 1970 as a time."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def message_rows(db: sqlite3.Connection, rest: str, values: Sequence[Any] = ()) -> list[MessageRow]:
    """Rows of messages (`m`); `rest` is the SQL from WHERE on."""
    return [*map(MessageRow._make, db.execute(_SELECT + rest, values))]


def message_page(
    db: sqlite3.Connection, rest: str, values: Sequence[Any], most: int
) -> tuple[list[MessageRow], bool]:
    """Return at most `most` rows, as far as one page goes, and whether there are more."""
    # Read one by one: a page is bounded by its characters too, and the rows behind it may be long.
    with closing(db.execute(f"{_SELECT} {rest} LIMIT ?", [*values, most + 1])) as rows:
        return fitting(map(MessageRow._make, rows), most)


def fitting(rows: Iterable[MessageRow], most: int) -> tuple[list[MessageRow], bool]:
    """Rows as far as one page goes, `most` of them, and whether there are more."""
    page: list[MessageRow] = []
    room = decoding.MAX_PAGE
    for row in rows:
        room -= row.length
        if page and (len(page) == most or room < 0):
            return page, True
        page.append(row)
    return page, False


class Snippet(NamedTuple):
    """The words around a hit, and where in the message they stand; of a reading, in which passage."""

    text: str
    of: Literal["text", "file_name", "options", "reading"]
    passage: int | None = None


def messages(
    db: sqlite3.Connection, rows: Sequence[MessageRow], snippets: dict[int, Snippet] | None = None
) -> tuple[Message, ...]:
    """Rows as messages, with their add-ons, in the same order."""
    if not rows:
        return ()
    details = {row.id: json.loads(row.details) for row in rows if row.details}
    targets = [row.target for row in rows if row.revoked_at is None]
    around = _Around(
        _reactions(db, targets),
        _keepers(db, targets),
        _quotes(db, list({(row.chat, row.reply_wa_id) for row in rows if row.reply_wa_id})),
        mentioned(db, {jid for found in details.values() for jid in _named(found)}),
        _earlier(db, {row.id: row.target for row in rows if row.edited_at}),
        send_progress(db, _own_chats(rows, imported=False)),
        send_progress(db, _own_chats(rows, imported=True), imported=True),
        file_notes(db, [row.id for row in rows if row.media_type]),
        state.album_refs(db, {album for row in rows if (album := _album_of(row, details.get(row.id)))}),
        snippets or {},
    )
    return tuple([_message(db, row, details.get(row.id, NO_DETAILS), around) for row in rows])


@dataclass(frozen=True, slots=True)
class _Around:
    """Context of a page's messages: by message, by (chat, WhatsApp id), by jid, by chat."""

    reactions: dict[Target, list[Reaction]]
    keepers: dict[Target, Actor]
    quotes: dict[tuple[int, str], Quote]
    names: dict[str, Mention]
    earlier: dict[int, list[str]]
    progress: dict[int, ChatProgress]
    imported_progress: dict[int, ChatProgress]
    files: dict[int, FileNotes]
    albums: dict[Target, int]
    snippets: dict[int, Snippet]


def _own_chats(rows: Sequence[MessageRow], *, imported: bool) -> set[int]:
    """The chats of the messages that the owner sent: of those that files brought, or of all others."""
    return {row.chat for row in rows if row.sender == OWNER and bool(row.flags & IMPORTED) == imported}


def _album_of(row: MessageRow, details: dict[str, Any] | None) -> Target | None:
    """The album that a file says it is in: one of its own sender."""
    album = (details or NO_DETAILS).get("album_of")
    return None if album is None else Target(row.chat, album, row.sender)


def _named(details: dict[str, Any]) -> list[str]:
    quote = details.get("quote")
    return [*details.get("mentions", ()), *([quote["sender"]] if quote and quote.get("sender") else [])]


def _message(db: sqlite3.Connection, row: MessageRow, details: dict[str, Any], around: _Around) -> Message:
    """One row as a message; most are plain, so only what one has is set."""
    (
        message, ref, chat, sender, wa_id, kind, flags, text, reply, edited_at, revoked_at, _,
        chat_jid, chat_name, chat_stranger, sender_jid, sender_name, sender_stranger,
        media_type, mime_type, file_name, size, duration, width, height, path,
    ) = row  # fmt: skip
    target = Target(chat, wa_id, sender)
    if kind == CALL:
        text = call_text(db, chat, wa_id, sender == OWNER, details.get("call", {}), text)
    said = Message(
        ref, wa_id, chat_jid, chat_name, sender_jid, sender_name, sender == OWNER, MESSAGE_KINDS[kind], text,
        time_of(message),
        chat_stranger=bool(chat_stranger), sender_stranger=bool(sender_stranger),
    )  # fmt: skip
    if snippet := around.snippets.get(message):
        said.snippet, said.snippet_of, said.snippet_passage = snippet
    if sender == OWNER:
        progress = around.imported_progress if flags & IMPORTED else around.progress
        said.status = progress[chat].status(message)
    if media_type:
        said.media = Media(
            mime_type, file_name, size, duration, width, height, path, bool(flags & _VIEW_ONCE)
        )
        if notes := around.files.get(message):
            said.reading, said.problem = notes
    if reply:
        said.quote = _quote(chat, reply, details, around)
    if reactions := around.reactions.get(target):
        said.reactions = tuple(reactions)
    said.kept_by = around.keepers.get(target)
    if flags:
        said.forwarded, said.mentions_me = bool(flags & FORWARDED), bool(flags & _MENTIONS_ME)
        said.starred, said.imported = bool(flags & _STARRED), bool(flags & IMPORTED)
    if edited_at is not None:
        said.edited_at = moment(edited_at)
        said.earlier = tuple(around.earlier.get(message, ()))
    if revoked_at is not None:
        said.revoked_at = moment(revoked_at)
    if kind in (POLL, EVENT):
        said.poll = _poll(db, target, kind, details)
    if details:
        if album := details.get("album"):
            expected = sum(album.values())
            said.text, said.album = "", Album(expected, state.album_files(db, message, target, expected))
        said.album_of = around.albums.get(Target(chat, details.get("album_of", ""), sender))
        said.details = shown_details(details)
        said.mentions = shown_mentions(details, around.names)
    return said


def shown_details(details: dict[str, Any]) -> dict[str, Any] | None:
    """Return the details that have no field of their own; None if there are none."""
    return {key: value for key, value in details.items() if key not in _HIDDEN_DETAILS} or None


def _quote(chat: int, reply: str, details: dict[str, Any], around: _Around) -> Quote:
    """The message that is answered: as it is in the archive, else as the reply quotes it."""
    quote = around.quotes.get((chat, reply))
    if quote is not None:
        return quote
    quoted = details.get("quote") or {}
    who = around.names.get(quoted.get("sender") or "")
    if who is None:
        return Quote(reply, text=quoted.get("text"))
    return Quote(reply, None, who.name, quoted.get("text"), who.from_me, who.stranger)


def shown_mentions(details: dict[str, Any], names: dict[str, Mention]) -> dict[str, Mention] | None:
    """Return the people mentioned, keyed by their part of the text; for an unknown person, the number."""
    mentions: dict[str, Mention] = {}
    for jid in details.get("mentions", ()):
        if mention := names.get(jid):
            mentions[jid.partition("@")[0]] = mention
        elif number := number_of(jid):
            mentions[jid.partition("@")[0]] = Mention(number)
    return mentions or None


def _reactions(db: sqlite3.Connection, targets: Sequence[Target]) -> dict[Target, list[Reaction]]:
    reactions = state.current_addons(db, state.REACTIONS, targets)
    people = _people(db, {one.person for each in reactions.values() for one in each})
    return {
        target: [
            Reaction(emoji, *people[person]) for person, _, (emoji,) in addons if emoji and person in people
        ]
        for target, addons in reactions.items()
    }


def _keepers(db: sqlite3.Connection, targets: Sequence[Target]) -> dict[Target, Actor]:
    """Return who keeps each message; at equal times, keeping wins, then the name decides."""
    keeps = state.read_addons(db, state.KEEPS, targets)
    people = _people(db, {one.person for each in keeps.values() for one in each})
    newest = {
        target: max((one.at, *one.says, people.get(one.person, ("", False, False))) for one in addons)
        for target, addons in keeps.items()
    }
    return {target: Actor(*who) for target, (_, kept, who) in newest.items() if kept}


def _people(db: sqlite3.Connection, contacts: Collection[int]) -> dict[int, tuple[str, bool, bool]]:
    """Return each contact's name, whether it is the owner, and whether the name is of their own choice."""
    if not contacts:
        return {}
    return {
        contact: (name, contact == OWNER, bool(stranger))
        for contact, name, stranger in db.execute(
            f"""SELECT s.id, {NAME_SQL.format(c="s")}, {STRANGER_SQL.format(c="s")} FROM contacts AS s
            WHERE s.id IN ({placeholders(contacts)})""",  # noqa: S608
            [*contacts],
        ).fetchall()
    }


def _quotes(db: sqlite3.Connection, keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Quote]:
    if not keys:
        return {}
    places = ", ".join(["(?, ?)"] * len(keys))
    return {
        (chat, wa_id): Quote(
            wa_id,
            ref,
            name,
            text or f"[{MESSAGE_KINDS[kind]}]",
            person == OWNER,
            bool(stranger),
            author_known=stranger == 0
            and not flags & FORWARDED
            and not (details and names_of_others(json.loads(details))),
        )
        for chat, wa_id, ref, kind, flags, text, details, person, name, stranger in db.execute(
            f"""WITH k (chat_id, wa_id) AS (VALUES {places})
            SELECT q.chat_id, q.wa_id, q.ref, q.kind, q.flags, substr(q.text, 1, {decoding.MAX_QUOTE}),
                q.details, s.id, {NAME_SQL.format(c="s")}, {STRANGER_SQL.format(c="s")}
            FROM k CROSS JOIN messages AS q ON q.chat_id = k.chat_id AND q.wa_id = k.wa_id
            LEFT JOIN contacts AS s ON s.id = q.sender_id""",  # noqa: S608
            [value for key in keys for value in key],
        ).fetchall()
    }


def mentioned(db: sqlite3.Connection, jids: set[str]) -> dict[str, Mention]:
    """Return the people who have these addresses, by jid."""
    if not jids:
        return {}
    places = placeholders(jids)
    rows = db.execute(
        f"""SELECT a.jid, {NAME_SQL.format(c="s")}, s.id, {STRANGER_SQL.format(c="s")} FROM addresses AS a
        JOIN contacts AS s ON s.id = a.contact_id
        WHERE a.jid IN ({places})""",  # noqa: S608
        list(jids),
    ).fetchall()
    return {jid: Mention(name, contact == OWNER, bool(stranger)) for jid, name, contact, stranger in rows}


def _earlier(db: sqlite3.Connection, edited: dict[int, Target]) -> dict[int, list[str]]:
    """Return the earlier texts of edited messages, oldest first."""
    if not edited:
        return {}
    edits = state.read_addons(db, state.EDITS, edited.values())
    originals = dict(
        db.execute(
            f"SELECT id, original FROM messages WHERE id IN ({placeholders(edited)})",  # noqa: S608
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
    votes = state.current_addons(db, state.VOTES, [poll]).get(poll, [])
    people = _people(db, {one.person for one in votes})
    for person, _, (*_, chosen) in votes:
        if chosen is not None and person in people:
            for option in state.chosen_options(options, chosen):
                voters[option].append(Actor(*people[person]))
    if kind == EVENT and not any(voters.values()):
        return ()
    return tuple(PollOption(option, tuple(voters[option])) for option in options)
