"""The tables of `ledger.db`, and a connection to it."""

from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path
from typing import Final

from whatsapp_mcp.files import encrypted_databases
from whatsapp_mcp.files.encrypted_databases import DatabaseKey
from whatsapp_mcp.storage import Schema, run_script

_PATIENCE: Final = 5.0
"""Seconds that a statement waits for another process."""
_TABLES: Final = """
CREATE TABLE exposures (
    principal TEXT NOT NULL,
    source TEXT NOT NULL,               -- whose words: stranger, contact
    last_call INTEGER NOT NULL,         -- seconds since 1970, as all times here
    PRIMARY KEY (principal, source)
) STRICT, WITHOUT ROWID;

-- Texts that an agent wrote for others, and no send carries, after words of such authors had been handed out
-- to it: read again, they are as little to be trusted.
CREATE TABLE tainted_words (
    digest BLOB NOT NULL,               -- SHA-256
    source TEXT NOT NULL,               -- whose words: stranger, contact
    PRIMARY KEY (digest, source)
) STRICT, WITHOUT ROWID;

CREATE TABLE approvals (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    digest TEXT NOT NULL,               -- of all that the person's answer is about
    seal TEXT NOT NULL,                 -- shows that this program wrote the row
    principal TEXT NOT NULL,
    client TEXT NOT NULL,
    tool TEXT NOT NULL,
    operation TEXT NOT NULL,
    arguments TEXT,                     -- JSON; deleted once it is decided, as are the question's lines
    question TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    decided_at INTEGER,
    way TEXT,
    send_id INTEGER,
    question_id TEXT                    -- the message on the person's phone that asks
) STRICT;
CREATE INDEX approvals_state ON approvals (state, digest);

-- Every act and every reading of a chat. A row is never changed; the oldest are dropped.
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,            -- without a gap
    at INTEGER NOT NULL,                -- milliseconds since 1970
    kind TEXT NOT NULL,                 -- act, outcome, reading
    about INTEGER,                      -- of an outcome: its act
    principal TEXT NOT NULL,
    client TEXT NOT NULL,
    tool TEXT NOT NULL,
    operation TEXT NOT NULL,
    chats TEXT NOT NULL,                -- JSON, as refs
    refs TEXT NOT NULL,
    verdict TEXT NOT NULL,
    rule TEXT NOT NULL,
    approval TEXT,
    way TEXT,
    digest TEXT,
    outcome TEXT NOT NULL,
    counted INTEGER NOT NULL,           -- for the budgets
    new_chat INTEGER NOT NULL,
    text_mac TEXT,                      -- the same for the same text, under the account's key
    text_hash TEXT,                     -- covers the text, which may be deleted
    text TEXT,
    hash BLOB NOT NULL                  -- of this row and all before
) STRICT;
CREATE INDEX audit_counted ON audit (at) WHERE counted = 1;

-- The last row that was dropped and the newest, sealed.
CREATE TABLE audit_chain (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    first_seq INTEGER NOT NULL,
    first_hash BLOB NOT NULL,
    last_seq INTEGER NOT NULL,
    last_hash BLOB NOT NULL,
    seal TEXT NOT NULL
) STRICT;

-- What WhatsApp has imposed, and when the phone was linked.
CREATE TABLE pauses (
    kind TEXT PRIMARY KEY,              -- linked, timelock, ban
    until INTEGER NOT NULL,             -- of linked: since when
    times INTEGER NOT NULL              -- how often in a row
) STRICT;

-- How far each webhook has come in the change feed.
CREATE TABLE webhooks (
    name TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,               -- up to this change all is delivered, or kept as failed
    refusals INTEGER NOT NULL DEFAULT 0,
    retry_at INTEGER,                   -- of the event after it
    reason TEXT NOT NULL DEFAULT '',
    delivered_at INTEGER
) STRICT;

-- Events that a webhook could not deliver, by their change: no words.
CREATE TABLE failed_deliveries (
    webhook TEXT NOT NULL,
    seq INTEGER NOT NULL,
    failed_at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    replay INTEGER NOT NULL,            -- 1: it is about to be tried again
    missed_after INTEGER,               -- not of one change: it says that those after this one are gone
    PRIMARY KEY (webhook, seq)
) STRICT, WITHOUT ROWID;

-- Messages that are handed on to the agent of their chat: no words, but for an answer that is going out.
CREATE TABLE handed_on (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: the keys of the answer's sends are made of it
    chat TEXT NOT NULL,
    agent TEXT NOT NULL,                -- command, channel
    refs TEXT NOT NULL,                 -- JSON, in the order in which they came
    order_ref INTEGER,                  -- the last that is more than material
    began_at INTEGER NOT NULL,          -- milliseconds since 1970, as all times of this table
    at INTEGER NOT NULL,                -- when the last of them came
    state TEXT NOT NULL,                -- settling, waiting, taken, answering, answered, dropped
    tries INTEGER NOT NULL DEFAULT 0,
    answer TEXT,                        -- JSON: its parts, until they have gone out
    cost REAL NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',    -- why it was dropped
    done_at INTEGER
) STRICT;
CREATE INDEX handed_on_chat ON handed_on (chat, id);
CREATE INDEX handed_on_open ON handed_on (state) WHERE state NOT IN ('answered', 'dropped');

-- Up to which change messages have been handed on.
CREATE TABLE handed_on_up_to (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    seq INTEGER NOT NULL
) STRICT;

-- What the owner's phone itself wrote in the chat with oneself: it alone is in a person's hand.
CREATE TABLE phone_messages (
    message_id TEXT PRIMARY KEY,
    at INTEGER NOT NULL,                -- milliseconds
    text_hash BLOB NOT NULL             -- SHA-256 of what it said when it came
) STRICT, WITHOUT ROWID;

-- Strangers who were told a code, and those whom a person has let in.
CREATE TABLE pairings (
    chat TEXT PRIMARY KEY,
    code TEXT NOT NULL,
    given_at INTEGER NOT NULL,
    is_told INTEGER NOT NULL DEFAULT 0, -- 1: the message with the code is in the outbox
    paired_at INTEGER
) STRICT, WITHOUT ROWID;

-- Of a ledger that is made of a log: the last row that is in it, and the hash of the log up to there.
CREATE TABLE log_position (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;
"""
LEDGER: Final = Schema("ledger", 1, partial(run_script, script=_TABLES))


def connect_ledger(path: Path, key: DatabaseKey | None) -> sqlite3.Connection:
    """A connection for any thread, in autocommit; the file is there."""
    db = encrypted_databases.connect(
        path, key, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
    )
    # A commit that a power failure takes back was handed to a model whose session has ended with it; what
    # sessions that go on depend on is written with `synced`.
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "secure_delete = ON"):
        db.execute(f"PRAGMA {pragma}")
    return db
