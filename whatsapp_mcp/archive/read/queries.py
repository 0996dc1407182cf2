"""Lists of chats, messages and contacts; one message, its context, its file."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from whatsapp_mcp import decoding
from whatsapp_mcp.archive import state
from whatsapp_mcp.archive.database import ID_BITS, fold
from whatsapp_mcp.archive.read import completeness, cursors, rows
from whatsapp_mcp.archive.state import current_members
from whatsapp_mcp.decoding import (
    CHAT_KIND_NUMBER,
    KIND_NUMBER,
    OWNER,
    SYSTEM,
    UNREAD_SQL,
    UNRECEIPTED_SQL,
    Flag,
)
from whatsapp_mcp.errors import MediaUnavailable, MessageNotFound
from whatsapp_mcp.models import (
    EVERYTHING,
    Actor,
    Chat,
    ChatKind,
    Contact,
    GroupMember,
    Left,
    MediaSource,
    Message,
    MessageFilter,
    MessageKey,
    MessageKind,
    Page,
)

WORDS: Final = 100
"""Words of a name that are looked for: SQLite takes no condition of a thousand parts."""
COUNTED: Final = 200
"""Messages after a page that are counted."""
_SCANNED: Final = 400
"""Messages among which those that pass a filter are counted, where no index leads to them."""
_NAMED: Final = """(' ' || c.name_norm LIKE ? ESCAPE '\\'
 OR ' ' || replace(cc.name_norm, char(10), ' ') LIKE ? ESCAPE '\\')"""
_LAST_SENDER: Final = f"""iif(m.kind != {SYSTEM}, m.sender_id, (SELECT x.sender_id FROM messages AS x
 WHERE x.chat_id = c.id AND x.kind != {SYSTEM} ORDER BY x.id DESC LIMIT 1))"""  # noqa: S608
"""Who said the last thing in a chat; what the system tells does not count."""


def chat_id(db: sqlite3.Connection, jid: str) -> int | None:
    """The number of a chat, by either form of a person's jid."""
    row = db.execute(
        """SELECT c.id FROM addresses AS a JOIN chats AS c ON c.contact_id = a.contact_id WHERE a.jid = ?1
        UNION ALL SELECT id FROM chats WHERE jid = ?1 LIMIT 1""",
        (jid,),
    ).fetchone()
    return int(row[0]) if row else None


def contact_id(db: sqlite3.Connection, jid: str) -> int | None:
    """The number of a contact, by either form of their jid."""
    row = db.execute("SELECT contact_id FROM addresses WHERE jid = ? AND contact_id >= 0", (jid,)).fetchone()
    return int(row[0]) if row else None


def chats(
    db: sqlite3.Connection,
    *,
    query: str | None = None,
    kind: ChatKind | None = None,
    unread: bool | None = None,
    unanswered: bool | None = None,
    archived: bool | None = None,
    limit: int = 20,
    cursor: str | None = None,
) -> Page[Chat]:
    """Chats, the one with the newest message first.

    Args:
        query: Beginnings of words of the name or number, accents and case aside; where no chat has them,
            parts of words.
        unread: Only chats with (or without) unread messages.
        unanswered: Only direct chats and groups in which somebody else had the last word (or all where we
            had it).

    Raises:
        InvalidArgument: The cursor is not one of this list, or the limit is not 1–500.
    """
    mark = cursors.fingerprint("chats", query, kind, unread, unanswered, archived)
    cursors.check_limit(limit)
    where, values = ["c.last_id > 0"], list[Any]()
    start: Sequence[int] = ()
    if cursor is not None:
        where, start = ["(c.last_id, c.id) < (?, ?)"], cursors.decode_pair(cursor, mark)
    if query is not None and len(query) > decoding.MAX_NAME:
        return Page(())
    words = [like(word.lstrip("+") or word) for word in fold(query or "").split()[:WORDS]]
    where += [_NAMED] * len(words)
    if kind is not None:
        where.append("c.kind = ?")
        values.append(CHAT_KIND_NUMBER[kind])
    if unread is not None:
        where.append(
            "(c.unread > 0 OR c.marked_unread)" if unread else "NOT (c.unread > 0 OR c.marked_unread)"
        )
    if unanswered is not None:
        where.append(f"{_LAST_SENDER} {'!=' if unanswered else '='} 0")
        if unanswered:
            where.append(
                f"c.kind IN ({CHAT_KIND_NUMBER[ChatKind.DIRECT]}, {CHAT_KIND_NUMBER[ChatKind.GROUP]})"
            )
    if archived is not None:
        where.append("c.archived = ?")
        values.append(int(archived))
    if cursor is None:
        where[0] = "1"
    sql = f"{rows.CHAT_SELECT} WHERE {' AND '.join(where)} ORDER BY c.last_id DESC, c.id DESC LIMIT ?"
    found: list[Any] = []
    for inside in ("% ", "%"):  # where a word begins with it; else anywhere
        names = [f"{inside}{word}%" for word in words for _ in range(2)]
        found = db.execute(sql, [*start, *names, *values, limit + 1]).fetchall()
        if found or not words:
            break
    more = len(found) > limit
    page = found[:limit]
    following = cursors.encode(mark, page[-1][5], page[-1][9]) if more else None
    return Page(rows.chats(db, page), following)


