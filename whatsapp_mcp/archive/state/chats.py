"""Chats: what they are called, their settings and members, and how far own messages have come in them.

All is stored by address, as it came; the columns of `chats` show the newest setting, and whose an address was
is resolved when it is read. A value under a number is of the chat with the person who had the number then.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, TypeGuard

from whatsapp_mcp.archive.database import fold, placeholders
from whatsapp_mcp.archive.database import value as column_value
from whatsapp_mcp.archive.state import addons, receipts
from whatsapp_mcp.archive.state.number_history import Address, Observation, People
from whatsapp_mcp.decoding import COMMUNITY, MEMBERS, OWNER, ReceiptKind
from whatsapp_mcp.jid import reads_as_address
from whatsapp_mcp.models import SendStatus

NAME_SQL: Final = """CASE WHEN {c}.id = 0 THEN coalesce({c}.push_name, 'You') ELSE
 coalesce({c}.saved_name, {c}.given_name, {c}.business_name, {c}.push_name,
 CASE WHEN {c}.pn LIKE '%@s.whatsapp.net' THEN '+' || substr({c}.pn, 1, instr({c}.pn, '@') - 1) END,
 {c}.pn, {c}.lid) END"""
"""A contact's shown name: saved, given, business, push name, number, LID; `{c}` is the table's alias."""
STRANGER_SQL: Final = "{c}.known = 0 AND {c}.id != 0"
"""SQL condition: the contact is not the owner, nor in their address book, nor confirmed by a person."""
MARKED_UNREAD: Final = "marked_unread"
CHAT_SETTINGS: Final[dict[str, object]] = {
    "name": None,
    "archived": 0,
    "pinned": 0,
    "muted_until": 0,
    MARKED_UNREAD: 0,
    "expires_in": 0,
    "complete": 0,
    COMMUNITY: None,
}
"""Properties of chats, and their values until one is known."""
_WITHOUT_COLUMN: Final = frozenset({MEMBERS, COMMUNITY})
"""Settings that have no column in `chats` and are read where they are stored."""
LEFT: Final = -1
"""Role of somebody who is no member any more."""


def is_name(text: str | None) -> TypeGuard[str]:
    """Return whether a text may be a name: one that reads as a number or a jid would pass for an address."""
    return bool(text) and not reads_as_address(text)


def searchable(*parts: str | None) -> str:
    """The names of something as one folded text; a line break stands between them."""
    return "\n".join(dict.fromkeys(fold(part).strip() for part in parts if part and part.strip()))


def store_chat_setting(
    db: sqlite3.Connection,
    address: Address,
    field: str,
    value: object,
    updated_at: int,
    *,
    looked_up: bool = False,
) -> None:
    """Store a value of a property of a chat; the newest counts.

    Args:
        db: The archive, in a write transaction.
        address: The chat's, as it came.
        field: A column of `chats`, `COMMUNITY` or `MEMBERS`.
        value: What it is.
        updated_at: Time of the update, in seconds.
        looked_up: Read from the device just now, so the newest whatever the clocks say, of the chat that has
            the address now.
    """
    if looked_up:
        chat = _present(db, address)
        newest, newest_at = _newest(db, chat, field) or (None, 0)
        if newest == value:  # It is looked up often, and every row is kept under a number.
            return
        address, updated_at = _lasting(db, address), max(updated_at, newest_at + 1)
    new = db.execute(
        "INSERT OR IGNORE INTO chat_settings VALUES (?, ?, ?, ?)", (address.id, field, updated_at, value)
    ).rowcount
    if new <= 0:
        return
    # Under a number every value stays: should it turn out to be several people's, each has their own.
    if not address.is_number:
        db.execute(
            """DELETE FROM chat_settings AS k WHERE (address_id, field) = (?, ?) AND EXISTS (
            SELECT 1 FROM chat_settings AS o WHERE (o.address_id, o.field) = (k.address_id, k.field)
            AND (o.at, o.value) > (k.at, k.value))""",
            (address.id, field),
        )
    for chat in addons.addon_chats(db, address.id):
        show(db, chat, field)


def _present(db: sqlite3.Connection, address: Address) -> int:
    """The chat that has an address now."""
    present = "SELECT id FROM chats WHERE contact_id = ? OR jid = ?"
    (chat,) = db.execute(present, (address.contact, address.jid)).fetchone()
    return chat


def _lasting(db: sqlite3.Connection, address: Address) -> Address:
    """An address of the same person that is nobody else's ever, if they have one."""
    row = db.execute(
        """SELECT id, jid, contact_id, reassigned FROM addresses
        WHERE contact_id = ? AND contact_id >= 0 AND jid LIKE '%@lid' ORDER BY jid LIMIT 1""",
        (address.contact,),
    ).fetchone()
    return address if row is None else Address(*row)


