"""Numbers of chats, contacts and messages by what names them."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from whatsapp_mcp.archive.database import ID_BITS, value
from whatsapp_mcp.errors import MessageNotFound
from whatsapp_mcp.models import MessageKey


def chat_id(db: sqlite3.Connection, jid: str) -> int | None:
    """The number of a chat, by either form of a person's jid."""
    return value(
        db,
        """SELECT c.id FROM addresses AS a JOIN chats AS c ON c.contact_id = a.contact_id WHERE a.jid = ?1
        UNION ALL SELECT id FROM chats WHERE jid = ?1 LIMIT 1""",
        (jid,),
    )


def contact_id(db: sqlite3.Connection, jid: str) -> int | None:
    """The number of a contact, by either form of their jid."""
    return value(db, "SELECT contact_id FROM addresses WHERE jid = ? AND contact_id >= 0", (jid,))


def find(db: sqlite3.Connection, key: MessageKey, chat: str | None = None) -> int:
    """The id of a message, by ref or WhatsApp id.

    Raises:
        MessageNotFound: No such message.
    """
    text = str(key).strip()
    digits = text.removeprefix("#")
    message_id: int | None = None
    if digits.isascii() and digits.isdecimal() and len(digits) < 16:
        message_id = value(db, "SELECT message_id FROM refs WHERE ref = ?", (int(digits),))
    if message_id is None and chat is None:
        # Chat by chat, as the index of WhatsApp's ids begins with the chat.
        message_id = value(
            db,
            """SELECT m.id FROM chats AS c JOIN messages AS m ON m.chat_id = c.id AND m.wa_id = ?
            ORDER BY m.id DESC""",
            (text,),
        )
    elif message_id is None:
        newest = "SELECT id FROM messages WHERE chat_id = ? AND wa_id = ? ORDER BY id DESC"
        message_id = value(db, newest, (chat_id(db, chat or ""), text))
    if message_id is None:
        raise MessageNotFound(f"There is no message {text!r}" + (" in this chat." if chat else "."))
    return message_id


def first_id(when: datetime) -> int:
    """The lowest id that a message of this time may have."""
    return max(0, int(when.timestamp())) << ID_BITS


def like(text: str) -> str:
    """The text with the wildcards of LIKE escaped by a backslash."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
