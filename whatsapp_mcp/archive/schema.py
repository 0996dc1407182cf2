"""How a file gets the tables of `tables.py`, and how an older file becomes a current one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

from whatsapp_mcp.archive import index, tables
from whatsapp_mcp.errors import Unsupported

SCHEMA_VERSION: Final = 6
RAW_VERSION: Final = 2
ID_BITS: Final = 20
"""Bits of a message's id below the seconds."""

RAW_GONE: Final = """CREATE TEMP TABLE IF NOT EXISTS raw_gone (
    message_id INTEGER PRIMARY KEY, path TEXT, becomes INTEGER)"""
"""Messages whose raw form and downloaded file must go, or get another id, noted while a batch is written."""


def create_index(db: sqlite3.Connection) -> None:
    """Make the empty search index.

    It keeps no text; an SQLite before 3.43, which cannot delete from such an index, gets one that does.
    """
    content = ", content='', contentless_delete=1" if sqlite3.sqlite_version_info >= (3, 43) else ""
    _run(db, tables.INDEX.format(content=content))


_MIGRATIONS: Final[dict[int, str | Callable[[sqlite3.Connection], None]]] = {
    2: """
ALTER TABLE addresses RENAME TO old_addresses;
DROP INDEX addresses_contact;
CREATE TABLE addresses (
    id INTEGER PRIMARY KEY,
    jid TEXT NOT NULL UNIQUE,
    contact_id INTEGER NOT NULL,
    moved INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX addresses_contact ON addresses (contact_id);
INSERT INTO addresses (jid, contact_id) SELECT jid, contact_id FROM old_addresses;
DROP TABLE old_addresses;
CREATE TABLE holders (
    pn TEXT NOT NULL, lid TEXT NOT NULL, since INTEGER NOT NULL, PRIMARY KEY (pn, lid)
) WITHOUT ROWID;
INSERT INTO holders SELECT pn, lid, 0 FROM contacts WHERE pn IS NOT NULL AND lid IS NOT NULL;
CREATE TABLE names (
    jid TEXT NOT NULL, kind INTEGER NOT NULL, name TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (jid, kind)
) WITHOUT ROWID;
INSERT INTO names SELECT j.jid, 0, c.saved_name, 0 FROM contacts AS c
    JOIN (SELECT contact_id, max(jid) AS jid FROM addresses GROUP BY contact_id) AS j ON j.contact_id = c.id
    WHERE c.saved_name IS NOT NULL;
INSERT INTO names SELECT j.jid, 1, c.business_name, 0 FROM contacts AS c
    JOIN (SELECT contact_id, max(jid) AS jid FROM addresses GROUP BY contact_id) AS j ON j.contact_id = c.id
    WHERE c.business_name IS NOT NULL;
INSERT INTO names SELECT j.jid, 2, c.push_name, c.push_at FROM contacts AS c
    JOIN (SELECT contact_id, max(jid) AS jid FROM addresses GROUP BY contact_id) AS j ON j.contact_id = c.id
    WHERE c.push_name IS NOT NULL;
ALTER TABLE contacts DROP COLUMN push_at;
CREATE TABLE chat_words (
    chat_id INTEGER NOT NULL, field TEXT NOT NULL, value, at INTEGER NOT NULL, PRIMARY KEY (chat_id, field)
) WITHOUT ROWID;
INSERT INTO chat_words SELECT id, 'name', name, name_at FROM chats WHERE name IS NOT NULL;
ALTER TABLE chats DROP COLUMN name_at;
ALTER TABLE members RENAME TO old_members;
CREATE TABLE members (
    chat_id INTEGER NOT NULL, contact_id INTEGER NOT NULL, role INTEGER, at INTEGER NOT NULL,
    PRIMARY KEY (chat_id, contact_id)
) WITHOUT ROWID;
INSERT INTO members SELECT chat_id, contact_id, role, 0 FROM old_members;
DROP TABLE old_members;
ALTER TABLE messages ADD COLUMN via INTEGER;
DROP INDEX sealed_target;
DELETE FROM sealed WHERE rowid NOT IN
    (SELECT min(rowid) FROM sealed GROUP BY chat_id, target, wa_id, sender_id);
CREATE INDEX reactions_sender ON reactions (sender_id);
CREATE UNIQUE INDEX sealed_key ON sealed (chat_id, target, wa_id, sender_id);
ALTER TABLE outbox ADD COLUMN secret BLOB;
ALTER TABLE outbox ADD COLUMN handed_to TEXT;
DROP INDEX chats_unread;
INSERT INTO fts (fts, rank) VALUES ('pgsz', 490);
""",
    3: """
CREATE INDEX contacts_name ON contacts (name_norm);
CREATE INDEX chats_name ON chats (name_norm) WHERE contact_id IS NULL;
""",
    4: """
ALTER TABLE reactions ADD COLUMN via INTEGER;
ALTER TABLE votes ADD COLUMN via INTEGER;
ALTER TABLE members ADD COLUMN via INTEGER;
DELETE FROM chat_words WHERE field = 'topic';
ALTER TABLE chats DROP COLUMN topic;
""",
    5: """
ALTER TABLE chat_words RENAME TO old_chat_words;
CREATE TABLE chat_words (
    chat_id INTEGER NOT NULL, field TEXT NOT NULL, via INTEGER NOT NULL, at INTEGER NOT NULL, value,
    PRIMARY KEY (chat_id, field, via, at)
) WITHOUT ROWID;
INSERT INTO chat_words SELECT chat_id, field, 0, at, value FROM old_chat_words;
INSERT INTO chat_words SELECT id, 'complete', 0, 0, 1 FROM chats WHERE complete;
DROP TABLE old_chat_words;
ALTER TABLE members RENAME TO old_members;
CREATE TABLE members (
    chat_id INTEGER NOT NULL, contact_id INTEGER NOT NULL, at INTEGER NOT NULL, role INTEGER, via INTEGER,
    PRIMARY KEY (chat_id, contact_id, at)
) WITHOUT ROWID;
INSERT INTO members SELECT chat_id, contact_id, at, role, via FROM old_members;
DROP TABLE old_members;
CREATE VIEW current_members AS SELECT * FROM members AS m WHERE at = (
    SELECT max(at) FROM members AS n WHERE n.chat_id = m.chat_id AND n.contact_id = m.contact_id);
ALTER TABLE reactions RENAME TO old_reactions;
DROP INDEX reactions_sender;
CREATE TABLE reactions (
    chat_id INTEGER NOT NULL, wa_id TEXT NOT NULL, sender_id INTEGER NOT NULL, at INTEGER NOT NULL,
    emoji TEXT NOT NULL, via INTEGER, PRIMARY KEY (chat_id, wa_id, sender_id, at)
) WITHOUT ROWID;
CREATE INDEX reactions_sender ON reactions (sender_id);
INSERT INTO reactions SELECT chat_id, wa_id, sender_id, at, emoji, via FROM old_reactions;
DROP TABLE old_reactions;
CREATE VIEW current_reactions AS SELECT * FROM reactions AS r WHERE at = (SELECT max(at) FROM reactions AS n
    WHERE n.chat_id = r.chat_id AND n.wa_id = r.wa_id AND n.sender_id = r.sender_id);
ALTER TABLE edits ADD COLUMN via INTEGER;
ALTER TABLE calls RENAME TO old_calls;
CREATE TABLE calls (
    chat_id INTEGER NOT NULL, wa_id TEXT NOT NULL, step TEXT NOT NULL, at INTEGER NOT NULL,
    reason TEXT NOT NULL, via INTEGER, PRIMARY KEY (chat_id, wa_id, step, at)
) WITHOUT ROWID;
INSERT INTO calls SELECT chat_id, wa_id, step, at, reason, NULL FROM old_calls;
DROP TABLE old_calls;
ALTER TABLE revokes RENAME TO old_revokes;
CREATE TABLE revokes (
    chat_id INTEGER NOT NULL, wa_id TEXT NOT NULL, sender_id INTEGER NOT NULL, at INTEGER NOT NULL,
    via INTEGER, PRIMARY KEY (chat_id, wa_id, sender_id, at)
) WITHOUT ROWID;
INSERT INTO revokes SELECT chat_id, wa_id, sender_id, at, NULL FROM old_revokes;
DROP TABLE old_revokes;
ALTER TABLE votes RENAME TO old_votes;
CREATE TABLE votes (
    chat_id INTEGER NOT NULL, wa_id TEXT NOT NULL, voter_id INTEGER NOT NULL, at INTEGER NOT NULL,
    options BLOB, payload BLOB, iv BLOB, voter_jid TEXT, via INTEGER,
    PRIMARY KEY (chat_id, wa_id, voter_id, at)
) WITHOUT ROWID;
INSERT INTO votes SELECT chat_id, wa_id, voter_id, at, options, payload, iv, voter_jid, via FROM old_votes;
DROP TABLE old_votes;
CREATE VIEW current_votes AS SELECT * FROM votes AS v WHERE at = (SELECT max(at) FROM votes AS n
    WHERE n.chat_id = v.chat_id AND n.wa_id = v.wa_id AND n.voter_id = v.voter_id);
ALTER TABLE sealed ADD COLUMN via INTEGER;
ALTER TABLE read_marks RENAME TO old_read_marks;
CREATE TABLE read_marks (
    chat_id INTEGER NOT NULL, address_id INTEGER NOT NULL, kind INTEGER NOT NULL, up_to INTEGER NOT NULL,
    at INTEGER NOT NULL, PRIMARY KEY (chat_id, address_id, kind)
) WITHOUT ROWID;
CREATE TEMP TABLE lasting AS SELECT contact_id, coalesce(
    max(id) FILTER (WHERE jid LIKE '%@lid'), min(id)) AS address_id FROM addresses GROUP BY contact_id;
INSERT INTO read_marks SELECT r.chat_id, min(r.contact_id, 0), r.kind, r.up_to, r.at FROM old_read_marks AS r
    WHERE r.contact_id <= 0;
INSERT INTO read_marks
    SELECT iif(c.contact_id IS NULL, r.chat_id, 0), l.address_id, r.kind, r.up_to, r.at
    FROM old_read_marks AS r JOIN chats AS c ON c.id = r.chat_id
    JOIN lasting AS l ON l.contact_id = r.contact_id
    WHERE r.contact_id > 0 AND ifnull(c.contact_id = r.contact_id, 1);
INSERT INTO read_marks SELECT iif(c.contact_id IS NULL, c.id, 0),
    iif(c.contact_id IS NULL, 0, l.address_id), 0, c.read_id,
    ifnull((SELECT at FROM chat_words WHERE (chat_id, field, value) = (c.id, 'marked_unread', 0)), 0)
    FROM chats AS c LEFT JOIN lasting AS l ON l.contact_id = c.contact_id
    WHERE c.contact_id IS NULL OR l.address_id IS NOT NULL;
DELETE FROM chat_words WHERE field = 'marked_unread' AND NOT value;
DROP TABLE old_read_marks;
ALTER TABLE early_receipts RENAME TO old_early_receipts;
CREATE TABLE early_receipts (
    chat_id INTEGER NOT NULL, wa_id TEXT NOT NULL, address_id INTEGER NOT NULL, kind INTEGER NOT NULL,
    at INTEGER NOT NULL, PRIMARY KEY (chat_id, wa_id, address_id, kind, at)
) WITHOUT ROWID;
INSERT INTO early_receipts SELECT e.chat_id, e.wa_id,
    CASE WHEN c.contact_id IS NOT NULL THEN d.address_id WHEN e.contact_id <= 0 THEN e.contact_id
    ELSE l.address_id END, iif(e.contact_id = 0, 0, e.kind), e.at
    FROM old_early_receipts AS e JOIN chats AS c ON c.id = e.chat_id
    LEFT JOIN lasting AS d ON d.contact_id = c.contact_id
    LEFT JOIN lasting AS l ON l.contact_id = e.contact_id
    WHERE e.contact_id <= 0 OR l.address_id IS NOT NULL GROUP BY 1, 2, 3, 4, 5;
DROP TABLE old_early_receipts;
DROP TABLE lasting;
""",
    6: index.refold_digits,
}
"""What leads from the version before to the version that is the key: SQL, or a call."""


