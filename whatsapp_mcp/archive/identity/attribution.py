"""Attributing a message that came under a number alone, when several people had the number.

Messages are all that holds resolved chats and people, so that lists and searches are quick. One that was seen
under a LID, or something about it was, belongs there; else it belongs to the one who had the number when it
was said (`number_history.py`). Its add-ons find it by its id, wherever it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence

from whatsapp_mcp.archive import database, state
from whatsapp_mcp.archive.database import ID_BITS, column, placeholders, value
from whatsapp_mcp.archive.identity import merge
from whatsapp_mcp.archive.state import FAR_FUTURE, NumberHistory
from whatsapp_mcp.decoding import CHAT_KIND_NUMBER, OWNER, Flag
from whatsapp_mcp.models import ChatKind


def chat_of(db: sqlite3.Connection, contact: int) -> int:
    """The direct chat with a contact, made when there is none."""
    chat: int | None = value(db, "SELECT id FROM chats WHERE contact_id = ?", (contact,))
    if chat is None:
        chat = free_number(db, "chats", "chat_aliases")
        db.execute(
            """INSERT INTO chats (id, jid, kind, contact_id)
            SELECT ?, coalesce(pn, lid), ?, id FROM contacts WHERE id = ?""",
            (chat, CHAT_KIND_NUMBER[ChatKind.DIRECT], contact),
        )
    return chat


def free_number(db: sqlite3.Connection, table: str, aliases: str) -> int:
    """A number that no contact or chat ever had: the search index and the feed still hold the old ones."""
    return value(
        db,
        f"""SELECT 1 + max(coalesce((SELECT max(id) FROM {table}), 0),
        coalesce((SELECT max(old_id) FROM {aliases}), 0))""",  # noqa: S608
    )


def chats_of(db: sqlite3.Connection, history: NumberHistory) -> dict[int, int]:
    """The direct chats with those who had a number, and with whom each is; the first one first."""
    return {chat_of(db, person): person for person in history.people}


def numbers_of(db: sqlite3.Connection, jid: str) -> list[str]:
    """The reassigned numbers of whoever has an address or, if it is a number, had it."""
    return column(
        db,
        """WITH persons AS (SELECT contact_id FROM addresses WHERE jid = ?1
        UNION SELECT a.contact_id FROM number_history AS h JOIN addresses AS a ON a.jid = h.lid
        WHERE h.pn = ?1)
        SELECT DISTINCT h.pn FROM number_history AS h
        WHERE h.lid IN (SELECT jid FROM persons JOIN addresses USING (contact_id))
        AND EXISTS (SELECT 1 FROM number_history AS o WHERE o.pn = h.pn AND o.lid != h.lid)""",
        (jid,),
    )


def attribute_all(db: sqlite3.Connection, numbers: Collection[str]) -> set[int]:
    """Attribute all messages that came under these numbers alone, when more is known of the numbers.

    Returns:
        The chats that may have changed.
    """
    changed = attribute_messages(db, numbers, None)
    state.apply_versions_of(db, {one for pn in numbers for one in NumberHistory(db, pn).people})
    for chat in changed:
        state.refresh_chat_settings(db, chat)
        state.apply_early(db, chat)
    return changed


def attribute_messages(db: sqlite3.Connection, numbers: Collection[str], wa_id: str | None) -> set[int]:
    """Attribute messages that came under numbers alone to chats and people.

    Args:
        db: The archive, in a write transaction.
        numbers: The numbers.
        wa_id: WhatsApp's id of the messages; None: all.

    Returns:
        The chats that may have changed.
    """
    histories = [NumberHistory(db, pn) for pn in numbers]
    chats = {chat for history in histories for chat in chats_of(db, history)}
    moved = set[tuple[int, str]]()
    for history in histories:
        moved |= _attribute_number(db, history, wa_id)
    for chat, name in moved:
        _catch_up(db, chat, name)
    for chat in chats:
        state.reread(db, chat)
    return {*chats, *(chat for chat, _ in moved)}


def _attribute_number(
    db: sqlite3.Connection, history: NumberHistory, wa_id: str | None
) -> set[tuple[int, str]]:
    """Attribute messages that came under a number alone to chats and people.

    Of copies of one message with different times the earliest decides. Where something was seen under a
    LID, the message counts as seen under it too: it stays so when that is deleted with its content. What a
    file brought follows what came over the connection, and decides nothing itself.

    Returns:
        (chat, WhatsApp's id) of what was moved, both where it was and where it is.
    """
    chats, moved = chats_of(db, history), set[tuple[int, str]]()
    holders: dict[tuple[int | None, str, bool], int] = {}
    for message, chat, sender, name in db.execute(
        f"""SELECT id, chat_id, sender_id, wa_id FROM messages
        WHERE via = (SELECT id FROM addresses WHERE jid = ?) AND ifnull(? = wa_id, 1)
        AND (chat_id IN ({placeholders(chats)}) OR sender_id IN ({placeholders(chats)}))
        ORDER BY flags & {int(Flag.IMPORTED)}, id""",  # noqa: S608
        [history.pn, wa_id, *chats, *chats.values()],
    ).fetchall():
        group = None if chat in chats else chat
        person = holders.setdefault((group, name, sender == OWNER), history.at(message >> ID_BITS))
        target = chat
        if group is None:
            seen = _chat_seen(db, [*chats], name)
            target = chat_of(db, person) if seen is None else seen
            person = chats[target]
        else:
            seen = _author_seen(db, chat, name, history.people)
            person = person if seen is None else seen
        if seen is not None:
            db.execute("UPDATE messages SET via = NULL WHERE id = ?", (message,))
        if _move(db, message, target, OWNER if sender == OWNER else person):
            moved |= {(chat, name), (target, name)}
    return moved


def _chat_seen(db: sqlite3.Connection, chats: Sequence[int], wa_id: str) -> int | None:
    """Among direct chats, the one where a message, or something about it, was seen under a LID."""
    rows: list[tuple[int, int]] = db.execute(
        f"""SELECT id >> {ID_BITS}, chat_id FROM messages
        WHERE wa_id = ? AND chat_id IN ({placeholders(chats)}) AND via IS NULL
        AND NOT flags & {int(Flag.IMPORTED)}"""  # noqa: S608
        + "".join(
            # Add-ons rank behind all messages: one decides only where no copy of the message does.
            f""" UNION ALL SELECT {FAR_FUTURE}, c.id FROM {kind.table} AS t
            JOIN addresses AS a ON a.id = t.chat_address AND a.jid LIKE '%@lid'
            JOIN chats AS c ON c.contact_id = a.contact_id
            WHERE t.wa_id = ? AND c.id IN ({placeholders(chats)})"""  # noqa: S608
            for kind in state.ADDONS
        ),
        [wa_id, *chats] * (1 + len(state.ADDONS)),
    ).fetchall()
    ranked = [(at, chats.index(chat)) for at, chat in rows]
    return chats[min(ranked)[1]] if ranked else None


def _author_seen(db: sqlite3.Connection, group: int, wa_id: str, people: Sequence[int]) -> int | None:
    """Return which person was seen under a LID as author of a group's message, or of a change of it."""
    rows: list[tuple[int, int]] = db.execute(
        f"""SELECT id >> {ID_BITS}, sender_id FROM messages
        WHERE chat_id = ?1 AND wa_id = ?2 AND via IS NULL AND NOT flags & {int(Flag.IMPORTED)}"""  # noqa: S608
        + "".join(
            f""" UNION ALL SELECT {FAR_FUTURE}, a.contact_id FROM {kind.table} AS t
            JOIN addresses AS a ON a.id = t.sender_address AND a.jid LIKE '%@lid'
            WHERE t.wa_id = ?2 AND t.chat_address IN
            (SELECT address_id FROM chat_addresses WHERE chat_id = ?1)"""  # noqa: S608
            for kind in state.ADDONS
            if kind.by_author
        ),
        (group, wa_id),
    ).fetchall()
    ranked = [(at, people.index(one)) for at, one in rows if one in people]
    return people[min(ranked)[1]] if ranked else None


def _move(db: sqlite3.Connection, message: int, chat: int, sender: int) -> bool:
    """Move a message to a chat and a sender, where a copy of it may be already; whether anything changed."""
    wa_id = value(db, "SELECT wa_id FROM messages WHERE id = ?", (message,))
    if wa_id is None:  # It was merged into an earlier copy.
        return False
    twin = value(
        db,
        "SELECT id FROM messages WHERE chat_id = ? AND wa_id = ? AND sender_id = ? AND id != ?",
        (chat, wa_id, sender, message),
    )
    if twin is not None:
        message = merge.merge_messages(db, twin, message)
    changed = db.execute(
        "UPDATE messages SET chat_id = ?1, sender_id = ?2 WHERE id = ?3 AND (chat_id, sender_id) != (?1, ?2)",
        (chat, sender, message),
    ).rowcount
    if changed > 0:
        database.reindex_message(db, message)
    return changed > 0 or twin is not None


def _catch_up(db: sqlite3.Connection, chat: int, wa_id: str) -> None:
    """Bring what is derived of a message in line with its add-ons in the chat it is in now."""
    for message in column(db, "SELECT id FROM messages WHERE chat_id = ? AND wa_id = ?", (chat, wa_id)):
        state.apply_versions(db, message)
    state.apply_early(db, chat, wa_id)
    state.open_sealed_votes(db, chat, wa_id)
