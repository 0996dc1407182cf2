"""The tables of `archive.db` and `raw.db`, and how an older file becomes a current one.

Ids of messages are time-ordered: seconds since 1970 shifted left by 20 bits, plus the order of arrival within
the second. So a row's id is its place in every list, page and search result, and its time.

What points at a message from outside (reactions, edits, votes, receipts) names it by chat and WhatsApp id: it
may come before the message does, or without it.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from whatsapp_mcp.errors import Unsupported

SCHEMA_VERSION: Final = 2
RAW_VERSION: Final = 1
ID_BITS: Final = 20

_TABLES = """
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- People. Row 0 is the account's owner.
CREATE TABLE contacts (
    id INTEGER PRIMARY KEY,
    pn TEXT,                    -- phone-number jid
    lid TEXT,                   -- hidden jid
    saved_name TEXT,            -- in the phone's address book
    business_name TEXT,         -- verified
    push_name TEXT,             -- chosen by the person
    name_norm TEXT NOT NULL DEFAULT ''   -- every name and the number, folded, for finding
);
INSERT INTO contacts (id) VALUES (0);

-- Every jid that people were ever seen under, and who has it now.
CREATE TABLE addresses (
    id INTEGER PRIMARY KEY,
    jid TEXT NOT NULL UNIQUE,
    contact_id INTEGER NOT NULL,
    moved INTEGER NOT NULL DEFAULT 0    -- 1: of a number that was two people's, or of one of these people
);
CREATE INDEX addresses_contact ON addresses (contact_id);

-- From when on a number was seen with a hidden jid: numbers may pass to somebody else, hidden jids never do.
CREATE TABLE holders (
    pn TEXT NOT NULL,
    lid TEXT NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (pn, lid)
) WITHOUT ROWID;

-- What each address was called; `contacts` shows the newest of each kind over all addresses of a person.
CREATE TABLE names (
    jid TEXT NOT NULL,
    kind INTEGER NOT NULL,      -- 0 saved, 1 business, 2 push name
    name TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (jid, kind)
) WITHOUT ROWID;

CREATE TABLE chats (
    id INTEGER PRIMARY KEY,
    jid TEXT NOT NULL UNIQUE,   -- of a direct chat: the contact's phone-number jid once it is known
    kind INTEGER NOT NULL,
    contact_id INTEGER UNIQUE,  -- of a direct chat
    name TEXT,                  -- of any other chat
    name_norm TEXT NOT NULL DEFAULT '',
    topic TEXT,
    last_id INTEGER NOT NULL DEFAULT 0,
    read_id INTEGER NOT NULL DEFAULT 0,      -- newest message read on any device of ours
    unread INTEGER NOT NULL DEFAULT 0,
    marked_unread INTEGER NOT NULL DEFAULT 0,
    archived INTEGER NOT NULL DEFAULT 0,
    pinned INTEGER NOT NULL DEFAULT 0,
    muted_until INTEGER NOT NULL DEFAULT 0,
    expires_in INTEGER NOT NULL DEFAULT 0,   -- of disappearing messages, seconds
    complete INTEGER NOT NULL DEFAULT 0      -- the phone has nothing older
);
CREATE INDEX chats_recent ON chats (last_id DESC);

-- The newest word on each property of a chat; the column of that name shows it.
CREATE TABLE chat_words (
    chat_id INTEGER NOT NULL,
    field TEXT NOT NULL,        -- a column of `chats`, or `members`: when the whole list was last seen
    value,
    at INTEGER NOT NULL,
    PRIMARY KEY (chat_id, field)
) WITHOUT ROWID;

-- Chat numbers that were merged away; search scopes still hold them.
CREATE TABLE chat_aliases (
    old_id INTEGER PRIMARY KEY,
    chat_id INTEGER NOT NULL
);
CREATE TABLE contact_aliases (
    old_id INTEGER PRIMARY KEY,
    contact_id INTEGER NOT NULL
);

CREATE TABLE members (
    chat_id INTEGER NOT NULL,
    contact_id INTEGER NOT NULL,
    role INTEGER,               -- 0 member, 1 admin, 2 superadmin, NULL: left
    at INTEGER NOT NULL,
    PRIMARY KEY (chat_id, contact_id)
) WITHOUT ROWID;

