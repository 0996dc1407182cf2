"""Numbers that passed from one person to another: what came under the number alone finds its person by time.

A hidden jid is one person's for ever. A number is held by the person with whom it was first seen last, or by
the first one for what is older than that (`holders.py`). A message that was also seen under a hidden jid
belongs there, and so does what else was told of the same moment. What hangs on a message goes with it. Each
row is of one fact and keeps its time and the number, so it does not matter what was learned first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from whatsapp_mcp.archive import index, merge, receipts, versions, votes
from whatsapp_mcp.archive.facts import CHAT_KIND_NUMBER, OWNER
from whatsapp_mcp.archive.holders import Tenures
from whatsapp_mcp.archive.schema import ID_BITS
from whatsapp_mcp.models import ChatKind

_ALWAYS: Final = 1 << 40
_UNDER_LID: Final = "address_id IN (SELECT id FROM addresses WHERE jid LIKE '%@lid')"


class _Act(NamedTuple):
    """A table of what people do, each row of which is of one address.

    Attributes:
        table: Its name.
        about: Column that names the message that it hangs on.
        person: Column of who did it, if somebody is named.
        key: The rest of its key.
        unit: Units of its `at` in a second.
        via: Column of the number under which it came.
        told: Whether it came under a hidden jid, as SQL.
    """

    table: str
    about: str | None
    person: str | None
    key: tuple[str, ...]
    unit: int
    via: str = "via"
    told: str = "via IS NULL"


_HANGING: Final = (
    _Act("reactions", "wa_id", "sender_id", ("at",), 1000),
    _Act("votes", "wa_id", "voter_id", ("at",), 1000),
    _Act("edits", "wa_id", "sender_id", ("at",), 1000),
    _Act("revokes", "wa_id", "sender_id", ("at",), 1),
    _Act("sealed", "target", "sender_id", ("wa_id",), 1),
    _Act("calls", "wa_id", None, ("step", "at"), 1),
    _Act("early_receipts", "wa_id", None, ("kind", "at"), 1, "address_id", _UNDER_LID),
)
_MEMBERS: Final = _Act("members", None, "contact_id", ("at",), 1)
_BY_AUTHOR: Final = ("edits", "revokes")
"""Tables of what only the author of its message can have done."""


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


def chats_of(db: sqlite3.Connection, held: Tenures) -> dict[int, int]:
    """The direct chats with those who had a number, and with whom each is; the first one first."""
    return {chat_of(db, person): person for person in held.persons}


def chat_with(db: sqlite3.Connection, chats: Sequence[int], wa_id: str, *, told: bool = False) -> int | None:
    """Among the chats of those who had a number, the one of a message.

    That is where it, or something about it, was seen under a hidden jid; else where it is.

    Args:
        db: The archive.
        chats: All of them.
        wa_id: WhatsApp's id of the message.
        told: Only where something was seen under a hidden jid.
    """
    places = _places(chats)
    found = db.execute(
        f"""SELECT via IS NOT NULL, id >> {ID_BITS}, chat_id FROM messages
        WHERE wa_id = ? AND chat_id IN ({places})"""  # noqa: S608
        + "".join(
            f" UNION ALL SELECT 0, {_ALWAYS}, chat_id FROM {act.table}"  # noqa: S608
            f" WHERE {act.about} = ? AND chat_id IN ({places}) AND {act.told}"
            for act in _HANGING
        ),
        [wa_id, *chats] * (1 + len(_HANGING)),
    ).fetchall()
    ranked = [(alone, at, chats.index(chat)) for alone, at, chat in found if not (told and alone)]
    return chats[min(ranked)[2]] if ranked else None


def numbers_of(db: sqlite3.Connection, jid: str) -> list[str]:
    """The contested numbers of whoever has an address or, if it is a number, had it."""
    return [
        row[0]
        for row in db.execute(
            """WITH persons AS (SELECT contact_id FROM addresses WHERE jid = ?1
            UNION SELECT a.contact_id FROM holders AS h JOIN addresses AS a ON a.jid = h.lid WHERE h.pn = ?1)
            SELECT DISTINCT h.pn FROM holders AS h
            WHERE h.lid IN (SELECT jid FROM persons JOIN addresses USING (contact_id))
            AND EXISTS (SELECT 1 FROM holders AS o WHERE o.pn = h.pn AND o.lid != h.lid)""",
            (jid,),
        ).fetchall()
    ]


def place_all(db: sqlite3.Connection, numbers: Collection[str]) -> set[int]:
    """Put all that came under numbers alone where it belongs; answers the chats that may have changed."""
    for pn in numbers:
        held = Tenures(db, pn)
        _place_acts(db, _MEMBERS, held, None)
        _place_settings(db, held, chats_of(db, held))
    return place(db, numbers, None)


def place_members(db: sqlite3.Connection, pn: str) -> None:
    """Put who is in which group under a number alone right."""
    _place_acts(db, _MEMBERS, Tenures(db, pn), None)


def place(db: sqlite3.Connection, numbers: Collection[str], wa_id: str | None) -> set[int]:
    """Put messages that came under numbers alone, and what was done to them, where they belong.

    Args:
        db: The archive, in a write transaction.
        numbers: The numbers: all that those had who had one of them, because what was done under one of them
            goes with a message that came under another.
        wa_id: WhatsApp's id of the messages; None: all.

    Returns:
        The chats that may have changed.
    """
    tenures = [Tenures(db, pn) for pn in numbers]
    chats = {chat for held in tenures for chat in chats_of(db, held)}
    moved = set[tuple[int, str]]()
    for held in tenures:
        moved |= _place_messages(db, held, wa_id)
    for held in tenures:
        for act in _HANGING:
            moved |= _place_acts(db, act, held, wa_id)
    for chat, name in moved:
        _catch_up(db, chat, name)
    for chat in chats:
        receipts.reread(db, chat)
    return {*chats, *(chat for chat, _ in moved)}


def _place_messages(db: sqlite3.Connection, held: Tenures, wa_id: str | None) -> set[tuple[int, str]]:
    """Put messages that came under a number alone where they belong.

    Of copies of one message that tell different times the earliest decides. Where something was seen under a
    hidden jid, the message counts as seen under it too: it stays so when that is deleted with its content.

    Returns:
        (chat, WhatsApp's id) of what was moved, both where it was and where it is.
    """
    chats, moved = chats_of(db, held), set[tuple[int, str]]()
    holders: dict[tuple[int | None, str, bool], int] = {}
    for message, chat, sender, name in db.execute(
        f"""SELECT id, chat_id, sender_id, wa_id FROM messages
        WHERE via = (SELECT id FROM addresses WHERE jid = ?) AND ifnull(? = wa_id, 1)
        AND (chat_id IN ({_places(chats)}) OR sender_id IN ({_places(chats)})) ORDER BY id""",  # noqa: S608
        [held.pn, wa_id, *chats, *chats.values()],
    ).fetchall():
        group = None if chat in chats else chat
        person = holders.setdefault((group, name, sender == OWNER), held.at(message >> ID_BITS))
        target = chat
        if group is None:
            told = chat_with(db, [*chats], name, told=True)
            target = chat_of(db, person) if told is None else told
            person = chats[target]
        else:
            told = author(db, chat, name, held.persons, told=True)
            person = person if told is None else told
        if told is not None:
            db.execute("UPDATE messages SET via = NULL WHERE id = ?", (message,))
        if _move(db, message, target, OWNER if sender == OWNER else person):
            moved |= {(chat, name), (target, name)}
    return moved


def _place_settings(db: sqlite3.Connection, held: Tenures, chats: Collection[int]) -> None:
    """Give what was told of a chat under a number alone to the chat with the one who held it then."""
    for chat, field, via, at in db.execute(
        f"""SELECT chat_id, field, via, at FROM chat_words
        WHERE via = (SELECT id FROM addresses WHERE jid = ?) AND chat_id IN ({_places(chats)})""",  # noqa: S608
        [held.pn, *chats],
    ).fetchall():
        target = chat_of(db, held.at(at))
        if target != chat:
            key = {"field": field, "via": via, "at": at}
            merge.lead_state(db, "chat_words", "chat_id", chat, target, key)
    for chat in chats:
        merge.refresh_words(db, chat)


def _place_acts(db: sqlite3.Connection, act: _Act, held: Tenures, wa_id: str | None) -> set[tuple[int, str]]:
    """Put what was done under a number alone where it belongs.

    In the chat with the one who had the number it goes with its message, if that is known; in a group it is
    of the author, or of the one who was told with it under a hidden jid, where that can be known. Else it is
    of the one who held the number then.

    Returns:
        (chat, WhatsApp's id) of the messages that it hangs on, both where it was and where it is.
    """
    persons, moved = held.persons, set[tuple[int, str]]()
    chats = chats_of(db, held)
    theirs = f"{act.person} IN ({_places(persons)})" if act.person else "0"
    key = ", ".join((act.via, *act.key, *([act.about] if act.about else [])))
    for chat, person, at, about, *values in db.execute(
        f"""SELECT chat_id, {act.person or OWNER}, at, {act.about or "NULL"}, {key} FROM {act.table}
        WHERE {act.via} = (SELECT id FROM addresses WHERE jid = ?)
        AND (chat_id IN ({_places(chats)}) OR {theirs}) AND ifnull(? = {act.about or "NULL"}, 1)""",  # noqa: S608
        [held.pn, *chats, *(persons if act.person else ()), wa_id],
    ).fetchall():
        where: dict[str, object] = dict(zip(key.split(", "), values, strict=True))
        target, actor = chat, person
        if chat in chats:
            with_message = chat_with(db, [*chats], about)
            target = chat_of(db, held.at(at // act.unit)) if with_message is None else with_message
            actor = chats[target] if person in persons and person != OWNER else person
        elif act.person:
            actor = _actor(db, act, chat, where, persons) or held.at(at // act.unit)
        if (chat, person) != (target, actor):
            _lead(db, act, where, (chat, target), (person, actor))
            moved |= {(chat, about), (target, about)}
    return moved


def _lead(
    db: sqlite3.Connection,
    act: _Act,
    where: Mapping[str, object],
    chats: tuple[int, int],
    persons: tuple[int, int],
) -> None:
    """Lead one row of an act from one chat and person to another; each pair is (from, to)."""
    if act.person and persons[0] != persons[1]:
        merge.lead_state(db, act.table, act.person, *persons, {**where, "chat_id": chats[0]})
    if chats[0] != chats[1]:
        whose = {act.person: persons[1]} if act.person else {}
        merge.lead_state(db, act.table, "chat_id", *chats, {**where, **whose})


def _actor(
    db: sqlite3.Connection, act: _Act, chat: int, where: Mapping[str, object], persons: Sequence[int]
) -> int | None:
    """Who did something in a group, as far as something else than the time tells it."""
    if act.table in _BY_AUTHOR:
        found = author(db, chat, str(where["wa_id"]), persons)
        if found is not None:
            return found
    same = {**where, "chat_id": chat}
    del same[act.via]
    told = f"""SELECT {act.person} FROM {act.table} WHERE ({", ".join(same)}) = ({_places(same)})
        AND {act.told}"""  # noqa: S608
    told_of = {row[0] for row in db.execute(told, [*same.values()]).fetchall()}
    return next((person for person in persons if person in told_of), None)


def author(
    db: sqlite3.Connection, chat: int, wa_id: str, persons: Sequence[int], *, told: bool = False
) -> int | None:
    """Who of those who had a number has said something in a group.

    That is who was seen with it, or with a change of it, under a hidden jid; else who it is given to.

    Args:
        db: The archive.
        chat: The group.
        wa_id: WhatsApp's id of the message.
        persons: Those who had the number, the first one first.
        told: Only who was seen under a hidden jid.
    """
    found = db.execute(
        f"""SELECT via IS NOT NULL, id >> {ID_BITS}, sender_id FROM messages WHERE chat_id = ?1 AND wa_id = ?2
        UNION ALL SELECT 0, {_ALWAYS}, sender_id FROM edits WHERE chat_id = ?1 AND wa_id = ?2 AND via IS NULL
        UNION ALL SELECT 0, {_ALWAYS}, sender_id FROM revokes
        WHERE chat_id = ?1 AND wa_id = ?2 AND via IS NULL""",  # noqa: S608
        (chat, wa_id),
    ).fetchall()
    ranked = [
        (alone, at, persons.index(one)) for alone, at, one in found if one in persons and not (told and alone)
    ]
    return persons[min(ranked)[2]] if ranked else None


def _places(values: Collection[object]) -> str:
    return ", ".join("?" * len(values))


def _move(db: sqlite3.Connection, message: int, chat: int, sender: int) -> bool:
    """Lead a message to a chat and a sender, where a copy of it may be already; whether anything changed."""
    row = db.execute("SELECT wa_id FROM messages WHERE id = ?", (message,)).fetchone()
    if row is None:  # An earlier copy was made one with it, at that one's time and place.
        return False
    twin = db.execute(
        "SELECT id FROM messages WHERE chat_id = ? AND wa_id = ? AND sender_id = ? AND id != ?",
        (chat, row[0], sender, message),
    ).fetchone()
    if twin is not None:
        message = merge.unite(db, twin[0], message)
    changed = db.execute(
        "UPDATE messages SET chat_id = ?1, sender_id = ?2 WHERE id = ?3 AND (chat_id, sender_id) != (?1, ?2)",
        (chat, sender, message),
    ).rowcount
    if changed > 0:
        index.refresh(db, message)
    return changed > 0 or twin is not None


def _catch_up(db: sqlite3.Connection, chat: int, wa_id: str) -> None:
    """Bring what is derived of a message in line with what hangs on it now."""
    for (message,) in db.execute(
        "SELECT id FROM messages WHERE chat_id = ? AND wa_id = ?", (chat, wa_id)
    ).fetchall():
        versions.settle(db, message)
    receipts.apply_early(db, chat, wa_id)
    votes.open_sealed(db, chat, wa_id)