def version(db: sqlite3.Connection) -> int:
    """The schema version of a file; 0 when it has no tables yet."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def refuse_newer(db: sqlite3.Connection, known: int) -> None:
    """Raise `Unsupported` when the file was written by a newer version of this program."""
    if version(db) > known:
        raise Unsupported(
            "The archive was written by a newer version of whatsapp-mcp.", "Upgrade this installation."
        )


def migrate(db: sqlite3.Connection) -> None:
    """Bring `archive.db` to the current schema, in one transaction."""
    refuse_newer(db, SCHEMA_VERSION)
    if version(db) == SCHEMA_VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        found = version(db)
        if found == 0:
            _run(db, tables.ARCHIVE)
            create_index(db)
        for step in range(found + 1, SCHEMA_VERSION + 1) if found else ():
            how = _MIGRATIONS[step]
            if isinstance(how, str):
                _run(db, how)
            else:
                how(db)
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        db.execute("COMMIT")
    except sqlite3.Error:
        db.execute("ROLLBACK")
        raise


def migrate_raw(db: sqlite3.Connection) -> None:
    """Bring `raw.db` to the current schema."""
    refuse_newer(db, RAW_VERSION)
    found = version(db)
    if found < RAW_VERSION:
        db.execute("BEGIN IMMEDIATE")
        if found == 0:
            _run(db, tables.RAW)
        _run(db, tables.APPLIED)
        db.execute(f"PRAGMA user_version = {RAW_VERSION}")
        db.execute("COMMIT")


def _run(db: sqlite3.Connection, script: str) -> None:
    """Run statements inside the open transaction (`executescript` would commit it)."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            db.execute(statement)
            statement = ""
