"""The search index: what of a message can be found, and in which scope."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any, Final

from whatsapp_mcp.archive.database.normalise import tokens_text

_ADD: Final = "INSERT INTO fts (rowid, body, scope) VALUES (?, ?, ?)"
_INDEXED: Final = """SELECT m.id, m.text, d.file_name, m.details, r.text, m.chat_id, m.sender_id
 FROM messages AS m LEFT JOIN media AS d ON d.message_id = m.id
 LEFT JOIN readings AS r ON r.message_id = d.message_id"""


def indexed_body(
    text: str, file_name: str | None, details: dict[str, Any] | None, reading: str | None = None
) -> str:
    """Everything of a message that a search may find, normalised."""
    parts = [text]
    if file_name:
        parts.append(file_name)
    if details:
        parts += details.get("options", ())
        parts += details.get("choices", ())
    if reading:
        parts.append(reading)
    return tokens_text("\n".join(parts))


def index_message(db: sqlite3.Connection, message: int, body_text: str, chat: int, sender: int) -> None:
    """Index a message; one without text is left out."""
    index_messages(db, [(message, body_text, chat, sender)])


def index_messages(db: sqlite3.Connection, rows: Iterable[tuple[int, str, int, int]]) -> None:
    """Index messages, of each its id, text, chat and sender; those without text are left out."""
    found = [
        (message, body_text, f"c{chat} s{sender if sender >= 0 else 'x'}")
        for message, body_text, chat, sender in rows
        if body_text and not body_text.isspace()
    ]
    db.executemany(_ADD, found)


def unindex_message(db: sqlite3.Connection, message: int) -> None:
    """Take a message out of the index."""
    db.execute("DELETE FROM fts WHERE rowid = ?", (message,))


def reindex_message(db: sqlite3.Connection, message: int) -> None:
    """Index a message again from its row."""
    unindex_message(db, message)
    _index_rows(db, f"{_INDEXED} WHERE m.id = ?", (message,))


def index_all(db: sqlite3.Connection) -> None:
    """Fill an empty index."""
    _index_rows(db, f"{_INDEXED} ORDER BY m.id")


def _index_rows(db: sqlite3.Connection, sql: str, values: tuple[int, ...] = ()) -> None:
    for message, text, file_name, details, reading, chat, sender in db.execute(sql, values):
        body = indexed_body(text, file_name, json.loads(details) if details else None, reading)
        index_message(db, message, body, chat, sender)
