"""The tables of `archive.db` with what files of other programs brought, so that each import can be undone.

What a file says of add-ons, receipts, names and members stands here alone, and is put together with what came
over the connection when it is read. So undoing an import takes out its rows, and all else is as if it had not
been. Messages alone stand in `messages`, with `Flag.IMPORTED`, because lists and searches need them at once.
"""

from __future__ import annotations

from typing import Final

IMPORTS: Final = """

-- Imports -----------------------------------------------------------------------------------------

-- Numbers are never used twice: a report or a question to a person names an import by its number.
CREATE TABLE imports (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,               -- an `ImportSource`
    file TEXT NOT NULL,                 -- its name, without its folder
    fingerprint BLOB NOT NULL,          -- the same for the same file
    chat TEXT,                          -- jid of the chat that it is; NULL: it names its chats
    began_at INTEGER NOT NULL,          -- milliseconds
    ended_at INTEGER,                   -- milliseconds
    state TEXT NOT NULL,                -- an `ImportState`
    position INTEGER,                   -- where its next page begins; NULL: at the beginning
    report TEXT NOT NULL,               -- JSON of its `ImportReport`
    error TEXT
);

-- Ranges of refs of messages that an import brought, or would have brought were they not here from another
-- import. A message that came over the connection meanwhile is in them too; its flags tell.
CREATE TABLE imported_refs (
    import_id INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (import_id, first)
) WITHOUT ROWID;

-- What else is said of a message by an import, or by what came over the connection, where something that says
-- more is shown: undoing the import that says more shows it again.
CREATE TABLE imported_copies (
    ref INTEGER NOT NULL,               -- `messages.ref` of what is shown
    import_id INTEGER NOT NULL,         -- who says it; 0: it came over the connection
    at INTEGER NOT NULL,
    sender_id INTEGER NOT NULL,
    wa_id TEXT NOT NULL,                -- another one, if an exported chat says it
    kind INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    text TEXT NOT NULL,
    reply_wa_id TEXT,
    edited_at INTEGER,
    revoked_at INTEGER,
    details TEXT,
    media TEXT,                         -- JSON: the columns of `media` from the second on, blobs in hex
    PRIMARY KEY (ref, import_id)
) WITHOUT ROWID;

-- The chats of an import, for coverage.
CREATE TABLE imported_chats (
    import_id INTEGER NOT NULL,
    address_id INTEGER NOT NULL,        -- the chat's
    first INTEGER NOT NULL,             -- time of its oldest message in the file,
    last INTEGER NOT NULL,              -- and of its newest
    messages INTEGER NOT NULL,          -- how many it brought, as `imported_refs` has them
    PRIMARY KEY (import_id, address_id)
) WITHOUT ROWID;

-- Addresses and chats that were not here before: they go with the import, if nothing else needs them.
CREATE TABLE imported_addresses (
    import_id INTEGER NOT NULL,
    jid TEXT NOT NULL,
    is_chat INTEGER NOT NULL,           -- 1: the chat with this address; 0: the address
    PRIMARY KEY (import_id, jid, is_chat)
) WITHOUT ROWID;

-- Pairs of addresses that a file says are one person's, while it is read. They are not learned: whoever made
-- the file can have made them up, and what was merged cannot be told apart again.
CREATE TABLE imported_pairs (
    import_id INTEGER NOT NULL,
    jid TEXT NOT NULL,
    other TEXT NOT NULL,
    PRIMARY KEY (import_id, jid)
) WITHOUT ROWID;

-- Names in files: each counts where nothing else tells one of its kind.
CREATE TABLE imported_names (
    jid TEXT NOT NULL,
    kind INTEGER NOT NULL,              -- as in `names`; of a group: 3
    import_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (jid, kind, import_id)
) WITHOUT ROWID;

-- Members of groups of which nothing else tells who is in them.
CREATE TABLE imported_members (
    chat_address INTEGER NOT NULL,
    import_id INTEGER NOT NULL,
    address_id INTEGER NOT NULL,
    role INTEGER NOT NULL,              -- as in `members`
    PRIMARY KEY (chat_address, import_id, address_id)
) WITHOUT ROWID;

-- Reactions and votes of messages that a file brought; they go when the message comes over the connection.
CREATE TABLE imported_addons (
    wa_id TEXT NOT NULL,
    chat_address INTEGER NOT NULL,
    kind INTEGER NOT NULL,              -- 0 reaction, 1 vote
    sender_address INTEGER NOT NULL,
    at INTEGER NOT NULL,                -- milliseconds
    says BLOB NOT NULL,                 -- the emoji; SHA-256 of each chosen option, joined
    import_id INTEGER NOT NULL,
    PRIMARY KEY (wa_id, chat_address, kind, sender_address, at, says, import_id)
) WITHOUT ROWID;

-- Read watermarks that count for messages that a file brought alone. Those with the number 0 are of receipts
-- that came over the connection for such a message; they wait in `early_receipts` besides.
CREATE TABLE imported_marks (
    chat_id INTEGER NOT NULL,           -- this and the others as in `read_marks`
    address_id INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    up_to INTEGER NOT NULL,
    at INTEGER NOT NULL,
    import_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, address_id, kind, import_id)
) WITHOUT ROWID;

-- Files of messages that an import stored.
CREATE TABLE imported_files (
    message_id INTEGER PRIMARY KEY,
    import_id INTEGER NOT NULL
);
"""
