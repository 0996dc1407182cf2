"""Makes the chat storage of go-whatsapp-web-multidevice, from the migrations in its sources.

Three versions: 7 (one account, no `device_id`), 8 (several accounts), and the one of August 2026 with
reactions, edits and `direct_path`. No database of a real account was at hand.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

OWNER: Final = "15550009999"
DEVICE: Final = f"{OWNER}@s.whatsapp.net"
AT: Final = "2023-11-14 22:13:20+00:00"
AT_SECONDS: Final = 1_700_000_000

_WHEN: Final = (
    "created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP"
)
_CHAT: Final = (
    "name TEXT NOT NULL, last_message_time TIMESTAMP NOT NULL, ephemeral_expiration INTEGER DEFAULT 0"
)
_MESSAGE: Final = """sender TEXT NOT NULL, content TEXT, timestamp TIMESTAMP NOT NULL,
 is_from_me BOOLEAN DEFAULT FALSE, media_type TEXT, filename TEXT, url TEXT, media_key BLOB, file_sha256 BLOB,
 file_enc_sha256 BLOB, file_length INTEGER DEFAULT 0"""
_SEVEN: Final = f"""
CREATE TABLE chats (jid TEXT PRIMARY KEY, {_CHAT}, {_WHEN});
CREATE TABLE messages (id TEXT NOT NULL, chat_jid TEXT NOT NULL, {_MESSAGE}, {_WHEN},
 PRIMARY KEY (id, chat_jid), FOREIGN KEY (chat_jid) REFERENCES chats (jid) ON DELETE CASCADE);
CREATE INDEX idx_messages_chat_jid ON messages (chat_jid);
CREATE INDEX idx_messages_id ON messages (id);
"""
_DEVICE: Final = "device_id VARCHAR(255) NOT NULL DEFAULT ''"
_EIGHT: Final = f"""
CREATE TABLE chats (jid VARCHAR(255) NOT NULL, {_DEVICE}, {_CHAT}, {_WHEN}, PRIMARY KEY (jid, device_id));
CREATE TABLE messages (id VARCHAR(255) NOT NULL, chat_jid VARCHAR(255) NOT NULL, {_DEVICE}, {_MESSAGE},
 {_WHEN}, PRIMARY KEY (id, chat_jid, device_id));
CREATE TABLE devices (device_id VARCHAR(255) PRIMARY KEY, display_name VARCHAR(255) DEFAULT '',
 jid VARCHAR(255) DEFAULT '', {_WHEN});
CREATE INDEX idx_messages_device ON messages (device_id);
"""
_NEWEST: Final = f"""
ALTER TABLE chats ADD COLUMN archived BOOLEAN DEFAULT FALSE;
ALTER TABLE messages ADD COLUMN call_metadata TEXT DEFAULT '';
ALTER TABLE messages ADD COLUMN referral_metadata TEXT DEFAULT '';
CREATE TABLE message_reactions (message_id VARCHAR(255) NOT NULL, chat_jid VARCHAR(255) NOT NULL, {_DEVICE},
 reactor_jid VARCHAR(255) NOT NULL, emoji TEXT NOT NULL DEFAULT '', is_from_me BOOLEAN DEFAULT FALSE,
 reaction_timestamp TIMESTAMP NOT NULL, {_WHEN}, PRIMARY KEY (message_id, reactor_jid, device_id));
CREATE TABLE message_edits (original_message_id VARCHAR(255) NOT NULL, edit_event_id VARCHAR(255) NOT NULL,
 chat_jid VARCHAR(255) NOT NULL, {_DEVICE}, editor VARCHAR(255) DEFAULT '', previous_content TEXT DEFAULT '',
 new_content TEXT DEFAULT '', edited_at TIMESTAMP NOT NULL, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
 PRIMARY KEY (original_message_id, edit_event_id, device_id));
ALTER TABLE messages ADD COLUMN direct_path TEXT DEFAULT '';
ALTER TABLE devices ADD COLUMN ad_jid VARCHAR(255) DEFAULT '';
"""
SCHEMAS: Final[Mapping[str, str]] = {"7": _SEVEN, "8": _EIGHT, "2026": _EIGHT + _NEWEST}
_MIGRATIONS: Final = {"7": 2, "8": 12, "2026": 43}


def storage(
    path: Path,
    version: str = "2026",
    *,
    chats: Iterable[tuple[str, str]] = (),
    messages: Iterable[Mapping[str, Any]] = (),
    **others: Iterable[Mapping[str, Any]],
) -> Path:
    """A database of that version.

    Args:
        path: Where.
        version: One of `SCHEMAS`.
        chats: (jid, name).
        messages: Columns of rows; those that are left out have a usual value.
        others: Rows of further tables, by their names.
    """
    has_devices = version != "7"
    device = {"device_id": DEVICE} if has_devices else {}
    usual = {"timestamp": AT, "sender": "", "content": "", "is_from_me": 0, **device}
    with closing(sqlite3.connect(path)) as db:
        db.executescript(SCHEMAS[version])
        db.execute("CREATE TABLE schema_info (version INTEGER PRIMARY KEY, updated_at TIMESTAMP)")
        db.executemany(
            "INSERT INTO schema_info (version) VALUES (?)", [(n,) for n in range(1, _MIGRATIONS[version] + 1)]
        )
        for jid, name in chats:
            insert(db, "chats", {"jid": jid, "name": name, "last_message_time": AT, **device})
        for message in messages:
            insert(db, "messages", {**usual, **message})
        for table, rows in others.items():
            for row in rows:
                insert(db, table, {**device, **row} if table != "devices" else row)
        db.commit()
    return path


def insert(db: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> None:
    """One row, by the names of its columns."""
    marks = ", ".join("?" * len(row))
    db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", [*row.values()])
