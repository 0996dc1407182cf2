"""The file `ledger.db`: each process has a connection that reads at once and one that writes."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import anyio.to_thread

from whatsapp_mcp import encryption
from whatsapp_mcp.encryption import DatabaseKey
from whatsapp_mcp.errors import Busy, cause
from whatsapp_mcp.system import make_private_file

T = TypeVar("T")
_SCHEMA_VERSION: Final = 1
_PATIENCE: Final = 5.0
"""Seconds that a statement waits for another process."""
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS exposures (
    principal TEXT NOT NULL,
    source TEXT NOT NULL,               -- whose words: stranger, contact
    last_call INTEGER NOT NULL,         -- seconds since 1970, as all times here
    PRIMARY KEY (principal, source)
) STRICT, WITHOUT ROWID;

-- Messages that a tainted call sent: read again, their words are as little to be trusted as what led to them.
CREATE TABLE IF NOT EXISTS tainted_sends (
    send_id INTEGER PRIMARY KEY,
    message_id TEXT
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS tainted_messages ON tainted_sends (message_id) WHERE message_id IS NOT NULL;

CREATE TABLE IF NOT EXISTS approvals (
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
CREATE INDEX IF NOT EXISTS approvals_state ON approvals (state, digest);

-- Every act and every reading of a chat. A row is never changed; the oldest are dropped.
CREATE TABLE IF NOT EXISTS audit (
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
CREATE INDEX IF NOT EXISTS audit_counted ON audit (at) WHERE counted = 1;

-- The last row that was dropped and the newest, sealed.
CREATE TABLE IF NOT EXISTS audit_chain (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    first_seq INTEGER NOT NULL,
    first_hash BLOB NOT NULL,
    last_seq INTEGER NOT NULL,
    last_hash BLOB NOT NULL,
    seal TEXT NOT NULL
) STRICT;

-- What WhatsApp has imposed, and when the phone was linked.
CREATE TABLE IF NOT EXISTS pauses (
    kind TEXT PRIMARY KEY,              -- linked, timelock, ban
    until INTEGER NOT NULL,             -- of linked: since when
    times INTEGER NOT NULL              -- how often in a row
) STRICT;

-- How far each webhook has come in the change feed.
CREATE TABLE IF NOT EXISTS webhooks (
    name TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,               -- up to this change all is delivered, or kept as failed
    refusals INTEGER NOT NULL DEFAULT 0,
    retry_at INTEGER,                   -- of the event after it
    reason TEXT NOT NULL DEFAULT '',
    delivered_at INTEGER
) STRICT;

-- Events that a webhook could not deliver, by their change: no words.
CREATE TABLE IF NOT EXISTS failed_deliveries (
    webhook TEXT NOT NULL,
    seq INTEGER NOT NULL,
    failed_at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    replay INTEGER NOT NULL,            -- 1: it is about to be tried again
    missed_after INTEGER,               -- not of one change: it says that those after this one are gone
    PRIMARY KEY (webhook, seq)
) STRICT, WITHOUT ROWID;

-- Messages that are handed on to the agent of their chat: no words, but for an answer that is going out.
CREATE TABLE IF NOT EXISTS handed_on (
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
CREATE INDEX IF NOT EXISTS handed_on_chat ON handed_on (chat, id);
CREATE INDEX IF NOT EXISTS handed_on_open ON handed_on (state) WHERE state NOT IN ('answered', 'dropped');

-- Up to which change messages have been handed on.
CREATE TABLE IF NOT EXISTS handed_on_up_to (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    seq INTEGER NOT NULL
) STRICT;

-- What the owner's phone itself wrote in the chat with oneself: it alone is in a person's hand.
CREATE TABLE IF NOT EXISTS phone_messages (
    message_id TEXT PRIMARY KEY,
    at INTEGER NOT NULL,                -- milliseconds
    text_hash BLOB NOT NULL             -- SHA-256 of what it said when it came
) STRICT, WITHOUT ROWID;

-- Strangers who were told a code, and those whom a person has let in.
CREATE TABLE IF NOT EXISTS pairings (
    chat TEXT PRIMARY KEY,
    code TEXT NOT NULL,
    given_at INTEGER NOT NULL,
    is_told INTEGER NOT NULL DEFAULT 0, -- 1: the message with the code is in the outbox
    paired_at INTEGER
) STRICT, WITHOUT ROWID;
"""


