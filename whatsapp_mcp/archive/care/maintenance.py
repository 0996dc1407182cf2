"""Care of the files: integrity, a fresh index, packing; none of it changes an answer. And decoding again."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Final

from whatsapp_mcp import decoding
from whatsapp_mcp.archive import database, state
from whatsapp_mcp.archive.database import column, connect_reader, value
from whatsapp_mcp.decoding import (
    UNDECODABLE,
    UNKNOWN,
    MessageUpdate,
    Recovered,
    UndecodedUpdate,
    Update,
    decode_event,
)
from whatsapp_mcp.settings import AccountFolder

_PART_BITS = 20
"""Bits of a number in `undecoded` below that of the event: the part, 0 for the whole event."""
_CHECKS_INDEX = (3, 44, 0)
"""The SQLite whose `integrity_check` looks into the search index by itself, without writing."""
_IN_THE_WAY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY})
_PRIMARY_CODE: Final = 0xFF
"""The bits of an extended error code that say what kind it is: https://sqlite.org/rescode.html"""
_EMPTY_COLUMN: Final = re.compile(r"NULL value in (\w+)\.(\w+)")
_FREE_SHARE = 0.1
"""Share of free pages from which the file is packed."""
_MERGE_PAGES = 2_000
"""Pages of the search index written in one step of a merge: a few tens of milliseconds."""
DANGLING: Final = (
    ("messages without a chat", "messages", "chat_id NOT IN (SELECT id FROM chats)"),
    (
        "messages without a sender",
        "messages",
        "sender_id > 0 AND sender_id NOT IN (SELECT id FROM contacts)",
    ),
    ("refs without a message", "refs", "message_id NOT IN (SELECT id FROM messages)"),
    ("files without a message", "media", "message_id NOT IN (SELECT id FROM messages)"),
    *(
        (
            f"{table.replace('_', ' ')} without a file",
            table,
            "message_id NOT IN (SELECT message_id FROM media)",
        )
        for table in state.ABOUT_FILES
    ),
    (
        "copies of imported messages without a message",
        "imported_copies",
        "ref NOT IN (SELECT ref FROM messages)",
    ),
    *(
        (
            f"{table.replace('_', ' ')} without an import",
            table,
            "import_id > 0 AND import_id NOT IN (SELECT id FROM imports)",
        )
        for table in state.IMPORT_TABLES
    ),
)
"""Rows that refer to one which is not there: what they are, their table, and the condition that finds them.

Each condition holds after the rows of those above are deleted.
"""


def decode_again(
    db: sqlite3.Connection, raw: sqlite3.Connection
) -> tuple[tuple[Recovered, ...], tuple[Recovered, ...]]:
    """Decode again, with this version, undecodable events and messages of unknown kind."""
    events: list[Recovered] = []
    # One at a time: an event that is over the bounds may have megabytes.
    for seq in column(db, "SELECT seq FROM undecoded WHERE payload != x'' ORDER BY seq"):
        code, received_at, payload = db.execute(
            "SELECT code, received_at, payload FROM undecoded WHERE seq = ?", (seq,)
        ).fetchone()
        part = seq & ((1 << _PART_BITS) - 1)
        with suppress(*UNDECODABLE):
            updates = _updates(code, payload, received_at, part=part)
            still = part and any(isinstance(update, UndecodedUpdate) for update in updates)
            # Written again, a part that is still unreadable would become the first part of its event.
            if updates and not still:
                events.append(Recovered(seq, tuple(updates), received_at))
    return tuple(events), tuple(_unknown_again(db, raw))