def _newest(db: sqlite3.Connection, chat: int, field: str) -> tuple[Any, int] | None:
    """The newest value of a property of a chat, and its time."""
    people = People(db)
    for value, at, with_whom, *address in db.execute(
        """SELECT s.value, s.at, c.contact_id, a.id, a.jid, a.contact_id, a.reassigned
        FROM chats AS c JOIN chat_addresses AS v ON v.chat_id = c.id
        JOIN chat_settings AS s ON s.address_id = v.address_id AND s.field = ?2
        JOIN addresses AS a ON a.id = v.address_id WHERE v.chat_id = ?1
        ORDER BY s.at DESC, s.value DESC""",
        (chat, field),
    ).fetchall():
        if with_whom is None or people.had(Address(*address), at) == with_whom:
            return value, at
    return None


def show(db: sqlite3.Connection, chat: int, field: str) -> None:
    """Set what is known of a chat, in the column of the same name."""
    if field in _WITHOUT_COLUMN:
        return
    value, updated_at = _newest(db, chat, field) or (CHAT_SETTINGS[field], 0)
    if field == "name" and value is None:
        value = _imported_name(db, chat)
    if field == MARKED_UNREAD and value and receipts.is_seen_since(db, chat, updated_at):
        value = 0
    db.execute(f"UPDATE chats SET {field} = ? WHERE id = ?", (value, chat))  # noqa: S608
    if field == "name":
        folded = searchable(str(value) if value else None)
        db.execute("UPDATE chats SET name_norm = ? WHERE id = ?", (folded, chat))


def _imported_name(db: sqlite3.Connection, chat: int) -> str | None:
    """Return the first file's name for a group that has no name from elsewhere."""
    return column_value(
        db,
        """SELECT n.name FROM chats AS c JOIN imported_names AS n ON n.jid = c.jid
        WHERE c.id = ? AND c.contact_id IS NULL ORDER BY n.import_id LIMIT 1""",
        (chat,),
    )


def refresh_chat_settings(db: sqlite3.Connection, chat: int) -> None:
    """Bring a chat's columns in line with the values under all its addresses."""
    for field in CHAT_SETTINGS:
        show(db, chat, field)


def refresh_unread_mark(db: sqlite3.Connection, chat: int) -> None:
    """Show a chat that was marked as unread as such until it is read, or something is sent there."""
    marked = """SELECT 1 FROM chat_addresses AS v JOIN chat_settings AS s USING (address_id)
        WHERE v.chat_id = ? AND s.field = ? AND s.value"""
    if db.execute(marked, (chat, MARKED_UNREAD)).fetchone():
        show(db, chat, MARKED_UNREAD)


def store_members(
    db: sqlite3.Connection,
    group: int,
    address: Address,
    members: Sequence[tuple[Address, int | None]],
    updated_at: int,
    *,
    whole: bool,
    looked_up: bool,
) -> None:
    """Take over who is in a group: what is older than the newest whole list says nothing.

    Args:
        db: The archive, in a write transaction.
        group: Number of its chat.
        address: Its own.
        members: Those in the update, with their role; None: left.
        updated_at: Time of the update, in seconds.
        whole: These are all.
        looked_up: Read from the device just now, so the newest whatever the clocks say.
    """
    newest = "SELECT max(at) FROM chat_settings WHERE (address_id, field) = (?, ?)"
    listed = column_value(db, newest, (address.id, MEMBERS)) or 0
    if looked_up:
        # A whole list replaces what is there and need not be later: who joins in the same second counts.
        updated_at = max(updated_at, listed if whole else listed + 1)
    if updated_at < listed:
        return
    if whole:
        store_chat_setting(db, address, MEMBERS, 1, updated_at)
        db.execute("DELETE FROM members WHERE chat_id = ? AND (at < ? OR ?)", (group, updated_at, looked_up))
    db.executemany(
        "INSERT OR IGNORE INTO members VALUES (?, ?, ?, ?)",
        [(group, member.id, updated_at, LEFT if role is None else role) for member, role in members],
    )


