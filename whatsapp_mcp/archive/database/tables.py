"""The tables of `archive.db` and `raw.db`, as a newly made file has them.

How to read them:

* **A message's id is its time.** Seconds since 1970 shifted left by 20 bits, plus the order of arrival
  within that second. So a row's id is its place in every list, page and search result, and there is no column
  for the time.
* **People and chats are small numbers** (`contacts.id`, `chats.id`). Contact 0 is the account's owner; a
  sender of -1 is a group or channel that speaks for itself.
* **Add-ons are stored as they came, and never move**: a reaction, an edit or a vote names its message by
  WhatsApp's id (`wa_id`), because it may come first, and chat and person by the address under which it came.
  Whose it is, is resolved when it is read (`addons.py`). So are members of groups and settings of chats.
  Only `messages` holds resolved chats and people.
* **Kinds are numbers**: those of `MESSAGE_KINDS`, `CHAT_KINDS`, `Flag`, `ReceiptKind` and `NameKind` in
  `updates.py`.
* **Times** are seconds since 1970 unless a comment says milliseconds.
* **A phone number may be reassigned.** What came under a number alone is of whoever had it then
  (`number_history.py`).
* **Derived columns say so**: they exist because a list has to be quick, and are brought up to date in the
  transaction that changes what they derive from.
* No foreign keys are declared: things come in any order. `archive check` looks for dangling references.
"""

from __future__ import annotations

from typing import Final

from whatsapp_mcp.archive.database.import_tables import IMPORTS

VERSION: Final = 12
"""Number of these tables: any change of one raises it, and adds a migration to `schema.ARCHIVE`."""
RAW_VERSION: Final = 2

