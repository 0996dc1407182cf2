"""Who has received, read and played what: one mark a person, chat and kind; what we ourselves have read."""

from __future__ import annotations

import sqlite3

from whatsapp_mcp.archive.facts import OWNER, Mark

EVERYONE = -1
"""Stands for all members of a group together, where the phone tells no more."""


def record(db: sqlite3.Connection, chat: int, contact: int, wa_id: str, mark: Mark, at: int) -> bool:
    """Take a receipt for one message, or let it wait for its message; whether it said anything new."""
    side = "!=" if contact == OWNER else "="
    row = db.execute(
        f"SELECT max(id) FROM messages WHERE chat_id = ? AND wa_id = ? AND sender_id {side} 0",  # noqa: S608
        (chat, wa_id),
    ).fetchone()
    if row[0] is None:
        db.execute(
            """INSERT INTO early_receipts VALUES (?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET at = min(at, excluded.at)""",
            (chat, wa_id, contact, int(mark), at),
        )
        return False
    return advance(db, chat, contact, mark, int(row[0]), at)


def advance(db: sqlite3.Connection, chat: int, contact: int, mark: Mark, up_to: int, at: int) -> bool:
    """Move a mark forward; it never goes back."""
    if contact == OWNER:
        receipted(db, chat)
        return (
            db.execute(
                "UPDATE chats SET read_id = ? WHERE id = ? AND read_id < ?", (up_to, chat, up_to)
            ).rowcount
            > 0
        )
    return (
        db.execute(
            """INSERT INTO read_marks VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
        SET up_to = excluded.up_to, at = excluded.at
        WHERE excluded.up_to > up_to OR (excluded.up_to = up_to AND excluded.at < at)""",
            (chat, contact, int(mark), up_to, at),
        ).rowcount
        > 0
    )


def unreceipted(db: sqlite3.Connection, chat: int) -> None:
    """Remember from where on no read receipts went out: a send is about to make the chat count as read."""
    db.execute(
        "INSERT OR IGNORE INTO read_marks SELECT id, ?, ?, read_id, 0 FROM chats WHERE id = ? AND unread > 0",
        (OWNER, int(Mark.READ), chat),
    )


def receipted(db: sqlite3.Connection, chat: int) -> None:
    """Read receipts went out for all that a chat holds."""
    db.execute("DELETE FROM read_marks WHERE chat_id = ? AND contact_id = ?", (chat, OWNER))


def apply_early(db: sqlite3.Connection, chat: int, wa_id: str | None = None) -> None:
    """Take the waiting receipts of a chat (or of one message in it) that can be taken now."""
    rows = db.execute(
        """SELECT wa_id, contact_id, kind, at FROM early_receipts
        WHERE chat_id = ?1 AND (?2 IS NULL OR wa_id = ?2)""",
        (chat, wa_id),
    ).fetchall()
    for waiting, contact, kind, at in rows:
        db.execute(
            "DELETE FROM early_receipts WHERE (chat_id, wa_id, contact_id, kind) = (?, ?, ?, ?)",
            (chat, waiting, contact, kind),
        )
        record(db, chat, contact, waiting, Mark(kind), at)