def current_members(
    db: sqlite3.Connection, groups: Collection[int], *, imported: bool = False
) -> dict[int, dict[int, int]]:
    """The members of groups with their roles, by contact.

    Args:
        db: The archive.
        groups: Their chats.
        imported: Of a group of which nothing else tells who is in it, what files say, which proves nothing.
    """
    if not groups:  # asked for each page of messages, mostly of none
        return {}
    seen: dict[int, list[tuple[Observation, int]]] = {group: [] for group in groups}
    for group, at, role, *address in db.execute(
        f"""SELECT m.chat_id, m.at, m.role, a.id, a.jid, a.contact_id, a.reassigned FROM members AS m
        JOIN addresses AS a ON a.id = m.address_id
        WHERE m.chat_id IN ({placeholders(groups)})""",  # noqa: S608
        [*groups],
    ).fetchall():
        seen[group].append((Observation(Address(*address), at), role))
    people = People(db)
    current = {group: _of_group(people, found) for group, found in seen.items()}
    if imported and (unknown := [group for group, found in seen.items() if not found]):
        for group, contact, role in db.execute(
            f"""SELECT c.id, a.contact_id, max(i.role) FROM chats AS c JOIN addresses AS g ON g.jid = c.jid
            JOIN imported_members AS i ON i.chat_address = g.id JOIN addresses AS a ON a.id = i.address_id
            WHERE c.id IN ({placeholders(unknown)}) GROUP BY c.id, a.contact_id""",  # noqa: S608
            unknown,
        ).fetchall():
            current[group][contact] = role
    return current


def _of_group(people: People, seen: list[tuple[Observation, int]]) -> dict[int, int]:
    newest: dict[int, tuple[int, bool, int]] = {}
    persons = people.persons([one for one, _ in seen])
    for person, ((address, at), role) in zip(persons, seen, strict=True):
        newest[person] = max((at, not address.is_number, role), newest.get(person, (-1, False, LEFT)))
    return {person: role for person, (_, _, role) in newest.items() if role != LEFT}


class ChatProgress:
    """The watermarks of one chat: a group's message has come as far as with all its known members.

    Args:
        watermarks: (contact, kind of receipt, newest message it covers) of everybody but the owner.
        members: How many known members the chat has, the owner aside.
    """

    def __init__(self, watermarks: Iterable[tuple[int, int, int]], members: int) -> None:
        delivered: dict[int, int] = {}
        read: dict[int, int] = {}
        for contact, kind, up_to in watermarks:
            delivered[contact] = max(up_to, delivered.get(contact, 0))
            if kind >= ReceiptKind.READ:
                read[contact] = max(up_to, read.get(contact, 0))
        self._all_delivered = delivered.pop(receipts.EVERYONE, 0)
        self._all_read = read.pop(receipts.EVERYONE, 0)
        self._delivered = sorted(delivered.values())
        self._read = sorted(read.values())
        # At least one: where nobody is known to be a member, nothing counts as read without any receipt.
        self._needed = max(1, members)

    def status(self, message: int) -> SendStatus:
        """`sent`, `delivered` or `read`."""
        if self._all_read >= message or self._come(self._read, message) >= self._needed:
            return SendStatus.READ
        if self._all_delivered >= message or self._come(self._delivered, message) >= self._needed:
            return SendStatus.DELIVERED
        return SendStatus.SENT

    def _come(self, up_to: list[int], message: int) -> int:
        return len(up_to) - bisect_left(up_to, message)


def send_progress(
    db: sqlite3.Connection, chats: Iterable[int], *, imported: bool = False
) -> dict[int, ChatProgress]:
    """The progress in each of these chats; `imported`: of messages that files brought."""
    watermarks = {
        chat: [(contact, kind, up_to) for (contact, kind), (up_to, _) in marks.items()]
        for chat, marks in receipts.watermarks(db, [*chats], imported=imported).items()
    }
    roles = current_members(db, [chat for chat, marks in watermarks.items() if marks])
    return {
        chat: ChatProgress(marks, len(roles.get(chat, {}).keys() - {OWNER}))
        for chat, marks in watermarks.items()
    }