class LedgerFile:
    """The connections to `ledger.db`; the file is made where there is none.

    Args:
        path: The file.
        key: Its key, if it is encrypted.

    Raises:
        Busy: It cannot be opened, or a newer version wrote it.
    """

    def __init__(self, path: Path, key: DatabaseKey | None = None) -> None:
        self._lock = threading.Lock()
        try:
            make_private_file(path)
            self._writer = _connect(path, key)
            _prepare(self._writer)
            self._reader = _connect(path, key)
        except sqlite3.Error as error:
            raise _unusable(error) from error

    def close(self) -> None:
        """Close the connections."""
        self._reader.close()
        with self._lock:
            self._writer.close()

    async def scrub(self) -> None:
        """Leave nothing of what was deleted in the log; in the file it is overwritten already.

        Raises:
            Busy: A process that reads keeps old pages.
        """

        def run() -> int:
            with self._lock:
                return int(self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])

        try:
            blocked = await anyio.to_thread.run_sync(run)
        except sqlite3.Error as error:
            raise _unusable(error) from error
        if blocked:
            raise Busy(
                "The words of past acts are deleted, but a process that reads the ledger keeps old pages.",
                "End the applications that use whatsapp-mcp, then purge again.",
            )

    def version(self) -> int:
        """Changes whenever the file has changed."""
        return int(self._reader.execute("PRAGMA data_version").fetchone()[0])

    def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """The answer of a short query, on the calling thread: in a WAL nobody keeps a reader waiting.

        Raises:
            Busy: It cannot be read.
        """
        try:
            return query(self._reader)
        except sqlite3.Error as error:
            raise _unusable(error) from error

    async def write(self, change: Callable[[sqlite3.Connection], T], *, synced: bool = False) -> T:
        """The answer of a change, in one transaction, in a worker thread.

        Args:
            change: Writes.
            synced: Whether it is on the disk, with all that was written before, when this returns; else a
                power failure may take it back.

        Raises:
            Busy: It could not be written; nothing has changed.
        """
        return await anyio.to_thread.run_sync(partial(self.write_here, change, synced=synced))

    def write_here(self, change: Callable[[sqlite3.Connection], T], *, synced: bool = False) -> T:
        """As `write`, on the calling thread."""
        try:
            with self._lock, _syncing(self._writer) if synced else nullcontext(), transaction(self._writer):
                return change(self._writer)
        except sqlite3.Error as error:
            raise _unusable(error) from error


@contextmanager
def _syncing(db: sqlite3.Connection) -> Generator[None]:
    """Let each commit wait for the disk; a commit that does takes those before it along, in the same log."""
    db.execute("PRAGMA synchronous = FULL")
    try:
        yield
    finally:
        db.execute("PRAGMA synchronous = NORMAL")


def _connect(path: Path, key: DatabaseKey | None) -> sqlite3.Connection:
    db = encryption.connect(path, key, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    # A commit that a power failure takes back was handed to a model whose session has ended with it; what
    # sessions that go on depend on is written with `synced`.
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "secure_delete = ON"):
        db.execute(f"PRAGMA {pragma}")
    return db


def _prepare(db: sqlite3.Connection) -> None:
    with transaction(db):
        found = int(db.execute("PRAGMA user_version").fetchone()[0])
        if found > _SCHEMA_VERSION:
            raise Busy(
                "The ledger was written by a newer version of whatsapp-mcp.",
                "Upgrade whatsapp-mcp and restart it.",
            )
        # Of every file: one that an earlier version made has no table that came later.
        for statement in _TABLES.split(";\n"):
            db.execute(statement)
        columns = db.execute("SELECT name FROM pragma_table_info('failed_deliveries')").fetchall()
        if ("missed_after",) not in columns:
            db.execute("ALTER TABLE failed_deliveries ADD COLUMN missed_after INTEGER")
        if not found:
            db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")


def _unusable(error: sqlite3.Error) -> Busy:
    return Busy(
        f"The account's ledger cannot be used ({cause(error)}).",
        "Tell the user to look at the disk's free space and at the file ledger.db.",
    )


@contextmanager
def transaction(db: sqlite3.Connection) -> Generator[None]:
    """One write transaction: committed at the end, rolled back on any error."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