CREATE TABLE messages (
    id INTEGER PRIMARY KEY,     -- (seconds << 20) | order within the second
    ref INTEGER NOT NULL,       -- short number shown to people
    chat_id INTEGER NOT NULL,
    sender_id INTEGER NOT NULL, -- 0: the account's owner
    wa_id TEXT NOT NULL,
    kind INTEGER NOT NULL,
    flags INTEGER NOT NULL DEFAULT 0,
    text TEXT NOT NULL DEFAULT '',
    reply_wa_id TEXT,
    edited_at INTEGER,
    revoked_at INTEGER,
    details TEXT,               -- JSON: what only this kind has
    via INTEGER                 -- address of the number it came under, where no hidden jid was told
);
CREATE UNIQUE INDEX messages_key ON messages (chat_id, wa_id, sender_id);
-- Each entry of an index ends with the row's id, so these are in the order of time within.
CREATE INDEX messages_chat ON messages (chat_id);
CREATE INDEX messages_sender ON messages (sender_id) WHERE sender_id > 0;
CREATE INDEX messages_kind ON messages (kind) WHERE kind > 0;

-- Short numbers; two may lead to one message after a merge.
CREATE TABLE refs (
    ref INTEGER PRIMARY KEY,
    message_id INTEGER NOT NULL
);

CREATE TABLE media (
    message_id INTEGER PRIMARY KEY,
    media_type TEXT NOT NULL,
    mime_type TEXT,
    file_name TEXT,
    size INTEGER,
    duration INTEGER,
    width INTEGER,
    height INTEGER,
    direct_path TEXT,
    url TEXT,
    media_key BLOB,
    sha256 BLOB,
    enc_sha256 BLOB,
    path TEXT
);

CREATE TABLE reactions (
    chat_id INTEGER NOT NULL,
    wa_id TEXT NOT NULL,
    sender_id INTEGER NOT NULL,
    emoji TEXT NOT NULL,        -- empty: taken back
    at INTEGER NOT NULL,        -- milliseconds
    PRIMARY KEY (chat_id, wa_id, sender_id)
) WITHOUT ROWID;

-- Every text of an edited message; the original one stands at 0.
CREATE TABLE edits (
    chat_id INTEGER NOT NULL,
    wa_id TEXT NOT NULL,
    sender_id INTEGER NOT NULL,
    at INTEGER NOT NULL,        -- milliseconds
    text TEXT NOT NULL,
    PRIMARY KEY (chat_id, wa_id, sender_id, at)
) WITHOUT ROWID;

CREATE TABLE revokes (
    chat_id INTEGER NOT NULL,
    wa_id TEXT NOT NULL,
    sender_id INTEGER NOT NULL, -- of the revoked message
    at INTEGER NOT NULL,
    PRIMARY KEY (chat_id, wa_id, sender_id)
) WITHOUT ROWID;

CREATE TABLE votes (
    chat_id INTEGER NOT NULL,
    wa_id TEXT NOT NULL,        -- of the poll
    voter_id INTEGER NOT NULL,
    at INTEGER NOT NULL,        -- milliseconds
    options BLOB,               -- SHA-256 of each chosen option, joined; NULL while sealed
    payload BLOB,               -- sealed
    iv BLOB,
    voter_jid TEXT,
    PRIMARY KEY (chat_id, wa_id, voter_id)
) WITHOUT ROWID;

-- Steps of calls; the row in `messages` comes with the offer.
CREATE TABLE calls (
    chat_id INTEGER NOT NULL,
    wa_id TEXT NOT NULL,        -- id of the call
    step TEXT NOT NULL,         -- offer, accept, terminate
    at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (chat_id, wa_id, step)
) WITHOUT ROWID;

-- Add-ons sealed with the secret of a message that is not here, or that has none we know.
CREATE TABLE sealed (
    chat_id INTEGER NOT NULL,
    target TEXT NOT NULL,       -- WhatsApp id of the message they belong to
    wa_id TEXT NOT NULL,
    sender_id INTEGER NOT NULL,
    sender_jid TEXT,
    at INTEGER NOT NULL,
    name TEXT NOT NULL,         -- field of E2E.Message
    payload BLOB NOT NULL,
    iv BLOB NOT NULL
);
CREATE UNIQUE INDEX sealed_key ON sealed (chat_id, target, wa_id, sender_id);

