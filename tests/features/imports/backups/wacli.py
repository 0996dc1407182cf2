"""Makes the store of wacli, from the schema and the migrations in its sources.

Three versions: 0.2 (the first tables), 0.7 (reactions, stars, deletions) and 0.16 (polls, calls, edits,
quotes, places). No database of a real account was at hand.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from tests.features.imports.backups.gowa import insert

AT: Final = 1_700_000_000
_FIRST: Final = """
CREATE TABLE chats (jid TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT, last_message_ts INTEGER);
CREATE TABLE contacts (jid TEXT PRIMARY KEY, phone TEXT, push_name TEXT, full_name TEXT, first_name TEXT,
 business_name TEXT, updated_at INTEGER NOT NULL);
CREATE TABLE groups (jid TEXT PRIMARY KEY, name TEXT, owner_jid TEXT, created_ts INTEGER,
 updated_at INTEGER NOT NULL);
CREATE TABLE group_participants (group_jid TEXT NOT NULL, user_jid TEXT NOT NULL, role TEXT,
 updated_at INTEGER NOT NULL, PRIMARY KEY (group_jid, user_jid));
CREATE TABLE contact_aliases (jid TEXT PRIMARY KEY, alias TEXT NOT NULL, notes TEXT,
 updated_at INTEGER NOT NULL);
CREATE TABLE contact_tags (jid TEXT NOT NULL, tag TEXT NOT NULL, updated_at INTEGER NOT NULL,
 PRIMARY KEY (jid, tag));
CREATE TABLE messages (rowid INTEGER PRIMARY KEY AUTOINCREMENT, chat_jid TEXT NOT NULL, chat_name TEXT,
 msg_id TEXT NOT NULL, sender_jid TEXT, sender_name TEXT, ts INTEGER NOT NULL, from_me INTEGER NOT NULL,
 text TEXT, media_type TEXT, media_caption TEXT, filename TEXT, mime_type TEXT, direct_path TEXT,
 media_key BLOB, file_sha256 BLOB, file_enc_sha256 BLOB, file_length INTEGER, local_path TEXT,
 downloaded_at INTEGER, UNIQUE (chat_jid, msg_id),
 FOREIGN KEY (chat_jid) REFERENCES chats (jid) ON DELETE CASCADE);
CREATE INDEX idx_messages_ts ON messages (ts);
CREATE VIRTUAL TABLE messages_fts USING fts5 (text, media_caption, filename, chat_name, sender_name);
CREATE TRIGGER messages_ai AFTER INSERT ON messages BEGIN
 INSERT INTO messages_fts (rowid, text) VALUES (new.rowid, coalesce(new.text, '')); END;
"""
_SECOND: Final = """
CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL);
ALTER TABLE messages ADD COLUMN display_text TEXT;
ALTER TABLE groups ADD COLUMN left_at INTEGER;
ALTER TABLE messages ADD COLUMN is_forwarded INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN forwarding_score INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN reaction_to_id TEXT;
ALTER TABLE messages ADD COLUMN reaction_emoji TEXT;
CREATE TABLE starred (chat_jid TEXT NOT NULL, msg_id TEXT NOT NULL, sender_jid TEXT,
 from_me INTEGER NOT NULL DEFAULT 0, starred_at INTEGER NOT NULL, PRIMARY KEY (chat_jid, msg_id));
ALTER TABLE messages ADD COLUMN revoked INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN deleted_for_me INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contacts ADD COLUMN system_name TEXT;
"""
_THIRD: Final = """
ALTER TABLE messages ADD COLUMN buttons TEXT;
CREATE TABLE polls (chat_jid TEXT NOT NULL, msg_id TEXT NOT NULL, sender_jid TEXT, question TEXT NOT NULL,
 options_json TEXT NOT NULL, selectable_count INTEGER NOT NULL DEFAULT 1, created_ts INTEGER NOT NULL,
 PRIMARY KEY (chat_jid, msg_id));
CREATE TABLE poll_votes (chat_jid TEXT NOT NULL, poll_msg_id TEXT NOT NULL, voter_jid TEXT NOT NULL,
 vote_msg_id TEXT NOT NULL, selected_options_json TEXT NOT NULL, ts INTEGER NOT NULL,
 PRIMARY KEY (chat_jid, poll_msg_id, voter_jid));
CREATE TABLE call_events (rowid INTEGER PRIMARY KEY AUTOINCREMENT, chat_jid TEXT NOT NULL, chat_name TEXT,
 sender_jid TEXT, sender_name TEXT, call_id TEXT NOT NULL, msg_id TEXT, event_type TEXT NOT NULL,
 direction TEXT, media TEXT, outcome TEXT, reason TEXT, call_type TEXT,
 duration_secs INTEGER NOT NULL DEFAULT 0,
 ts INTEGER NOT NULL, participants TEXT, UNIQUE (chat_jid, call_id, event_type, ts));
ALTER TABLE messages ADD COLUMN edited INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN edited_ts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN quoted_msg_id TEXT;
ALTER TABLE messages ADD COLUMN quoted_sender_jid TEXT;
ALTER TABLE messages ADD COLUMN media_unavailable_at INTEGER;
ALTER TABLE messages ADD COLUMN deleted_at INTEGER;
ALTER TABLE messages ADD COLUMN deletion_reason TEXT;
ALTER TABLE messages ADD COLUMN payload_purged_at INTEGER;
CREATE TABLE message_locations (chat_jid TEXT NOT NULL, msg_id TEXT NOT NULL, latitude REAL NOT NULL,
 longitude REAL NOT NULL, name TEXT, address TEXT, is_live INTEGER NOT NULL DEFAULT 0,
 PRIMARY KEY (chat_jid, msg_id));
"""
SCHEMAS: Final[Mapping[str, str]] = {
    "0.2": _FIRST,
    "0.7": _FIRST + _SECOND,
    "0.16": _FIRST + _SECOND + _THIRD,
}


def store(
    path: Path,
    version: str = "0.16",
    messages: Iterable[Mapping[str, Any]] = (),
    **others: Iterable[Mapping[str, Any]],
) -> Path:
    """A database of that version.

    Args:
        path: Where.
        version: One of `SCHEMAS`.
        messages: Columns of rows; those that are left out have a usual value.
        others: Rows of further tables, by their names.
    """
    with closing(sqlite3.connect(path)) as db:
        db.executescript(SCHEMAS[version])
        for table, rows in others.items():
            for row in rows:
                changed = {"updated_at": AT} if table in {"contacts", "groups", "group_participants"} else {}
                insert(db, table, {**changed, **row})
        for message in messages:
            insert(db, "messages", {"ts": AT, "from_me": 0, **message})
        db.commit()
        db.execute("PRAGMA journal_mode = WAL")
    return path