def _updates(code: int, payload: bytes, received_at: int, *, part: int) -> list[Update]:
    if code == decoding.HISTORY_CODE and part:
        return decoding.one_message(payload, None, received_at // 1000)
    return decode_event(code, payload, received_at)


def _unknown_again(db: sqlite3.Connection, raw: sqlite3.Connection) -> Iterator[Recovered]:
    """Messages of unknown kind, decoded again from their raw protobufs."""
    for message, chat in db.execute(
        """SELECT m.id, c.jid FROM messages AS m JOIN chats AS c ON c.id = m.chat_id WHERE m.kind = ?1
        UNION SELECT m.id, c.jid FROM imported_copies AS i JOIN messages AS m ON m.ref = i.ref
        JOIN chats AS c ON c.id = m.chat_id WHERE i.import_id = ?2 AND i.kind = ?1""",
        (UNKNOWN, state.CAME),
    ).fetchall():
        row = raw.execute("SELECT code, payload FROM raw WHERE message_id = ?", (message,)).fetchone()
        if row is None:
            continue
        code, payload = row
        with suppress(*UNDECODABLE):
            if code == decoding.HISTORY_CODE:
                updates = decoding.one_message(payload, chat, message >> database.ID_BITS)
            else:
                updates = decode_event(code, payload, (message >> database.ID_BITS) * 1000)
            yield Recovered(message, tuple(update for update in updates if isinstance(update, MessageUpdate)))


def check(db: sqlite3.Connection) -> tuple[str, ...]:
    """Return problems of the file, the search index and references between rows; empty if none."""
    reports = column(db, "PRAGMA integrity_check(20)")
    problems = [report for report in reports if report != "ok" and not _is_mistaken(db, report)]
    if sqlite3.sqlite_version_info < _CHECKS_INDEX:
        try:
            _compare_index(db)
        except sqlite3.DatabaseError as error:
            # Whoever writes, or a disk for reading alone, keeps it from being compared: no sign of damage.
            if error.sqlite_errorcode & _PRIMARY_CODE not in _IN_THE_WAY:
                problems.append(f"search index: {error}")
    for what, table, condition in DANGLING:
        if count := value(db, f"SELECT count(*) FROM {table} WHERE {condition}"):  # noqa: S608
            problems.append(f"{count} {what}")
    return tuple(problems)


def _is_mistaken(db: sqlite3.Connection, report: str) -> bool:
    """Check whether a report of NULL in a column is wrong, as no row has NULL there.

    SQLite 3.40 confuses the columns of tables without rowid whose key is not made of their first columns.
    """
    empty = _EMPTY_COLUMN.fullmatch(report)
    if empty is None:
        return False
    return not value(db, f"SELECT EXISTS (SELECT 1 FROM {empty[1]} WHERE {empty[2]} IS NULL)")  # noqa: S608


def _compare_index(db: sqlite3.Connection) -> None:
    """Compare the search index with itself; an SQLite before 3.44 does it only for who may write.

    Raises:
        DatabaseError: It is damaged.
    """
    reads_only = value(db, "PRAGMA query_only")
    db.execute("PRAGMA query_only = OFF")
    try:
        db.execute("INSERT INTO fts (fts) VALUES ('integrity-check')")  # writes nothing
    finally:
        db.execute(f"PRAGMA query_only = {int(reads_only)}")


def check_file(folder: AccountFolder) -> tuple[str, ...]:
    """Check the archive without writing, so beside the account's leader; see `Archive.check`."""
    try:
        db, _ = connect_reader(folder.archive_db, folder.key_of(folder.archive_db))
        with closing(db):
            return check(db)
    except sqlite3.DatabaseError as error:
        return (str(error),)


def optimize(db: sqlite3.Connection) -> None:
    """Merge the search index, pack the file if enough of it is free, and truncate the WAL."""
    db.execute("INSERT INTO fts (fts) VALUES ('optimize')")
    db.execute("PRAGMA optimize")
    free, pages = db.execute(
        "SELECT freelist_count, page_count FROM pragma_freelist_count, pragma_page_count"
    ).fetchone()
    if free > pages * _FREE_SHARE:
        db.execute("VACUUM")
    # Last: VACUUM writes the whole file into the log.
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def merge_index(db: sqlite3.Connection, begin: bool) -> bool:
    """One step of merging the parts of the search index, the first one if `begin`; whether more are to come.

    See https://sqlite.org/fts5.html, "The 'merge' command".
    """
    before = db.total_changes
    # A negative number merges towards one part, as 'optimize' does, but in steps.
    pages = -_MERGE_PAGES if begin else _MERGE_PAGES
    db.execute("INSERT INTO fts (fts, rank) VALUES ('merge', ?)", (pages,))
    # The statement itself counts as one change.
    return db.total_changes - before > 1


def rebuild(db: sqlite3.Connection) -> None:
    """Build the search index again from the messages."""
    # Not FTS5's own 'rebuild': an index that keeps no text has nothing to rebuild from.
    db.execute("DROP TABLE fts")
    database.create_index(db)
    database.index_all(db)
