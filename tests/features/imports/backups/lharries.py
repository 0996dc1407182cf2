"""The store of lharries' bridge."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any


def bridge_database(path: Path, chats: list[tuple[str, str | None]], rows: list[tuple[Any, ...]]) -> Path:
    """A `messages.db` as lharries' bridge makes it; the end of a row may be left out."""
    rest = ("", "", "", None, None, None, 0)
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE chats (jid TEXT PRIMARY KEY, name TEXT, last_message_time TIMESTAMP)")
        db.execute(
            """CREATE TABLE messages (id TEXT, chat_jid TEXT, sender TEXT, content TEXT, timestamp TIMESTAMP,
            is_from_me BOOLEAN, media_type TEXT, filename TEXT, url TEXT, media_key BLOB, file_sha256 BLOB,
            file_enc_sha256 BLOB, file_length INTEGER, PRIMARY KEY (id, chat_jid))"""
        )
        db.executemany("INSERT INTO chats VALUES (?, ?, NULL)", chats)
        filled = [(*row, *rest)[:13] for row in rows]
        db.executemany(f"INSERT INTO messages VALUES ({', '.join('?' * 13)})", filled)
        db.commit()
    return path
