"""What a message says now: its original, the edits of its own sender, a revoke. Whichever comes first."""

from __future__ import annotations

import sqlite3
from typing import Literal

from whatsapp_mcp.archive import index
from whatsapp_mcp.archive.facts import PLACEHOLDERS, Flag


def settle(db: sqlite3.Connection, message: int) -> Literal["edit", "revoke"] | None:
    """Bring a message's row in line with what is known of its edits and revokes; says what changed."""
    chat, wa_id, sender, kind, text, edited_at, revoked_at, via = db.execute(
        "SELECT chat_id, wa_id, sender_id, kind, text, edited_at, revoked_at, via FROM messages WHERE id = ?",
        (message,),
    ).fetchone()
    key = (chat, wa_id, sender)
    revoke = db.execute(
        "SELECT at FROM revokes WHERE (chat_id, wa_id, sender_id) = (?, ?, ?) ORDER BY at LIMIT 1", key
    ).fetchone()
    if revoke is not None:
        erase(db, message, int(revoke[0]))
        return "revoke" if revoked_at is None else None
    if kind in PLACEHOLDERS:
        return None
    latest = db.execute(
        "SELECT at, text FROM edits WHERE (chat_id, wa_id, sender_id) = (?, ?, ?) ORDER BY at DESC LIMIT 1",
        key,
    ).fetchone()
    if latest is None or latest[0] == 0 or (edited_at == latest[0] // 1000 and text == latest[1]):
        return None
    db.execute(
        """INSERT INTO edits VALUES (?, ?, ?, 0, ?, ?)
        ON CONFLICT DO UPDATE SET text = iif(?, excluded.text, text)""",
        (*key, text, via, edited_at is None),
    )
    db.execute(
        "UPDATE messages SET text = ?, edited_at = ? WHERE id = ?", (latest[1], latest[0] // 1000, message)
    )
    index.refresh(db, message)
    return "edit"


def erase(db: sqlite3.Connection, message: int, at: int) -> None:
    """Take the content out of a message that was deleted for everyone, and what hung on it; its place stays.

    Its raw form and its file go too: `upkeep.keep_raw` reads `raw_gone` (`schema.RAW_GONE`). What was seen
    under a hidden jid has told whose the message is, and that is kept.
    """
    for table, key in (
        ("edits", "chat_id, wa_id, sender_id"),
        ("reactions", "chat_id, wa_id"),
        ("votes", "chat_id, wa_id"),
        ("sealed", "chat_id, target"),
    ):
        named = key.replace("target", "wa_id")
        gone = db.execute(
            f"""DELETE FROM {table} WHERE ({key}) IN (SELECT {named} FROM messages WHERE id = ?)
            RETURNING via""",  # noqa: S608
            (message,),
        ).fetchall()
        if (None,) in gone:
            _tell_whose(db, message, anywhere=table == "edits")
    db.execute(
        """UPDATE messages SET text = '', details = NULL, flags = flags & ?, revoked_at = ?,
        edited_at = NULL WHERE id = ?""",
        (int(Flag.TWICE), at, message),
    )
    db.execute(
        """INSERT INTO raw_gone VALUES (?1, (SELECT path FROM media WHERE message_id = ?1), NULL)
        ON CONFLICT DO UPDATE SET path = coalesce(excluded.path, path), becomes = NULL""",
        (message,),
    )
    db.execute("DELETE FROM media WHERE message_id = ?", (message,))
    index.drop(db, message)


def _tell_whose(db: sqlite3.Connection, message: int, *, anywhere: bool = False) -> None:
    """Something about a message was seen under a hidden jid, so it counts as seen under it itself.

    Args:
        db: The archive, in a write transaction.
        message: Its id.
        anywhere: Not only in the chat with one person.
    """
    db.execute(
        """UPDATE messages SET via = NULL WHERE id = ?1 AND via IS NOT NULL AND (?2 OR EXISTS
        (SELECT 1 FROM chats AS c WHERE c.id = messages.chat_id AND c.contact_id IS NOT NULL))""",
        (message, anywhere),
    )


def is_revoked(db: sqlite3.Connection, chat: int, wa_id: str, via: int | None) -> bool:
    """Whether a message was deleted for everyone: what comes to it later says nothing, but whose it is.

    Args:
        db: The archive, in a write transaction.
        chat: Where the message is.
        wa_id: WhatsApp's id of it.
        via: The number alone under which something came to it.
    """
    rows = db.execute(
        "SELECT id FROM messages WHERE chat_id = ? AND wa_id = ? AND revoked_at IS NOT NULL", (chat, wa_id)
    ).fetchall()
    if via is None:
        for (message,) in rows:
            _tell_whose(db, message)
    return bool(rows)


def settle_where(db: sqlite3.Connection, column: str, value: int) -> None:
    """Settle every message whose edits or revokes were just led to another chat or sender."""
    found = db.execute(
        f"""SELECT m.id FROM messages AS m JOIN (
            SELECT chat_id, wa_id, sender_id FROM edits WHERE {column} = ?1
            UNION SELECT chat_id, wa_id, sender_id FROM revokes WHERE {column} = ?1) AS e
        ON (m.chat_id, m.wa_id, m.sender_id) = (e.chat_id, e.wa_id, e.sender_id)""",  # noqa: S608
        (value,),
    ).fetchall()
    for (message,) in found:
        settle(db, message)
