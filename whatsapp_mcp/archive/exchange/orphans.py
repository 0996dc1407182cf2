"""Addresses and chats that an import made and that nothing needs any more."""

from __future__ import annotations

import sqlite3
from typing import Final

from whatsapp_mcp.archive import state
from whatsapp_mcp.archive.database import value

_OF_CHATS: Final[dict[str, str]] = {
    **{kind.table: "chat_address" for kind in state.ADDONS},
    "imported_addons": "chat_address",
    "imported_members": "chat_address",
    "imported_chats": "address_id",
    "chat_settings": "address_id",
    "set_aside": "address_id",
    "read_marks": "iif(chat_id = 0, address_id, NULL)",
    "imported_marks": "iif(chat_id = 0, address_id, NULL)",
}
"""What names a chat by an address, by table."""
_OF_PEOPLE: Final[dict[str, str]] = {
    **{kind.table: "sender_address" for kind in state.ADDONS},
    "imported_addons": "sender_address",
    "imported_members": "address_id",
    "members": "address_id",
    "read_marks": "address_id",
    "imported_marks": "address_id",
}
"""What names a person by an address."""
_NUMBERS: Final = ("messages", "members", "outbox", "read_marks", "imported_marks")
"""What names a chat by its number."""
_JIDS: Final = (
    ("names", "jid"),
    ("imported_names", "jid"),
    ("confirmed", "jid"),
    ("number_history", "pn"),
    ("number_history", "lid"),
    ("outbox", "chat"),
)


def delete_orphans(db: sqlite3.Connection, number: int) -> None:
    """Delete what an import made and nothing needs; what another import needs goes with that one."""
    _delete_chats(db, number)
    _delete_addresses(db, number)
    other = value(db, "SELECT max(id) FROM imports WHERE id != ? AND state != 'undone'", (number,))
    if other is not None:
        db.execute(
            """UPDATE OR IGNORE imported_addresses SET import_id = ? WHERE import_id = ?
            AND jid IN (SELECT jid FROM addresses UNION ALL SELECT jid FROM chats)""",
            (other, number),
        )
    db.execute("DELETE FROM imported_addresses WHERE import_id = ?", (number,))


def _delete_chats(db: sqlite3.Connection, number: int) -> None:
    """Chats go first: a person may stay without one, for what they said in a group."""
    db.execute("CREATE TEMP TABLE orphans (id INTEGER PRIMARY KEY, jid TEXT)")
    db.execute(
        """INSERT OR IGNORE INTO orphans SELECT c.id, c.jid FROM imported_addresses AS i
        JOIN addresses AS a ON a.jid = i.jid
        JOIN chats AS c ON iif(a.contact_id >= 0, c.contact_id = a.contact_id, c.jid = a.jid)
        WHERE i.import_id = ? AND i.is_chat""",
        (number,),
    )
    for table in _NUMBERS:
        db.execute(f"DELETE FROM orphans WHERE id IN (SELECT chat_id FROM {table})")  # noqa: S608
    for table, address in _OF_CHATS.items():
        db.execute(
            f"""DELETE FROM orphans WHERE id IN (SELECT v.chat_id FROM chat_addresses AS v
            WHERE v.chat_id IN (SELECT id FROM orphans)
            AND v.address_id IN (SELECT {address} FROM {table}))"""  # noqa: S608
        )
    db.execute(
        """DELETE FROM orphans WHERE id IN (SELECT id FROM chats WHERE contact_id IS NULL)
        AND jid IN (SELECT jid FROM imported_names)"""
    )
    db.execute("INSERT OR IGNORE INTO chat_aliases SELECT id, -1 FROM orphans")
    db.execute("DELETE FROM chats WHERE id IN (SELECT id FROM orphans)")
    db.execute("DROP TABLE orphans")


def _delete_addresses(db: sqlite3.Connection, number: int) -> None:
    db.execute("CREATE TEMP TABLE orphans (id INTEGER PRIMARY KEY, jid TEXT, contact_id INTEGER)")
    db.execute(
        """INSERT INTO orphans SELECT id, jid, contact_id FROM addresses
        WHERE jid IN (SELECT jid FROM imported_addresses WHERE import_id = ? AND NOT is_chat)
        AND contact_id != 0 AND jid NOT IN (SELECT jid FROM chats)
        AND contact_id NOT IN (SELECT contact_id FROM chats WHERE contact_id IS NOT NULL)
        AND NOT EXISTS (SELECT 1 FROM messages WHERE sender_id = contact_id AND sender_id > 0)""",
        (number,),
    )
    for tables in (_OF_CHATS, _OF_PEOPLE):
        for table, address in tables.items():
            db.execute(f"DELETE FROM orphans WHERE id IN (SELECT {address} FROM {table})")  # noqa: S608
    for table, jid in _JIDS:
        db.execute(f"DELETE FROM orphans WHERE jid IN (SELECT {jid} FROM {table})")  # noqa: S608
    # A person stays with all addresses, or goes with all of them.
    db.execute(
        """DELETE FROM orphans WHERE contact_id > 0 AND contact_id IN (SELECT contact_id FROM addresses
        WHERE id NOT IN (SELECT id FROM orphans))"""
    )
    db.execute(
        "INSERT OR IGNORE INTO contact_aliases SELECT contact_id, -1 FROM orphans WHERE contact_id > 0"
    )
    db.execute("DELETE FROM addresses WHERE id IN (SELECT id FROM orphans)")
    db.execute("DELETE FROM contacts WHERE id IN (SELECT contact_id FROM orphans WHERE contact_id > 0)")
    db.execute("DROP TABLE orphans")
