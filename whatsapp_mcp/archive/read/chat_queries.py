"""Chats and the people in them: the list of chats, members of groups, contacts."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any, Final

from whatsapp_mcp import decoding
from whatsapp_mcp.archive import state
from whatsapp_mcp.archive.database import ID_BITS, column, fold, placeholders, value
from whatsapp_mcp.archive.read import chat_rows, cursors, message_rows
from whatsapp_mcp.archive.read.chat_rows import ChatRow, ContactRow
from whatsapp_mcp.archive.read.lookup import chat_id, contact_id, find, first_id, like
from whatsapp_mcp.archive.read.message_rows import MessageRow
from whatsapp_mcp.archive.state import current_members
from whatsapp_mcp.decoding import CHAT_KIND_NUMBER, COMMUNITY, KIND_NUMBER, NEVER_UNREAD, OWNER, SYSTEM
from whatsapp_mcp.models import (
    NEW_COUNTED,
    Actor,
    Chat,
    ChatKind,
    Contact,
    Digest,
    GroupMember,
    MessageKey,
    Page,
    Side,
)

WORDS: Final = 100
"""Words of a name that are looked for: SQLite takes no condition of a thousand parts."""
_CLOSEST: Final = 3
"""People who are named instead of one whom nobody is called."""
_NAMED: Final = """(' ' || c.name_norm LIKE ? ESCAPE '\\'
 OR ' ' || replace(cc.name_norm, char(10), ' ') LIKE ? ESCAPE '\\')"""
_CALLED: Final = f"""SELECT j.value, coalesce({state.NAME_SQL.format(c="s")}, c.name)
 FROM json_each(?) AS j LEFT JOIN chats AS c ON c.jid = j.value
 LEFT JOIN addresses AS a ON a.jid = j.value AND a.contact_id >= 0
 LEFT JOIN contacts AS s ON s.id = a.contact_id"""  # noqa: S608
_CONVERSATION: Final = f"c.kind IN ({CHAT_KIND_NUMBER[ChatKind.DIRECT]}, {CHAT_KIND_NUMBER[ChatKind.GROUP]})"
_NO_WORDS: Final = ", ".join(str(KIND_NUMBER[kind]) for kind in NEVER_UNREAD)
_LAST_WORDS: Final = f"""w.id = iif(m.kind NOT IN ({_NO_WORDS}) AND m.revoked_at IS NULL, m.id,
 (SELECT x.id FROM messages AS x WHERE x.chat_id = c.id AND x.kind NOT IN ({_NO_WORDS})
 AND x.revoked_at IS NULL ORDER BY x.id DESC LIMIT 1))"""  # noqa: S608
"""`w` is the last message of a chat `c`; calls, notices and what was deleted do not count."""
_NOT_ASIDE: Final = f"""NOT EXISTS (SELECT 1 FROM (SELECT s.handled_to, s.until FROM set_aside AS s
 JOIN chat_addresses AS v ON v.address_id = s.address_id WHERE v.chat_id = c.id ORDER BY s.at DESC LIMIT 1)
 WHERE until > ? OR handled_to >= w.id >> {ID_BITS})"""  # noqa: S608
"""The chat of `w` is neither put off at a time nor dealt with up to then."""
_SAID: Final = f"m.kind != {SYSTEM} AND m.revoked_at IS NULL"
_DIGEST_CHATS: Final = 60
_DIGEST_LINES: Final = 5
"""Messages of each chat of a digest."""


NO_COMMUNITY: Final = f"""(c.kind != {CHAT_KIND_NUMBER[ChatKind.GROUP]} OR NOT EXISTS (
 SELECT 1 FROM addresses AS p JOIN chat_settings AS s ON s.address_id = p.id AND s.field = '{COMMUNITY}'
 AND s.value = p.jid WHERE p.jid = c.jid))"""  # noqa: S608
"""Nothing is said in a community itself; its announcement group stands for it."""


def communities(db: sqlite3.Connection) -> dict[str, str | None]:
    """The communities by jid, each with the jid of its announcement group, as far as that is known."""
    rows = db.execute(
        """SELECT s.value, a.jid FROM chat_settings AS s JOIN addresses AS a ON a.id = s.address_id
        WHERE s.field = ? ORDER BY a.jid""",
        (COMMUNITY,),
    ).fetchall()
    return dict.fromkeys([community for community, _ in rows]) | {
        community: jid for community, jid in rows if jid != community
    }


def chats(
    db: sqlite3.Connection,
    *,
    query: str | None = None,
    kind: ChatKind | None = None,
    unread: bool | None = None,
    unanswered: Side | None = None,
    now: datetime | None = None,
    archived: bool | None = None,
    jid: str | None = None,
    limit: int = 20,
    cursor: str | None = None,
) -> Page[Chat]:
    """Chats, the one with the newest message first.

    Args:
        query: Beginnings of words of the name or number, accents and case aside; where no chat has them,
            parts of words.
        unread: Only chats with (or without) unread messages.
        unanswered: Only direct chats and groups in which the other side wrote last (`me`: it is the owner's
            turn), or the owner did (`them`).
        now: At which time those that are set aside are left out; None: they are not.
        jid: This chat alone, also if it is a community.

    Raises:
        InvalidArgument: The cursor is not one of this list, or the limit is not 1–500.
    """
    mark = cursors.fingerprint("chats", query, kind, unread, unanswered, archived, jid)
    cursors.check_limit(limit)
    where, values = ["c.last_id > 0"], list[Any]()
    start: Sequence[int] = ()
    if cursor is not None:
        where, start = ["(c.last_id, c.id) < (?, ?)"], cursors.decode(cursor, mark, int, int)
    if query is not None and len(query) > decoding.MAX_NAME:
        return Page(())
    words = [like(word.lstrip("+") or word) for word in fold(query or "").split()[:WORDS]]
    where += [_NAMED] * len(words)
    if jid is None:
        where.append(NO_COMMUNITY)
    if kind is not None:
        where.append("c.kind = ?")
        values.append(CHAT_KIND_NUMBER[kind])
    if unread is not None:
        where.append(
            "(c.unread > 0 OR c.marked_unread)" if unread else "NOT (c.unread > 0 OR c.marked_unread)"
        )
    if unanswered is not None:
        last = f"{_LAST_WORDS} AND w.sender_id {'!=' if unanswered == 'me' else '='} {OWNER}"
        if now is not None:
            last += f" AND {_NOT_ASIDE}"
            values.append(now.timestamp())
        where += [_CONVERSATION, f"EXISTS (SELECT 1 FROM messages AS w WHERE {last})"]  # noqa: S608
    if archived is not None:
        where.append("c.archived = ?")
        values.append(int(archived))
    if jid is not None:
        where.append("c.jid = ?")
        values.append(jid)
    if cursor is None:
        where[0] = "1"
    rest = f"WHERE {' AND '.join(where)} ORDER BY c.last_id DESC, c.id DESC LIMIT ?"
    rows: list[ChatRow] = []
    for inside in ("% ", "%"):  # where a word begins with it; else anywhere
        names = [f"{inside}{word}%" for word in words for _ in range(2)]
        rows = chat_rows.chat_rows(db, rest, [*start, *names, *values, limit + 1])
        if rows or not words:
            break
    page = rows[:limit]

    def after(index: int) -> str:
        return cursors.encode(mark, page[index].last_id, page[index].id)

    following = after(-1) if len(rows) > limit else None
    return Page(chat_rows.chats(db, page), following, after=after)


def chat(db: sqlite3.Connection, jid: str) -> Chat | None:
    """One chat by jid."""
    return one_chat(db, "WHERE c.id = ?", chat_id(db, jid))


def chat_names(db: sqlite3.Connection, jids: Collection[str]) -> dict[str, str]:
    """Return the names of chats in lists, by jid; unknown ones are left out."""
    rows = db.execute(_CALLED, (json.dumps([*jids]),))
    return {jid: name for jid, name in rows.fetchall() if name is not None}


def one_chat(db: sqlite3.Connection, where: str, value: int | None) -> Chat | None:
    """The only chat (`c`) that meets a condition."""
    matches = chat_rows.chats(db, chat_rows.chat_rows(db, where, (value,)))
    return matches[0] if matches else None


def digest(db: sqlite3.Connection, since: datetime, *, now: datetime, jid: str | None = None) -> Digest:
    """Return what was said in direct chats and groups since a time, the chat with the newest message first.

    Args:
        db: The archive.
        since: The first moment.
        now: At which time those that are set aside are left out.
        jid: This chat alone.
    """
    first = first_id(since)
    newest = f"SELECT m.id FROM messages AS m WHERE m.chat_id = c.id AND m.id >= ? AND {_SAID}"  # noqa: S608
    active_chats = db.execute(
        f"""SELECT c.id, c.jid FROM chats AS c WHERE c.last_id >= ? AND coalesce(c.jid = ?, 1)
        AND {_CONVERSATION} AND EXISTS (SELECT 1 FROM messages AS w WHERE w.id = (
        {newest} ORDER BY m.id DESC LIMIT 1) AND {_NOT_ASIDE}) ORDER BY c.last_id DESC""",  # noqa: S608
        (first, jid, first, now.timestamp()),
    ).fetchall()
    said = f"m.chat_id = ? AND m.id >= ? AND {_SAID}"
    # One after the other: behind those that make a long page, none is read.
    rows, _ = message_rows.fitting(
        (
            row
            for number, _ in active_chats[:_DIGEST_CHATS]
            for row in message_rows.message_rows(
                db, f"WHERE {said} ORDER BY m.id DESC LIMIT {_DIGEST_LINES}", (number, first)
            )
        ),
        _DIGEST_CHATS * _DIGEST_LINES,
    )
    by_chat: dict[int, list[MessageRow]] = {row.chat: [] for row in rows}
    for row in reversed(rows):
        by_chat[row.chat].append(row)
    count = f"SELECT count(*) FROM (SELECT 1 FROM messages AS m WHERE {said} LIMIT {NEW_COUNTED})"  # noqa: S608
    return Digest(
        message_rows.messages(db, [row for each in by_chat.values() for row in each]),
        {each: value(db, count, (number, first)) for number, each in active_chats if number in by_chat},
        tuple(each for number, each in active_chats if number not in by_chat),
    )


def expires_in(db: sqlite3.Connection, chat: str) -> int:
    """Seconds after which new messages of a chat disappear; 0: never, or not known."""
    return value(db, "SELECT expires_in FROM chats WHERE id = ?", (chat_id(db, chat),)) or 0


def members(db: sqlite3.Connection, group: str, *, imported: bool = True) -> tuple[GroupMember, ...]:
    """The participants of a group as far as they are known.

    Args:
        db: The archive.
        group: Jid.
        imported: Whether what files say counts, where nothing else tells who is in it.
    """
    number = chat_id(db, group)
    roles = {} if number is None else current_members(db, [number], imported=imported)[number]
    rows = sorted(_contacts(db, roles), key=lambda row: (-roles[row.id], row.name))
    return tuple(GroupMember(row.contact, roles[row.id] > 0, roles[row.id] == 2) for row in rows)


def _contacts(db: sqlite3.Connection, contacts: Collection[int]) -> list[ContactRow]:
    """Contacts by their names."""
    places = placeholders(contacts)
    return chat_rows.contact_rows(db, f"WHERE s.id IN ({places}) ORDER BY 3", [*contacts])


def without_vote(db: sqlite3.Connection, poll: MessageKey) -> tuple[Actor, ...]:
    """Members of the poll's group, as far as they are known, who have not voted or took their vote back.

    Raises:
        MessageNotFound: No such message.
    """
    target = state.target_of(db, find(db, poll))
    votes = state.current_addons(db, state.VOTES, [target]).get(target, [])
    voted = {one.person for one in votes if one.says[-1] != b""}
    missing = current_members(db, [target.chat])[target.chat].keys() - voted
    people = ((row.id == OWNER, row.contact) for row in _contacts(db, missing))
    return tuple(Actor(person.name, own, not own and person.stranger) for own, person in people)


def common_groups(db: sqlite3.Connection, jid: str) -> tuple[Chat, ...]:
    """The groups that the account's owner and this person are both in, the most recently used first."""
    person = contact_id(db, jid)
    groups = column(
        db,
        # Reassigned addresses all count here: whose they were then, `current_members` works out below.
        """SELECT id FROM chats AS c WHERE kind = ? AND EXISTS (SELECT 1 FROM members AS m
        JOIN addresses AS a ON a.id = m.address_id WHERE m.chat_id = c.id
        AND (a.contact_id = ? OR a.reassigned))""",
        (CHAT_KIND_NUMBER[ChatKind.GROUP], person),
    )
    both = [group for group, roles in current_members(db, groups).items() if {OWNER, person} <= roles.keys()]
    places = placeholders(both)
    rest = f"WHERE c.id IN ({places}) ORDER BY c.last_id DESC, c.id DESC"
    return chat_rows.chats(db, chat_rows.chat_rows(db, rest, both))


def closest_contacts(db: sqlite3.Connection, name: str) -> tuple[Contact, ...]:
    """The people whose names, or a word of them, are most like a name that nobody has."""
    called: dict[str, int] = {}
    for number, names in db.execute("SELECT id, name_norm FROM contacts WHERE id != 0"):
        for each in (*names.split("\n"), *names.split()):
            called.setdefault(each, number)
    wanted = fold(name[: decoding.MAX_NAME])
    alike = [
        other for word in (wanted, *re.findall(r"\w+", wanted)) for other in get_close_matches(word, called)
    ]
    closest = [*dict.fromkeys(called[other] for other in alike)][:_CLOSEST]
    people = {row.id: row.contact for row in _contacts(db, closest)}
    return tuple(people[number] for number in closest)


def contact(db: sqlite3.Connection, jid: str) -> Contact | None:
    """One person by either form of their jid."""
    rows = chat_rows.contact_rows(db, "WHERE s.id = ?", (contact_id(db, jid),))
    return rows[0].contact if rows else None
