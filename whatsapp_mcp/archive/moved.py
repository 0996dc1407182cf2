"""Numbers that passed from one person to another: what came under the number alone finds its person by time.

A hidden jid is one person's for ever. A number is held by the person with whom it was last seen before, or by
the first one for what is older than that. A message that was also seen under a hidden jid belongs there. What
hangs on a message goes with it. So it does not matter in which order things were learned.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from typing import Final

from whatsapp_mcp.archive import index, merge, receipts, versions, votes
from whatsapp_mcp.archive.facts import CHAT_KIND_NUMBER, OWNER
from whatsapp_mcp.archive.schema import ID_BITS
from whatsapp_mcp.models import ChatKind

_HANGING: Final = (
    ("reactions", "wa_id"),
    ("edits", "wa_id"),
    ("revokes", "wa_id"),
    ("votes", "wa_id"),
    ("calls", "wa_id"),
    ("early_receipts", "wa_id"),
    ("sealed", "target"),
)
"""Tables of what hangs on a message, and their column that names it."""
_BY_NUMBER: Final = (
    ("reactions", "sender_id", ("chat_id", "wa_id"), 1000),
    ("votes", "voter_id", ("chat_id", "wa_id"), 1000),
    ("members", "contact_id", ("chat_id",), 1),
)
"""What people do in groups: table, column of the person, rest of the key, units of `at` in a second."""


def holders(db: sqlite3.Connection, pn: str) -> list[tuple[int, int]]:
    """(since, contact) of those who had a number, the first one first."""
    return db.execute(
        """SELECT h.since, a.contact_id FROM holders AS h JOIN addresses AS a ON a.jid = h.lid
        WHERE h.pn = ? ORDER BY h.since, h.lid""",
        (pn,),
    ).fetchall()


def _at(held: list[tuple[int, int]], at: int) -> int:
    return next((contact for since, contact in reversed(held) if since <= at), held[0][1])


def holder(db: sqlite3.Connection, pn: str, at: int) -> int:
    """The contact who had a number at a time."""
    return _at(holders(db, pn), at)


def chat_of(db: sqlite3.Connection, contact: int) -> int:
    """The direct chat with a contact, made when there is none."""
    row = db.execute("SELECT id FROM chats WHERE contact_id = ?", (contact,)).fetchone()
    if row is None:
        number = free_number(db, "chats", "chat_aliases")
        db.execute(
            """INSERT INTO chats (id, jid, kind, contact_id)
            SELECT ?, coalesce(pn, lid), ?, id FROM contacts WHERE id = ?""",
            (number, CHAT_KIND_NUMBER[ChatKind.DIRECT], contact),
        )
        return number
    return int(row[0])


def free_number(db: sqlite3.Connection, table: str, aliases: str) -> int:
    """A number that no contact or chat ever had: the search index and the feed still hold the old ones."""
    row = db.execute(
        f"""SELECT 1 + max(coalesce((SELECT max(id) FROM {table}), 0),
        coalesce((SELECT max(old_id) FROM {aliases}), 0))"""  # noqa: S608
    ).fetchone()
    return int(row[0])


def chat_with(db: sqlite3.Connection, pn: str, wa_id: str) -> int | None:
    """Among the chats of those who had a number, the one that holds a message."""
    row = db.execute(
        """SELECT m.chat_id FROM holders AS h JOIN addresses AS a ON a.jid = h.lid
        JOIN chats AS c ON c.contact_id = a.contact_id JOIN messages AS m ON m.chat_id = c.id
        WHERE h.pn = ? AND m.wa_id = ? ORDER BY m.via IS NOT NULL, h.since, h.lid LIMIT 1""",
        (pn, wa_id),
    ).fetchone()
    return int(row[0]) if row else None


def numbers_of(db: sqlite3.Connection, jid: str) -> list[str]:
    """The contested numbers that an address is part of."""
    return [
        row[0]
        for row in db.execute(
            """SELECT DISTINCT h.pn FROM holders AS h JOIN addresses AS a ON a.jid = h.pn AND a.moved
            WHERE ?1 IN (h.pn, h.lid)""",
            (jid,),
        ).fetchall()
    ]


def place(db: sqlite3.Connection, pn: str, wa_id: str | None = None) -> set[int]:
    """Put every message that came under a number alone (or those with one id) where it belongs.

    Returns:
        The chats that changed.
    """
    held = holders(db, pn)
    persons = list(dict.fromkeys(contact for _, contact in held))
    chats = {chat_of(db, person): person for person in persons}
    rows = db.execute(
        f"""SELECT id, chat_id, sender_id, wa_id FROM messages
        WHERE via = (SELECT id FROM addresses WHERE jid = ?) AND ifnull(? = wa_id, 1)
        AND (chat_id IN ({_places(chats)}) OR sender_id IN ({_places(persons)})) ORDER BY id""",  # noqa: S608
        [pn, wa_id, *chats, *persons],
    ).fetchall()
    changed: set[int] = set()
    for message, chat, sender, name in rows:
        person, target = _at(held, message >> ID_BITS), chat
        if chat in chats:
            told = _told(db, name, chats, sender == OWNER)
            person = person if told is None else chats[told]
            target = chat_of(db, person)
        else:
            person = author(db, chat, name, persons, told=True) or person
        if _move(db, message, target, OWNER if sender == OWNER else person):
            changed |= {chat, target}
    for chat, name in _orphans(db, chats, wa_id):
        target = chat_with(db, pn, name)
        if target is not None:
            merge.follow(db, name, (chat, target), (chats[chat], chats[target]))
            changed |= {chat, target}
            _catch_up(db, target, name)
    changed |= _follow_authors(db, persons, wa_id)
    _place_states(db, pn, held, chats, wa_id)
    for chat in changed:
        _reread(db, chat)
    return changed


def _place_states(
    db: sqlite3.Connection, pn: str, held: list[tuple[int, int]], chats: Collection[int], wa_id: str | None
) -> None:
    """Give what came under a number alone in groups to the one who held it then, or was told with it."""
    persons = [contact for _, contact in held]
    for table, column, key, unit in _BY_NUMBER:
        if wa_id is not None and "wa_id" not in key:
            continue
        found = db.execute(
            f"""SELECT {column}, at, {", ".join(key)} FROM {table} AS t
            WHERE via = (SELECT id FROM addresses WHERE jid = ?) AND {column} IN ({_places(persons)})
            AND chat_id NOT IN ({_places(chats)}) {"AND ifnull(? = wa_id, 1)" if "wa_id" in key else ""}""",  # noqa: S608
            [pn, *persons, *chats, *([wa_id] if "wa_id" in key else [])],
        ).fetchall()
        for person, at, *values in found:
            told = db.execute(
                f"""SELECT {column} FROM {table} WHERE ({", ".join(key)}) = ({_places(key)}) AND at = ?
                AND via IS NULL AND {column} IN ({_places(persons)})""",  # noqa: S608
                [*values, at, *persons],
            ).fetchone()
            holder_then = told[0] if told else _at(held, at // unit)
            if holder_then != person:
                merge.lead_state(db, table, column, person, holder_then, dict(zip(key, values, strict=True)))


def author(
    db: sqlite3.Connection, chat: int, wa_id: str, persons: Collection[int], *, told: bool = False
) -> int | None:
    """Who of those who had a number has said something in a chat.

    Args:
        told: Count only what was seen under their hidden jids.
    """
    alone = "AND via IS NULL" if told else ""
    row = db.execute(
        f"""SELECT sender_id FROM messages WHERE chat_id = ? AND wa_id = ?
        AND sender_id IN ({_places(persons)}) {alone} ORDER BY via IS NOT NULL, id LIMIT 1""",  # noqa: S608
        (chat, wa_id, *persons),
    ).fetchone()
    return int(row[0]) if row else None


def _follow_authors(db: sqlite3.Connection, persons: list[int], wa_id: str | None) -> set[int]:
    """Give edits and revokes to the author of their message: only the author can have made them."""
    changed: set[int] = set()
    for table in ("edits", "revokes"):
        for chat, name, sender in db.execute(
            f"""SELECT DISTINCT chat_id, wa_id, sender_id FROM {table} AS t
            WHERE sender_id IN ({_places(persons)}) AND ifnull(? = wa_id, 1)
            AND NOT EXISTS (SELECT 1 FROM messages AS m
            WHERE (m.chat_id, m.wa_id, m.sender_id) = (t.chat_id, t.wa_id, t.sender_id))""",  # noqa: S608
            [*persons, wa_id],
        ).fetchall():
            person = author(db, chat, name, persons)
            if person is not None:
                merge.lead_changes(db, name, chat, sender, person)
                _catch_up(db, chat, name)
                changed.add(chat)
    return changed


def _reread(db: sqlite3.Connection, chat: int) -> None:
    """Bring the read mark of a chat in line with the messages that are left or new in it."""
    db.execute(
        """UPDATE chats AS c SET read_id = max(
            iif(EXISTS (SELECT 1 FROM messages WHERE id = c.read_id AND chat_id = c.id), read_id, 0),
            (SELECT coalesce(max(id), 0) FROM messages WHERE chat_id = c.id AND sender_id = 0))
        WHERE id = ?""",
        (chat,),
    )


def _places(values: Collection[object]) -> str:
    return ", ".join("?" * len(values))


def _told(db: sqlite3.Connection, wa_id: str, chats: dict[int, int], mine: bool) -> int | None:
    """The chat where the same message was seen under a hidden jid."""
    row = db.execute(
        f"""SELECT chat_id FROM messages WHERE wa_id = ? AND chat_id IN ({_places(chats)})
        AND via IS NULL AND (sender_id = 0) = ? ORDER BY id LIMIT 1""",  # noqa: S608
        (wa_id, *chats, mine),
    ).fetchone()
    return int(row[0]) if row else None


def _orphans(db: sqlite3.Connection, chats: dict[int, int], wa_id: str | None) -> list[tuple[int, str]]:
    """What hangs on messages that are not in its chat: (chat, id of the message)."""
    found: set[tuple[int, str]] = set()
    for table, column in _HANGING:
        found |= set(
            db.execute(
                f"""SELECT chat_id, {column} FROM {table} AS t WHERE chat_id IN ({_places(chats)})
                AND ifnull(? = {column}, 1) AND NOT EXISTS (SELECT 1 FROM messages AS m
                WHERE m.chat_id = t.chat_id AND m.wa_id = t.{column})""",  # noqa: S608
                [*chats, wa_id],
            ).fetchall()
        )
    return sorted(found)


def _move(db: sqlite3.Connection, message: int, chat: int, sender: int) -> bool:
    """Lead a message to a chat and a sender, where it may be already; whether anything changed."""
    (wa_id,) = db.execute("SELECT wa_id FROM messages WHERE id = ?", (message,)).fetchone()
    twin = db.execute(
        "SELECT id FROM messages WHERE chat_id = ? AND wa_id = ? AND sender_id = ? AND id != ?",
        (chat, wa_id, sender, message),
    ).fetchone()
    if twin is not None:
        message = merge.unite(db, twin[0], message)
    changed = db.execute(
        "UPDATE messages SET chat_id = ?1, sender_id = ?2 WHERE id = ?3 AND (chat_id, sender_id) != (?1, ?2)",
        (chat, sender, message),
    ).rowcount
    if changed > 0:
        index.refresh(db, message)
        _catch_up(db, chat, wa_id)
    return changed > 0 or twin is not None


def _catch_up(db: sqlite3.Connection, chat: int, wa_id: str) -> None:
    for (message,) in db.execute(
        "SELECT id FROM messages WHERE chat_id = ? AND wa_id = ?", (chat, wa_id)
    ).fetchall():
        versions.settle(db, message)
    receipts.apply_early(db, chat, wa_id)
    votes.open_sealed(db, chat, wa_id)
