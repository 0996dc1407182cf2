"""Settings and names of chats: stored by address, as they came; the columns of `chats` show the newest.

A value under a number is of the chat with the person who had the number then.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from whatsapp_mcp.archive.database import value as column_value
from whatsapp_mcp.archive.state import addons, receipts
from whatsapp_mcp.archive.state.names import searchable
from whatsapp_mcp.archive.state.number_history import Address, People
from whatsapp_mcp.decoding import COMMUNITY, MEMBERS

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
"""Those that are read where they are stored."""


def store_chat_setting(
    db: sqlite3.Connection, address: Address, field: str, value: object, at: int, *, looked_up: bool = False
) -> None:
    """Store a value of a property of a chat; the newest counts.

    Args:
        db: The archive, in a write transaction.
        address: The chat's, as it came.
        field: A column of `chats`, `COMMUNITY` or `MEMBERS`.
        value: What it is.
        at: Time of the update, in seconds.
        looked_up: Read from the device just now, so the newest whatever the clocks say, of the chat that has
            the address now.
    """
    if looked_up:
        chat = _present(db, address)
        newest, newest_at = _newest(db, chat, field) or (None, 0)
        if newest == value:  # It is looked up often, and every row is kept under a number.
            return
        address, at = _lasting(db, address), max(at, newest_at + 1)
    new = db.execute(
        "INSERT OR IGNORE INTO chat_settings VALUES (?, ?, ?, ?)", (address.id, field, at, value)
    ).rowcount
    if new <= 0:
        return
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
    value, at = _newest(db, chat, field) or (CHAT_SETTINGS[field], 0)
    if field == "name" and value is None:
        value = _imported_name(db, chat)
    if field == MARKED_UNREAD and value and receipts.is_seen_since(db, chat, at):
        value = 0
    db.execute(f"UPDATE chats SET {field} = ? WHERE id = ?", (value, chat))  # noqa: S608
    if field == "name":
        folded = searchable(str(value) if value else None)
        db.execute("UPDATE chats SET name_norm = ? WHERE id = ?", (folded, chat))


def _imported_name(db: sqlite3.Connection, chat: int) -> str | None:
    """What a file calls a group of which nothing else tells a name; the first file's counts."""
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