_EVERYTHING_ELSE: Final = """
-- Small values by name: how far the journal is archived (`position`), how far the phone's history sync has
-- come (`history`), and what the rest of the program keeps for the account (`user.…`).
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;


-- People and chats --------------------------------------------------------------------------------

-- A person, whatever their addresses. Row 0 is the account's owner. All but the id is derived, from
-- `addresses`, `number_history`, `names` and `confirmed`.
CREATE TABLE contacts (
    id INTEGER PRIMARY KEY,
    pn TEXT,                            -- jid with the phone number they have now
    lid TEXT,                           -- LID, the address that is never reassigned
    saved_name TEXT,                    -- what the owner's address book calls them
    business_name TEXT,                 -- what WhatsApp has verified
    push_name TEXT,                     -- what they call themselves
    name_norm TEXT NOT NULL DEFAULT '', -- every name and the number, folded, for finding
    given_name TEXT,                    -- what a tool or the phone's past calls them
    known INTEGER NOT NULL DEFAULT 0    -- 1: in the owner's address book, or confirmed
);
CREATE INDEX contacts_name ON contacts (name_norm);
INSERT INTO contacts (id) VALUES (0);

-- Every jid under which a person or a chat was ever seen, and whose it is now. What comes from the owner
-- without a jid has address 0.
CREATE TABLE addresses (
    id INTEGER PRIMARY KEY,
    jid TEXT NOT NULL UNIQUE,
    contact_id INTEGER NOT NULL,            -- -1: of a group, a channel, … as such
    reassigned INTEGER NOT NULL DEFAULT 0   -- 1: a number that was two people's, or of one of these people
);
CREATE INDEX addresses_contact ON addresses (contact_id);

-- Since when a number was seen with a LID. A number may pass to somebody else, a LID never.
CREATE TABLE number_history (
    pn TEXT NOT NULL,
    lid TEXT NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (pn, lid)
) WITHOUT ROWID;
CREATE INDEX number_history_lid ON number_history (lid);

-- The newest name of each kind for each jid; a contact shows the newest of each kind over all its jids.
CREATE TABLE names (
    jid TEXT NOT NULL,
    kind INTEGER NOT NULL,              -- 0 saved, 1 business, 2 push name, 3 given
    name TEXT NOT NULL,
    at INTEGER NOT NULL,                -- of the update that said so
    PRIMARY KEY (jid, kind)
) WITHOUT ROWID;

-- The people of whom a person has said, outside of MCP, that they are who they seem to be.
CREATE TABLE confirmed (
    jid TEXT PRIMARY KEY,               -- their LID where it was known, since a number may be reassigned
    at INTEGER NOT NULL
) WITHOUT ROWID;

-- A conversation.
CREATE TABLE chats (
    id INTEGER PRIMARY KEY,
    jid TEXT NOT NULL UNIQUE,                   -- direct: the contact's number if known, else the LID
    kind INTEGER NOT NULL,                      -- 0 direct, 1 group, 2 channel, 3 status, 4 broadcast
    contact_id INTEGER UNIQUE,                  -- direct: with whom
    name TEXT,                                  -- not direct: its name (a direct chat has its contact's)
    name_norm TEXT NOT NULL DEFAULT '',         -- `name` folded, for finding
    last_id INTEGER NOT NULL DEFAULT 0,         -- newest message (derived); its time orders the list of chats
    read_id INTEGER NOT NULL DEFAULT 0,         -- newest message that was read on any device of the owner,
                                                -- or sent by them (derived)
    unread INTEGER NOT NULL DEFAULT 0,          -- incoming messages after `read_id`, 999 at most (derived)
    marked_unread INTEGER NOT NULL DEFAULT 0,   -- 1: marked by hand on the phone, and not read since
    archived INTEGER NOT NULL DEFAULT 0,
    pinned INTEGER NOT NULL DEFAULT 0,
    muted_until INTEGER NOT NULL DEFAULT 0,     -- seconds since 1970; 0: not muted
    expires_in INTEGER NOT NULL DEFAULT 0,      -- seconds after which new messages disappear; 0: never
    complete INTEGER NOT NULL DEFAULT 0         -- 1: the phone said that it has nothing older
);
CREATE INDEX chats_name ON chats (name_norm) WHERE contact_id IS NULL;
CREATE INDEX chats_recent ON chats (last_id DESC);

-- The addresses under which a chat was ever seen: those of its person, with the numbers that they had.
CREATE VIEW chat_addresses AS
SELECT c.id AS chat_id, a.id AS address_id FROM chats AS c JOIN addresses AS a ON a.contact_id = c.contact_id
UNION ALL SELECT c.id, a.id FROM chats AS c JOIN addresses AS a ON a.jid = c.jid WHERE c.contact_id IS NULL
UNION ALL SELECT c.id, n.id FROM chats AS c
    JOIN addresses AS l ON l.contact_id = c.contact_id AND l.reassigned
    JOIN number_history AS h ON h.lid = l.jid
    JOIN addresses AS n ON n.jid = h.pn AND n.contact_id != c.contact_id;

-- Each known value of each property of a chat, with its time; `chats` shows the newest. Under an address that
-- is never reassigned only the newest is kept.
CREATE TABLE chat_settings (
    address_id INTEGER NOT NULL,
    field TEXT NOT NULL,                -- a column of `chats`, or `members` for the whole list of them
    at INTEGER NOT NULL,
    value NOT NULL,
    PRIMARY KEY (address_id, field, at, value)
) WITHOUT ROWID;

-- Who is, or was, in a group: every update since the newest whole list.
CREATE TABLE members (
    chat_id INTEGER NOT NULL,           -- a group, which has one address
    address_id INTEGER NOT NULL,
    at INTEGER NOT NULL,                -- of the update that said so
    role INTEGER NOT NULL,              -- 0 member, 1 admin, 2 superadmin; -1: left
    PRIMARY KEY (chat_id, address_id, at, role)
) WITHOUT ROWID;

-- Chats that were dealt with or put off: meanwhile nobody waits there. The newest row of a chat counts.
CREATE TABLE set_aside (
    address_id INTEGER PRIMARY KEY,     -- the chat's: one that is never reassigned, where it has one
    at INTEGER NOT NULL,                -- milliseconds
    handled_to INTEGER NOT NULL,        -- what was said up to then is dealt with; 0: nothing is
    until INTEGER NOT NULL              -- put off until then; 0: it is not
) WITHOUT ROWID;

-- Numbers of chats and contacts that turned out to be others: the search index still holds the old number.
CREATE TABLE chat_aliases (
    old_id INTEGER PRIMARY KEY,
    chat_id INTEGER NOT NULL
);
CREATE TABLE contact_aliases (
    old_id INTEGER PRIMARY KEY,
    contact_id INTEGER NOT NULL
);


-- Messages ----------------------------------------------------------------------------------------

-- One row a message, as it reads now: after its last edit, empty after it was deleted for everyone.
CREATE TABLE messages (
    id INTEGER PRIMARY KEY,             -- (seconds << 20) | order within the second
    ref INTEGER NOT NULL,               -- short number shown to people and agents (`#1042`)
    chat_id INTEGER NOT NULL,
    sender_id INTEGER NOT NULL,         -- contact; 0: the account's owner; -1: the group or channel itself
    wa_id TEXT NOT NULL,                -- WhatsApp's id, unique only together with chat and sender
    kind INTEGER NOT NULL,              -- 0 text, 1 image, …
    flags INTEGER NOT NULL DEFAULT 0,   -- bits of `updates.Flag`: forwarded, starred, view-once, …
    text TEXT NOT NULL DEFAULT '',      -- the text or caption; for other kinds what can be read of them
    original TEXT,                      -- the text before its first edit; NULL: it was not edited
    reply_wa_id TEXT,                   -- WhatsApp's id of the message that this one answers
    edited_at INTEGER,
    revoked_at INTEGER,                 -- deleted for everyone
    details TEXT,                       -- JSON: what only this kind has (a place, poll options, mentions, …)
    via INTEGER                         -- address of the phone number it came under, while no LID is known
                                        -- for it: what decides whose it is if the number was reassigned
);
-- Every entry of an index ends with the row's id: within a chat, sender or kind they stand in order of time.
CREATE UNIQUE INDEX messages_key ON messages (chat_id, wa_id, sender_id);
CREATE INDEX messages_chat ON messages (chat_id);
CREATE INDEX messages_sender ON messages (sender_id) WHERE sender_id > 0;
CREATE INDEX messages_own ON messages (chat_id) WHERE sender_id = 0;
CREATE INDEX messages_kind ON messages (kind) WHERE kind > 0;
-- Notices: few among the messages of a chat, and asked for by whoever decides whether its owner writes there.
CREATE INDEX messages_notices ON messages (chat_id) WHERE kind = 14;
-- What was cut short (`Flag`): little, so that it is counted at once.
CREATE INDEX messages_cut ON messages (id) WHERE flags & 2048;

-- The message of each short number. Two have one message when it was stored under both addresses of a person.
-- Numbers are never used twice: whoever remembers that of a purged message must not get another one.
CREATE TABLE refs (
    ref INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id INTEGER NOT NULL
);

-- The file of a message: what a list shows, what a later download needs, and where it was downloaded to.
CREATE TABLE media (
    message_id INTEGER PRIMARY KEY,
    media_type TEXT NOT NULL,           -- image, video, audio, document, sticker: decides the download's keys
    mime_type TEXT,
    file_name TEXT,
    size INTEGER,                       -- bytes
    duration INTEGER,                   -- seconds
    width INTEGER,
    height INTEGER,
    direct_path TEXT,                   -- on WhatsApp's media hosts
    url TEXT,
    media_key BLOB,                     -- from which the keys of the encrypted file are made
    sha256 BLOB,                        -- of the file
    enc_sha256 BLOB,                    -- of the file as it lies encrypted on the media host
    path TEXT                           -- downloaded to; NULL: not downloaded
);

-- What was read in the file of a message: the text of a document, the words in a picture, a transcript.
CREATE TABLE readings (
    message_id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,              -- 0 document, 1 picture, 2 transcript
    language TEXT,                      -- of a transcript, ISO 639-1
    engine TEXT NOT NULL,               -- what read it
    at INTEGER NOT NULL,                -- milliseconds
    in_file INTEGER,                    -- passages of the whole file, if the rest was over a limit
    cut INTEGER NOT NULL,               -- 1: a passage lost its end to a limit
    marks TEXT,                         -- JSON: title and first second of each passage; NULL: none has any
    text TEXT NOT NULL                  -- the passages, a form feed between two
);
CREATE INDEX readings_kind ON readings (kind);

-- Why the file of a message is not here, or not read, where that was tried and failed last.
CREATE TABLE file_problems (
    message_id INTEGER PRIMARY KEY,
    step INTEGER NOT NULL,              -- 0 fetch, 1 read
    code TEXT NOT NULL,                 -- of the error
    sentence TEXT NOT NULL,             -- what it said
    attempts INTEGER NOT NULL,
    at INTEGER NOT NULL,                -- milliseconds; of the last try
    final INTEGER NOT NULL              -- 1: trying again would not help
);

-- Files that were fetched without being asked for. One whose `media.path` is NULL was dropped again, to make
-- room: it is not fetched by itself a second time.
CREATE TABLE kept_files (
    message_id INTEGER PRIMARY KEY,
    size INTEGER NOT NULL               -- bytes on disk
);

-- Add-ons -----------------------------------------------------------------------------------------
-- Each table begins with the same four columns: the message's id on WhatsApp, the addresses of chat and
-- person as they came, and the time. `addon_kinds.py` says of each kind what counts and when it is deleted.

-- A person's emojis under a message, of which the newest counts.
CREATE TABLE reactions (
    wa_id TEXT NOT NULL,
    chat_address INTEGER NOT NULL,
    sender_address INTEGER NOT NULL,
    at INTEGER NOT NULL,                -- milliseconds
    emoji TEXT NOT NULL,                -- empty: taken back
    PRIMARY KEY (wa_id, chat_address, sender_address, at, emoji)
) WITHOUT ROWID;

-- Who keeps a message in a chat where messages disappear, or no more; of everybody's the newest counts.
CREATE TABLE keeps (
    wa_id TEXT NOT NULL,
    chat_address INTEGER NOT NULL,
    sender_address INTEGER NOT NULL,
    at INTEGER NOT NULL,                -- milliseconds
    kept INTEGER NOT NULL,              -- 0: no more
    PRIMARY KEY (wa_id, chat_address, sender_address, at, kept)
) WITHOUT ROWID;

-- Texts that a message got later; the newest is in `messages.text`, the first one in `messages.original`.
CREATE TABLE edits (
    wa_id TEXT NOT NULL,
    chat_address INTEGER NOT NULL,
    sender_address INTEGER NOT NULL,
    at INTEGER NOT NULL,                -- milliseconds
    text TEXT NOT NULL,
    PRIMARY KEY (wa_id, chat_address, sender_address, at, text)
) WITHOUT ROWID;

-- Messages that were deleted for everyone, also those that have not come yet.
CREATE TABLE revokes (
    wa_id TEXT NOT NULL,
    chat_address INTEGER NOT NULL,
    sender_address INTEGER NOT NULL,    -- of the deleted message's sender, whoever deleted it
    at INTEGER NOT NULL,
    PRIMARY KEY (wa_id, chat_address, sender_address, at)
) WITHOUT ROWID;

-- A person's choices in a poll, of which the newest counts. They come sealed with the poll's secret.
CREATE TABLE votes (
    wa_id TEXT NOT NULL,                -- of the poll
    chat_address INTEGER NOT NULL,
    sender_address INTEGER NOT NULL,
    at INTEGER NOT NULL,                -- milliseconds
    payload BLOB NOT NULL,              -- the sealed vote; empty: it came open
    iv BLOB,                            -- its initialisation vector,
    voter_jid TEXT,                     -- and the address that it was sealed under
    options BLOB,                       -- SHA-256 of each chosen option, joined; NULL: still sealed
    PRIMARY KEY (wa_id, chat_address, sender_address, at, payload)
) WITHOUT ROWID;

-- Steps of calls. The call's row in `messages` comes with the offer.
CREATE TABLE calls (
    wa_id TEXT NOT NULL,                -- id of the call
    chat_address INTEGER NOT NULL,
    sender_address INTEGER NOT NULL,
    at INTEGER NOT NULL,
    step TEXT NOT NULL,                 -- offer, accept, terminate
    reason TEXT NOT NULL,               -- why it ended
    PRIMARY KEY (wa_id, chat_address, sender_address, at, step, reason)
) WITHOUT ROWID;

-- Edits, reactions and comments of newer clients, sealed with the secret of a message that is not here yet.
CREATE TABLE sealed (
    wa_id TEXT NOT NULL,                -- of the message that they belong to
    chat_address INTEGER NOT NULL,
    sender_address INTEGER NOT NULL,
    at INTEGER NOT NULL,
    own_id TEXT NOT NULL,               -- WhatsApp's id of the add-on itself
    name TEXT NOT NULL,                 -- what it is: a field of `E2E.Message`
    sender_jid TEXT,                    -- address that it was sealed under
    payload BLOB NOT NULL,
    iv BLOB NOT NULL,
    PRIMARY KEY (wa_id, chat_address, sender_address, at, own_id)
);

-- Receipts that came before their message; they wait for it.
CREATE TABLE early_receipts (
    wa_id TEXT NOT NULL,
    chat_address INTEGER NOT NULL,
    sender_address INTEGER NOT NULL,    -- whose watermark it moves: see `read_marks`
    at INTEGER NOT NULL,
    kind INTEGER NOT NULL,              -- as in `read_marks`
    PRIMARY KEY (wa_id, chat_address, sender_address, at, kind)
) WITHOUT ROWID;

-- Add-ons of others that came when their message was not here, in the order in which they came: the oldest go
-- where there are too many (`addon_writer.py`). One that has found its message since may still stand here.
CREATE TABLE waiting_addons (
    id INTEGER PRIMARY KEY,
    counted_to INTEGER NOT NULL,        -- address whose bound it counts to: the person's, or that of the chat
    bytes INTEGER NOT NULL,             -- that it counts for
    came INTEGER NOT NULL,              -- when it came
    kind TEXT NOT NULL,                 -- its table; what follows is its row's
    wa_id TEXT NOT NULL,
    chat_address INTEGER NOT NULL,
    sender_address INTEGER NOT NULL,
    at INTEGER NOT NULL
);
CREATE INDEX waiting_addons_counted ON waiting_addons (counted_to, id, bytes);

-- How much came of each sender on a day, by the times of the messages: beyond a bound they are kept cut short
-- (`floods.py`). Days long ago are deleted.
CREATE TABLE intake (
    day INTEGER NOT NULL,               -- since 1970, UTC
    address_id INTEGER NOT NULL,        -- of the sender, as it came
    bytes INTEGER NOT NULL,
    PRIMARY KEY (day, address_id)
) WITHOUT ROWID;


-- Receipts ----------------------------------------------------------------------------------------

-- Read watermarks: everything up to a message was delivered, read or played. They are kept by the address
-- under which the receipt came, and count for whoever had a number when the message was sent. In a chat with
-- one person the watermark is of their address alone (`chat_id` 0).
-- One more (address 0, kind 2) stands in a chat while it counts as read only because something was sent from
-- here: no read receipts went out for what came after `up_to`.
CREATE TABLE read_marks (
    chat_id INTEGER NOT NULL,           -- 0: the chat with the one whose address it is
    address_id INTEGER NOT NULL,        -- 0: the owner in a group; -1: everybody in the group
    kind INTEGER NOT NULL,              -- what the owner sent was 1 delivered, 2 read, 3 played; 0: what the
                                        -- owner has read of others on any device
    up_to INTEGER NOT NULL,             -- newest such message
    at INTEGER NOT NULL,                -- when it was so; of kind 0: when the owner last read
    PRIMARY KEY (chat_id, address_id, kind)
) WITHOUT ROWID;


-- Sending -----------------------------------------------------------------------------------------

-- Every send that was accepted, from before it is handed to WhatsApp on; it is never handed over twice.
-- Numbers are never used twice: a question to a person names a send by its number.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    idempotency_key TEXT,               -- the caller's: the same key of a principal never sends twice
    principal TEXT NOT NULL DEFAULT '', -- whose key it is; empty: the archive's own
    chat TEXT NOT NULL,                 -- jid as it was given
    chat_id INTEGER NOT NULL,
    request TEXT NOT NULL,              -- JSON of the SendRequest
    status TEXT NOT NULL,               -- held, scheduled, queued, sending, sent, failed, unknown
    created_at INTEGER NOT NULL,        -- milliseconds
    handed_at INTEGER,                  -- milliseconds; given to the client library
    expires_at INTEGER,                 -- milliseconds; not sent any more after that
    message_id TEXT,                    -- WhatsApp's id, once it is sent
    sent_at INTEGER,                    -- seconds, by WhatsApp's clock
    reason TEXT,                        -- why it failed or is unknown, or why queued it may be out already
    secret BLOB,                        -- of the message, while it may lead to its id
    handed_to TEXT,                     -- which client had it, while something may still be found out there
    due_at INTEGER,                     -- milliseconds; when a scheduled send is to go out
    scheduling TEXT,                    -- JSON of its Authorship: for whom, and whose words it may repeat
    replies_after INTEGER,              -- the newest ref then, if it is not to go out after a reply
    UNIQUE (idempotency_key, principal)
);
CREATE INDEX outbox_scheduled ON outbox (due_at) WHERE status = 'scheduled';
CREATE INDEX outbox_unsettled ON outbox (id) WHERE status IN ('queued', 'sending', 'unknown');
CREATE INDEX outbox_message ON outbox (message_id) WHERE message_id IS NOT NULL;
-- By the message that an edit changes; a damaged request changes none.
CREATE INDEX outbox_edited ON outbox (CASE WHEN json_valid(request) THEN iif(
 json_extract(request, '$.content.kind') = 'edit', json_extract(request, '$.content.message_id'), NULL) END);

-- Idempotency keys of sends that may have gone out and were deleted since: they still never send again.
CREATE TABLE used_keys (
    digest BLOB PRIMARY KEY             -- of the key, which may hold anything, and of its principal
) WITHOUT ROWID;


-- What happened, and what is missing --------------------------------------------------------------

-- The change feed: one row for each thing that happened. A reader remembers the last number it has seen and
-- goes on from there; numbers are never used twice. Old rows are dropped.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,                -- milliseconds
    kind TEXT NOT NULL,                 -- message, edit, revoke, reaction, vote, receipt, send, history,
                                        -- purge, contact, file
    chat_id INTEGER,                    -- chat and contact as they were numbered then: see the aliases
    wa_id TEXT,
    ref INTEGER,
    actor_id INTEGER,                   -- contact who did it
    detail TEXT                         -- an emoji, the state of a send, …
);

-- Stretches of time in which messages may be missing.
CREATE TABLE gaps (
    id INTEGER PRIMARY KEY,
    since INTEGER NOT NULL,
    until INTEGER,                      -- NULL: it lasts
    reason TEXT NOT NULL                -- a sentence
);

-- Received events, or parts of them, that this version cannot read; a later one may (`archive redecode`).
CREATE TABLE undecoded (
    seq INTEGER PRIMARY KEY,            -- (number in the journal << 20) | part; part 0: the whole event
    code INTEGER NOT NULL,              -- kind of the event
    received_at INTEGER NOT NULL,       -- milliseconds
    payload BLOB NOT NULL,              -- its protobuf
    error TEXT NOT NULL                 -- what went wrong
);

"""