-- How far each person's phone has received (1), read (2) or played (3) what we sent.
CREATE TABLE read_marks (
    chat_id INTEGER NOT NULL,
    contact_id INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    up_to INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (chat_id, contact_id, kind)
) WITHOUT ROWID;

-- Receipts whose message has not come yet.
CREATE TABLE early_receipts (
    chat_id INTEGER NOT NULL,
    wa_id TEXT NOT NULL,
    contact_id INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (chat_id, wa_id, contact_id, kind)
) WITHOUT ROWID;

CREATE TABLE outbox (
    id INTEGER PRIMARY KEY,
    idempotency_key TEXT UNIQUE,
    chat TEXT NOT NULL,
    chat_id INTEGER NOT NULL,
    request TEXT NOT NULL,      -- JSON of the SendRequest
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,    -- milliseconds
    handed_at INTEGER,              -- milliseconds
    expires_at INTEGER,             -- milliseconds
    message_id TEXT,
    sent_at INTEGER,                -- seconds, WhatsApp's clock
    reason TEXT,
    secret BLOB,                    -- of the message, while it may lead to its id
    handed_to TEXT                  -- which client had it, while something may still be found out there
);
CREATE INDEX outbox_unsettled ON outbox (id) WHERE status IN ('queued', 'sending', 'unknown');
CREATE INDEX outbox_message ON outbox (message_id) WHERE message_id IS NOT NULL;

-- Change feed; pruned.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,        -- milliseconds
    kind TEXT NOT NULL,
    chat_id INTEGER,
    wa_id TEXT,
    ref INTEGER,
    actor_id INTEGER,
    detail TEXT
);

CREATE TABLE gaps (
    id INTEGER PRIMARY KEY,
    since INTEGER NOT NULL,
    until INTEGER,
    reason TEXT NOT NULL
);

-- Journal events that this version cannot decode.
CREATE TABLE undecoded (
    seq INTEGER PRIMARY KEY,
    code INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    payload BLOB NOT NULL,
    error TEXT NOT NULL
);
"""

RAW_GONE: Final = "CREATE TEMP TABLE IF NOT EXISTS raw_gone (message_id INTEGER PRIMARY KEY)"
"""Messages whose raw form must go: noted while a batch is written, done before it is committed."""

_INDEX_PAGE_BYTES = 490
"""Small pages, eight to one of the file: a search in one chat leaps through the entries of a common word, and
each leap reads a page of them."""
_TOKENIZER = "unicode61 remove_diacritics 0 categories 'L* N* Co M*'"

_RAW = """
CREATE TABLE raw (
    message_id INTEGER PRIMARY KEY,
    code INTEGER NOT NULL,      -- of the event it came with
    payload BLOB NOT NULL       -- its protobuf: an event, or one WebMessageInfo of a history sync
);
"""


def create_index(db: sqlite3.Connection) -> None:
    """Make the empty search index.

    It keeps no text; an SQLite before 3.43, which cannot delete from such an index, gets one that does.
    """
    content = ", content='', contentless_delete=1" if sqlite3.sqlite_version_info >= (3, 43) else ""
    db.execute(f'CREATE VIRTUAL TABLE fts USING fts5 (body, scope{content}, tokenize="{_TOKENIZER}")')
    db.execute("INSERT INTO fts (fts, rank) VALUES ('pgsz', ?)", (_INDEX_PAGE_BYTES,))


_MIGRATIONS: dict[int, str] = {
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
CREATE UNIQUE INDEX sealed_key ON sealed (chat_id, target, wa_id, sender_id);
ALTER TABLE outbox ADD COLUMN secret BLOB;
ALTER TABLE outbox ADD COLUMN handed_to TEXT;
DROP INDEX chats_unread;
INSERT INTO fts (fts, rank) VALUES ('pgsz', 490);
""",
}
"""SQL that leads from the version before to the version that is the key."""


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
            _run(db, _TABLES)
            create_index(db)
        for step in range(found + 1, SCHEMA_VERSION + 1) if found else ():
            _run(db, _MIGRATIONS[step])
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        db.execute("COMMIT")
    except sqlite3.Error:
        db.execute("ROLLBACK")
        raise


def migrate_raw(db: sqlite3.Connection) -> None:
    """Bring `raw.db` to the current schema."""
    refuse_newer(db, RAW_VERSION)
    if version(db) == 0:
        db.execute("BEGIN IMMEDIATE")
        _run(db, _RAW)
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