def like(text: str) -> str:
    """The text with the wildcards of LIKE escaped by a backslash."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def chat(db: sqlite3.Connection, jid: str) -> Chat | None:
    """One chat by jid."""
    number = chat_id(db, jid)
    row = db.execute(f"{rows.CHAT_SELECT} WHERE c.id = ?", (number,)).fetchone()
    return rows.chat(db, row) if row else None


def expires_in(db: sqlite3.Connection, chat: str) -> int:
    """Seconds after which new messages of a chat disappear; 0: never, or it was never told."""
    row = db.execute("SELECT expires_in FROM chats WHERE id = ?", (chat_id(db, chat),)).fetchone()
    return int(row[0]) if row else 0


def conditions(db: sqlite3.Connection, where: MessageFilter) -> tuple[list[str], list[Any]] | None:
    """The filter as SQL; None when nothing can match (an unknown chat or sender)."""
    found: list[str] = []
    values: list[Any] = []
    if where.chat is not None:
        number = chat_id(db, where.chat)
        if number is None:
            return None
        found.append("m.chat_id = ?")
        values.append(number)
    if where.sender is not None:
        sender = contact_id(db, where.sender)
        if sender is None:
            return None
        found.append("m.sender_id = ? AND m.sender_id > 0" if sender > 0 else "m.sender_id = ?")
        values.append(sender)
    if where.kinds:
        found.append(of_kinds(where.kinds, alone=where.chat is None and where.sender is None))
    if where.since is not None:
        found.append("m.id >= ?")
        values.append(_first_id(where.since))
    if where.until is not None:
        found.append("m.id < ?")
        values.append(_first_id(where.until))
    if where.from_me is not None:
        found.append("m.sender_id = 0" if where.from_me else "m.sender_id != 0")
    if where.media is not None:
        found.append(f"d.message_id IS {'NOT ' if where.media else ''}NULL")
    if where.unread is not None:
        found.append(UNREAD_SQL if where.unread else f"NOT ({UNREAD_SQL})")
    if where.unreceipted is not None:
        found.append(UNRECEIPTED_SQL if where.unreceipted else f"NOT ({UNRECEIPTED_SQL})")
    for wanted, flag in (
        (where.links, Flag.LINK),
        (where.mentions_me, Flag.MENTIONS_ME),
        (where.starred, Flag.STARRED),
    ):
        if wanted is not None:
            found.append(f"m.flags & {int(flag)} {'!=' if wanted else '='} 0")
    return found, values


def of_kinds(kinds: tuple[MessageKind, ...], *, alone: bool) -> str:
    """The condition for kinds.

    One kind alone is read from its index (which leaves text out); of several, the newest messages are read
    until enough are found, because merging their indexes would sort them all.
    """
    numbers = [KIND_NUMBER[kind] for kind in kinds]
    if alone and len(numbers) == 1 and numbers[0] > 0:
        return f"m.kind = {numbers[0]} AND m.kind > 0"
    return f"+m.kind IN ({', '.join(map(str, numbers))})"


def _first_id(when: datetime) -> int:
    return max(0, int(when.timestamp())) << ID_BITS


def messages(
    db: sqlite3.Connection,
    where: MessageFilter = EVERYTHING,
    *,
    oldest_first: bool = False,
    limit: int = 20,
    cursor: str | None = None,
) -> Page[Message]:
    """Messages, newest first; the notes tell of gaps that the page touches.

    Raises:
        InvalidArgument: The cursor is not one of this list, or the limit is not 1–500.
    """
    mark = cursors.fingerprint("messages", replace(where, since=None, until=None), oldest_first)
    cursors.check_limit(limit)
    last = cursors.decode_id(cursor, mark)
    built = conditions(db, where)
    if built is None:
        return Page(())
    found, values = built
    if last is not None:
        found.append("m.id > ?" if oldest_first else "m.id < ?")
        values.append(last)
    condition = " AND ".join(found) or "1"
    select = (
        f"{rows.MESSAGE_SELECT} WHERE {condition} ORDER BY m.id {'ASC' if oldest_first else 'DESC'} LIMIT ?"
    )
    with closing(db.execute(select, [*values, limit + 1])) as found_rows:
        page, more = rows.fitting(found_rows, limit)
    following = cursors.encode(mark, page[-1][0]) if more else None
    notes = completeness.notes(db, page, where, last_page=following is None and not oldest_first)
    left = _left(db, where, page[-1][0], oldest_first=oldest_first) if following else None
    return Page(rows.messages(db, page), following, notes, left)


def _left(db: sqlite3.Connection, where: MessageFilter, last: int, *, oldest_first: bool) -> Left:
    """How many messages come after the last one of a page; there is one at least.

    At most `COUNTED` are counted, and where a part of the filter has no index, those among the next
    `_SCANNED`: a rare kind of message must not cost a walk through the whole archive.
    """
    found, values = conditions(db, where) or ([], [])
    indexes = ("m.chat_id =",) if where.chat is not None else ("m.sender_id = ?", "m.kind = ")
    indexed, rest = [f"m.id {'>' if oldest_first else '<'} ?"], list[str]()
    first, second = [last], list[Any]()
    for condition, filled in with_values(found, values):
        led = condition.startswith(("m.id ", *indexes))
        (indexed if led else rest).append(condition)
        (first if led else second).extend(filled)
    limit = _SCANNED if rest else COUNTED + 1
    passing = "scanned"
    if rest:
        # CROSS JOIN keeps this order: else SQLite may walk through all messages and look each up here.
        passing = f"""scanned CROSS JOIN messages AS m USING (id) CROSS JOIN chats AS c ON c.id = m.chat_id
        LEFT JOIN media AS d ON d.message_id = m.id WHERE {" AND ".join(rest)}"""
    scanned, count = db.execute(
        f"""WITH scanned AS MATERIALIZED (SELECT m.id FROM messages AS m WHERE {" AND ".join(indexed)}
        ORDER BY m.id {"ASC" if oldest_first else "DESC"} LIMIT {limit})
        SELECT (SELECT count(*) FROM scanned), (SELECT count(*) FROM {passing})""",  # noqa: S608
        [*first, *second],
    ).fetchone()
    return Left(max(1, min(count, COUNTED)), count > COUNTED or scanned == limit)


def with_values(conditions: list[str], values: list[Any]) -> list[tuple[str, list[Any]]]:
    """Each condition with the values that fill its placeholders."""
    remaining = iter(values)
    return [(one, [next(remaining) for _ in range(one.count("?"))]) for one in conditions]


def find(db: sqlite3.Connection, key: MessageKey, chat: str | None = None) -> int:
    """The id of a message, by ref or WhatsApp id.

    Raises:
        MessageNotFound: No such message.
    """
    text = str(key).strip()
    digits = text.removeprefix("#")
    if digits.isascii() and digits.isdecimal() and len(digits) < 16:
        row = db.execute("SELECT message_id FROM refs WHERE ref = ?", (int(digits),)).fetchone()
        if row is not None:
            return int(row[0])
    number = chat_id(db, chat) if chat is not None else None
    if chat is None:
        row = db.execute(
            """SELECT m.id FROM chats AS c JOIN messages AS m ON m.chat_id = c.id AND m.wa_id = ?
            ORDER BY m.id DESC""",
            (text,),
        ).fetchone()
    else:
        row = db.execute(
            "SELECT id FROM messages WHERE chat_id = ? AND wa_id = ? ORDER BY id DESC", (number, text)
        ).fetchone()
    if row is None:
        raise MessageNotFound(f"There is no message {text!r}" + (" in this chat." if chat else "."))
    return int(row[0])


def message(db: sqlite3.Connection, key: MessageKey, *, chat: str | None = None) -> Message:
    """One message; `chat` narrows a WhatsApp id.

    Raises:
        MessageNotFound: No such message.
    """
    found = find(db, key, chat)
    return rows.messages(db, db.execute(f"{rows.MESSAGE_SELECT} WHERE m.id = ?", (found,)).fetchall())[0]


def context(db: sqlite3.Connection, key: MessageKey, *, before: int = 5, after: int = 5) -> Page[Message]:
    """A message and its neighbours in the chat, oldest first.

    Raises:
        MessageNotFound: No such message.
    """
    found = find(db, key)
    chat = db.execute("SELECT chat_id FROM messages WHERE id = ?", (found,)).fetchone()[0]
    earlier = db.execute(
        f"{rows.MESSAGE_SELECT} WHERE m.chat_id = ? AND m.id <= ? ORDER BY m.id DESC LIMIT ?",
        (chat, found, min(max(before, 0), 100) + 1),
    ).fetchall()
    later = db.execute(
        f"{rows.MESSAGE_SELECT} WHERE m.chat_id = ? AND m.id > ? ORDER BY m.id LIMIT ?",
        (chat, found, min(max(after, 0), 100)),
    ).fetchall()
    page = earlier[::-1] + later
    return Page(rows.messages(db, page), None, completeness.notes(db, page, MessageFilter(), last_page=False))


def preceding(
    db: sqlite3.Connection, keys: Sequence[MessageKey], count: int
) -> dict[int, tuple[Message, ...]]:
    """By ref, up to `count` messages before each in its chat, oldest first; each message once.

    Those before the last messages are left out where they would be too much for a page.

    Raises:
        MessageNotFound: One of the messages is not there.
    """
    shown, room = {find(db, key) for key in keys}, decoding.MAX_PAGE
    found: dict[int, list[Any]] = {}
    for one in sorted(shown):
        earlier = db.execute(
            f"""{rows.MESSAGE_SELECT} WHERE m.chat_id = (SELECT chat_id FROM messages WHERE id = ?1)
            AND m.id < ?1 ORDER BY m.id DESC LIMIT ?2""",  # noqa: S608
            (one, count),
        ).fetchall()
        new = [row for row in reversed(earlier) if row[0] not in shown]
        room -= sum(len(row[7]) + len(row[11] or "") for row in new)
        found[one] = new if room > 0 else []
        shown.update(row[0] for row in found[one])
    messages = iter(rows.messages(db, [row for each in found.values() for row in each]))
    refs = {one: db.execute("SELECT ref FROM messages WHERE id = ?", (one,)).fetchone()[0] for one in found}
    return {refs[one]: tuple(next(messages) for _ in each) for one, each in found.items()}


def edits(db: sqlite3.Connection, key: MessageKey) -> tuple[tuple[datetime, str], ...]:
    """The earlier texts of an edited message, oldest first, each with the time it was written."""
    found = find(db, key)
    target = state.target_of(db, found)
    (original,) = db.execute("SELECT original FROM messages WHERE id = ?", (found,)).fetchone()
    first = ((rows.time_of(found), str(original)),) if original else ()
    later = state.read_addons(db, state.EDITS, [target]).get(target, [])
    return first + tuple((datetime.fromtimestamp(at // 1000, UTC), text) for _, at, (text,) in later[:-1])


def media_source(db: sqlite3.Connection, key: MessageKey) -> MediaSource:
    """What a download needs.

    Raises:
        MessageNotFound: No such message.
        MediaUnavailable: It carries no file, or its keys were never received.
    """
    found = find(db, key)
    row = db.execute(
        """SELECT m.ref, d.media_type, d.mime_type, d.file_name, d.size, d.direct_path, d.url, d.media_key,
        d.sha256, d.enc_sha256, d.path FROM messages AS m
        JOIN media AS d ON d.message_id = m.id WHERE m.id = ?""",
        (found,),
    ).fetchone()
    if row is None:
        raise MediaUnavailable("This message carries no file.", "Take a message of a media kind.")
    source = MediaSource(*row)
    if source.path is None and (source.media_key is None or not (source.direct_path or source.url)):
        raise MediaUnavailable("The keys of this file were never received.", "Open it on the phone.")
    return source


def members(db: sqlite3.Connection, group: str) -> tuple[GroupMember, ...]:
    """The participants of a group as far as they are known."""
    number = chat_id(db, group)
    roles = {} if number is None else current_members(db, [number])[number]
    found = sorted(_contacts(db, roles), key=lambda row: (-roles[row[0]], row[2]))
    return tuple(GroupMember(rows.contact(row), roles[row[0]] > 0, roles[row[0]] == 2) for row in found)


def _contacts(db: sqlite3.Connection, contacts: Collection[int]) -> list[Any]:
    """Rows of `CONTACT_SELECT`, by their names."""
    return db.execute(
        f"{rows.CONTACT_SELECT} WHERE s.id IN ({', '.join('?' * len(contacts))}) ORDER BY 3", [*contacts]
    ).fetchall()


def without_vote(db: sqlite3.Connection, poll: MessageKey) -> tuple[Actor, ...]:
    """Members of the poll's group, as far as they are known, who have not voted or took their vote back.

    Raises:
        MessageNotFound: No such message.
    """
    target = state.target_of(db, find(db, poll))
    votes = state.current_addons(db, state.VOTES, [target]).get(target, [])
    voted = {one.person for one in votes if one.says[-1] != b""}
    missing = current_members(db, [target.chat])[target.chat].keys() - voted
    people = ((row[0] == OWNER, rows.contact(row)) for row in _contacts(db, missing))
    return tuple(Actor(person.name, own, not own and person.stranger) for own, person in people)


def common_groups(db: sqlite3.Connection, jid: str) -> tuple[Chat, ...]:
    """The groups that the account's owner and this person are both in, the most recently used first."""
    person = contact_id(db, jid)
    groups = [
        row[0]
        for row in db.execute(
            """SELECT id FROM chats AS c WHERE kind = ? AND EXISTS (SELECT 1 FROM members AS m
            JOIN addresses AS a ON a.id = m.address_id WHERE m.chat_id = c.id
            AND (a.contact_id = ? OR a.reassigned))""",
            (CHAT_KIND_NUMBER[ChatKind.GROUP], person),
        ).fetchall()
    ]
    both = [group for group, roles in current_members(db, groups).items() if {OWNER, person} <= roles.keys()]
    found = db.execute(
        f"""{rows.CHAT_SELECT} WHERE c.id IN ({", ".join("?" * len(both))})
        ORDER BY c.last_id DESC, c.id DESC""",
        both,
    ).fetchall()
    return rows.chats(db, found)


def contact(db: sqlite3.Connection, jid: str) -> Contact | None:
    """One person by either form of their jid."""
    row = db.execute(f"{rows.CONTACT_SELECT} WHERE s.id = ?", (contact_id(db, jid),)).fetchone()
    return rows.contact(row) if row else None