ARCHIVE: Final = _EVERYTHING_ELSE + IMPORTS
"""Tables of `archive.db`, without the search index."""

RAW: Final = """
-- What each message was decoded from, to decode it again when a later version understands more.
CREATE TABLE raw (
    message_id INTEGER PRIMARY KEY,     -- `messages.id` in `archive.db`
    code INTEGER NOT NULL,              -- kind of the event that it came with
    payload BLOB NOT NULL               -- its protobuf: an event, or one WebMessageInfo of a history sync
);

-- The last operation that wrote here, by its number; `meta` of `archive.db` has the last of all.
CREATE TABLE applied (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    number INTEGER NOT NULL
);
"""

INDEX: Final = """
-- The search index: words and no text; a row's number is the message's id. `body` holds the normalised words
-- of the text, the file's name and the options (`index.py`), `scope` where and who: `c<chat> s<sender>`.
CREATE VIRTUAL TABLE fts USING fts5 (
    body, scope, tokenize="unicode61 remove_diacritics 0 categories 'L* N* Co M*'"{content}
);
-- Small pages, eight to one of the file: a search in one chat leaps through the entries of a common word, and
-- each leap reads a page of them.
INSERT INTO fts (fts, rank) VALUES ('pgsz', 490);
"""
"""`content` is what depends on SQLite's version."""
