"""The search index: what of a message can be found, and in which scope."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from whatsapp_mcp.archive.database.normalise import fold, other_digits, tokens_text

_ADD = "INSERT INTO fts (rowid, body, scope) VALUES (?, ?, ?)"


def indexed_body(text: str, file_name: str | None, details: dict[str, Any] | None) -> str:
    """Everything of a message that a search may find, normalised."""
    parts = [text]
    if file_name:
        parts.append(file_name)
    if details:
        parts += details.get("options", ())
        parts += details.get("choices", ())
    return tokens_text("\n".join(parts))


def index_message(db: sqlite3.Connection, message: int, body_text: str, chat: int, sender: int) -> None:
    """Index a message; one without text is left out."""
    if body_text and not body_text.isspace():
        db.execute(_ADD, (message, body_text, f"c{chat} s{sender if sender >= 0 else 'x'}"))


def unindex_message(db: sqlite3.Connection, message: int) -> None:
    """Take a message out of the index."""
    db.execute("DELETE FROM fts WHERE rowid = ?", (message,))


def reindex_message(db: sqlite3.Connection, message: int) -> None:
    """Index a message again from its row."""
    unindex_message(db, message)
    row = db.execute(
        """SELECT m.text, d.file_name, m.details, m.chat_id, m.sender_id FROM messages AS m
        LEFT JOIN media AS d ON d.message_id = m.id WHERE m.id = ?""",
        (message,),
    ).fetchone()
    if row is not None:
        text, file_name, details, chat, sender = row
        index_message(
            db, message, indexed_body(text, file_name, json.loads(details) if details else None), chat, sender
        )


def refold_digits(db: sqlite3.Connection) -> None:
    """Fold digits other than 0 to 9: versions before 6 of the file stored them unfolded."""
    having = f"*[{other_digits()}]*"
    for (message,) in db.execute(
        """SELECT m.id FROM messages AS m LEFT JOIN media AS d ON d.message_id = m.id
        WHERE m.text GLOB ?1 OR m.details GLOB ?1 OR d.file_name GLOB ?1""",
        (having,),
    ).fetchall():
        reindex_message(db, message)
    for table in ("contacts", "chats"):
        for number, names in db.execute(
            f"SELECT id, name_norm FROM {table} WHERE name_norm GLOB ?",  # noqa: S608
            (having,),
        ).fetchall():
            db.execute(f"UPDATE {table} SET name_norm = ? WHERE id = ?", (fold(names), number))  # noqa: S608
