"""Numbers of chats, contacts and messages by what names them."""

from __future__ import annotations

import sqlite3

from whatsapp_mcp.errors import MessageNotFound
from whatsapp_mcp.models import MessageKey


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


def like(text: str) -> str:
    """The text with the wildcards of LIKE escaped by a backslash."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
