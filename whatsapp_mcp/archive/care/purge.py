"""Deleting for good, step by step, so that what comes in need not wait for long.

What is deleted is overwritten with zeros (`secure_delete`), the search index is merged until nothing deleted
is left in it, and free pages are cut off the end of the files.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from whatsapp_mcp.archive import database, identity, read, state
from whatsapp_mcp.archive.care import file_copies
from whatsapp_mcp.archive.database import ID_BITS, column, value
from whatsapp_mcp.archive.write import WriteContext, begin_raw_operation, end_replied, position
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.files import encrypted_databases, sealed_files
from whatsapp_mcp.files.media_folder import recorded_file
from whatsapp_mcp.models import files_of
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import guard, transaction

_MESSAGES: Final = 2_000
"""Messages deleted in one step."""
_PURGED: Final = "purged"
"""Key in `meta`, with a log: see `last_purged`."""
_PAGES: Final = 2_000
"""Free pages given back in one step."""


@dataclass(frozen=True, slots=True)
class Span:
    """Scope of a purge: one chat (its number) or all, before a time (seconds since 1970) or at any."""

    chat: int | None
    before: int | None

    def where(self, chat: str, before: str, unit: int = 1) -> tuple[str, list[int]]:
        """The span as SQL over a column of chats and one of times, which count `unit` a second."""
        conditions, values = ["1"], list[int]()
        if self.chat is not None:
            conditions.append(f"{chat} = ?")
            values.append(self.chat)
        if self.before is not None:
            conditions.append(f"{before} < ?")
            values.append(self.before * unit)
        return " AND ".join(conditions), values


def purge_span(db: sqlite3.Connection, chat: str | None, before: datetime | None) -> Span | None:
    """Return the scope of a purge; None if there is no such chat."""
    number = read.chat_id(db, chat) if chat is not None else None
    if chat is not None and number is None:
        return None
    return Span(number, None if before is None else int(before.timestamp()))


@dataclass(frozen=True, slots=True)
class Purged:
    """Result of one step of a purge, with what has to be deleted outside of the databases.

    Attributes:
        rows: How many; 0 when nothing is left to delete.
        files: Downloaded files.
        unrecorded: Refs of messages with a file that is not known to be downloaded.
        requests: JSON of the sends, which name the copies of their files.
        cancelled: Sends among them that waited, and never go out.
    """

    rows: int
    files: tuple[str, ...] = ()
    unrecorded: frozenset[str] = frozenset()
    requests: tuple[str, ...] = ()
    cancelled: tuple[int, ...] = ()


_NOTHING: Final = Purged(0)


def purge_waiting(context: WriteContext, chat: str | None, before: datetime | None) -> Purged:
    """Delete the sends that wait, before any message: none goes out to a chat that is half deleted."""
    span = purge_span(context.db, chat, before)
    if span is None:
        return _NOTHING
    return _noted(context, _purge_sends(context.db, span, "status IN ('held', 'scheduled', 'queued')"))


def purge_messages(context: WriteContext, chat: str | None, before: datetime | None) -> Purged:
    """Delete some of the messages, oldest first, and their add-ons."""
    db, span = context.db, purge_span(context.db, chat, before)
    if span is None:
        return _NOTHING
    where, values = span.where("chat_id", "id", 1 << ID_BITS)
    rows = db.execute(
        f"SELECT id FROM messages WHERE {where} ORDER BY id LIMIT ?",  # noqa: S608
        [*values, _MESSAGES],
    ).fetchall()
    if not rows:
        return _NOTHING
    # First: a send that a reply cancels would go out once the reply is deleted.
    end_replied(context)
    db.execute("CREATE TEMP TABLE gone (id INTEGER PRIMARY KEY, chat_id INTEGER, wa_id TEXT)")
    files, unrecorded, requests = _delete(db, rows)
    # In each step: whoever reads again meanwhile has to read once more.
    _tell(db, span)
    db.execute("DROP TABLE gone")
    # Commits before the archive does: if that fails, the next try deletes the same rows.
    with transaction(context.raw):
        begin_raw_operation(context)
        context.raw.executemany("DELETE FROM raw WHERE message_id = ?", rows)
    return _noted(context, Purged(len(rows), tuple(files), frozenset(unrecorded), tuple(requests)))


def overwrite_deleted(db: sqlite3.Connection, raw: sqlite3.Connection) -> None:
    """Overwrite what is deleted from now on, until `finish`."""
    for one in (db, raw):
        one.execute("PRAGMA secure_delete = ON").fetchall()


def unlink_purged(db: sqlite3.Connection, folder: AccountFolder, purged: Purged) -> None:
    """Delete the files that a step left without a message."""
    unlink_media(folder.media, purged.files)
    _unlink_unrecorded(folder.media, purged.unrecorded)
    _unlink_sent(db, folder, purged.requests)


def _delete(db: sqlite3.Connection, gone: list[tuple[int]]) -> tuple[list[str], set[str], list[str]]:
    """Delete messages and their add-ons.

    Returns:
        Their downloaded files, the refs of those with a file that is not known to be downloaded, and the
        requests of their sends.
    """
    db.executemany("INSERT INTO gone SELECT id, chat_id, wa_id FROM messages WHERE id = ?", gone)
    files = column(db, "SELECT path FROM media JOIN gone ON gone.id = message_id WHERE path IS NOT NULL")
    unrecorded = column(
        db,
        """SELECT CAST(r.ref AS TEXT) FROM gone JOIN media AS d ON d.message_id = gone.id AND d.path IS NULL
        JOIN refs AS r ON r.message_id = gone.id""",
    )
    files += state.purge_imported(db)
    db.execute("DELETE FROM fts WHERE rowid IN (SELECT id FROM gone)")
    state.purge_files(db)
    db.execute("DELETE FROM refs WHERE message_id IN (SELECT id FROM gone)")
    state.purge_addons(db)
    db.execute("DELETE FROM events WHERE (chat_id, wa_id) IN (SELECT chat_id, wa_id FROM gone)")
    requests, _ = _delete_sends(db, "(chat_id, message_id) IN (SELECT chat_id, wa_id FROM gone)")
    touched = column(db, "SELECT DISTINCT chat_id FROM gone")
    db.execute("DELETE FROM messages WHERE id IN (SELECT id FROM gone)")
    for chat in touched:
        identity.refresh_chat(db, chat)
    return files, set(unrecorded), requests


def purge_rest(context: WriteContext, chat: str | None, before: datetime | None) -> Purged:
    """Delete add-ons of messages that never came, sends, and events that could not be decoded."""
    db, span = context.db, purge_span(context.db, chat, before)
    if span is None:
        return _NOTHING
    stray = state.purge_stray_addons(db, span.chat, span.before)
    state.purge_import_spans(db, span.chat, span.before)
    if span.chat is None:
        db.execute("DELETE FROM intake WHERE ?1 IS NULL OR day < ?1 / 86400", (span.before,))
    changes = db.total_changes
    where, values = span.where("chat_id", "at", 1000)
    db.execute(
        # Entries of purges stay: readers that come later have to learn of them.
        f"""DELETE FROM events AS t WHERE {where} AND kind <> 'purge'
        AND NOT EXISTS (SELECT 1 FROM messages AS m WHERE m.chat_id = t.chat_id AND m.wa_id = t.wa_id)""",  # noqa: S608
        values,
    )
    db.execute(
        # The feed keeps the numbers that chats had before they were merged.
        """DELETE FROM events WHERE chat_id IN (SELECT old_id FROM chat_aliases WHERE chat_id = ?)
        AND at < ? AND kind <> 'purge'""",
        (span.chat, 1000 * (span.before if span.before is not None else state.FAR_FUTURE)),
    )
    sends = _purge_sends(db, span, "1")
    _undecoded(db, span)
    if span.before is None:
        _raw_of_nothing(context)
    return _noted(context, replace(sends, rows=stray + db.total_changes - changes))


def _noted(context: WriteContext, purged: Purged) -> Purged:
    """Note where the log and the journal stand: what was deleted is in them up to there, and has to go."""
    if purged.rows and context.mark is not None:
        context.db.execute(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)", (_PURGED, f"{context.number} {position(context.db)}")
        )
    return purged


def last_purged(db: sqlite3.Connection) -> tuple[int, int]:
    """The last operation that purged anything, and the last row of the journal before it; zeros: none did."""
    number, archived = (value(db, "SELECT value FROM meta WHERE key = ?", (_PURGED,)) or "0 0").split()
    return int(number), int(archived)


def _tell(db: sqlite3.Connection, span: Span) -> None:
    """Tell of what is deleted in the change feed."""
    state.add_change(db, "purge", chat=span.chat, detail=None if span.before is None else str(span.before))


def _purge_sends(db: sqlite3.Connection, span: Span, which: str) -> Purged:
    """Delete the sends of a span that can be deleted, `which` of them as SQL."""
    # As old as its message, if there is one: what is known of whose words it repeats stays with the message.
    where, values = span.where("chat_id", "coalesce(sent_at * 1000, created_at)", 1000)
    if span.before is not None:  # what is to go out later is not of a time that has passed
        where += " AND status <> 'scheduled' AND (status <> 'held' OR due_at IS NULL)"
    requests, cancelled = _delete_sends(db, f"{where} AND {which}", values, queued=span.before is None)
    if requests:
        _tell(db, span)
    return Purged(len(requests), requests=tuple(requests), cancelled=tuple(cancelled))


def _delete_sends(
    db: sqlite3.Connection, where: str, values: Sequence[int] = (), *, queued: bool = False
) -> tuple[list[str], list[int]]:
    """Delete sends that are settled, or wait and so never go out.

    The keys of those that were handed over once still never send again.

    Args:
        db: The archive.
        where: Which sends.
        values: Of the parameters in it.
        queued: Whether those go, too, that wait for the connection alone; not what may be out already.

    Returns:
        The requests of all, and the numbers of those that waited.
    """
    also = " OR (status = 'queued' AND reason IS NULL)" if queued else ""
    rows = db.execute(
        f"""DELETE FROM outbox WHERE {where} AND (status NOT IN {read.UNSETTLED_SENDS}{also})
        RETURNING request, idempotency_key, principal, status = 'sent' OR handed_at IS NOT NULL,
        id, status IN ('held', 'scheduled', 'queued')""",  # noqa: S608
        values,
    ).fetchall()
    used = [
        (read.key_digest(key, principal),)
        for _, key, principal, may_be_out, *_ in rows
        if key is not None and may_be_out
    ]
    db.executemany("INSERT OR IGNORE INTO used_keys VALUES (?)", used)
    return [request for request, *_ in rows], [send_id for *_, send_id, waited in rows if waited]


def _undecoded(db: sqlite3.Connection, span: Span) -> None:
    """Delete events that could not be decoded: those received before, those that name the chat."""
    before = span.before if span.before is not None else state.FAR_FUTURE
    if span.chat is None:
        db.execute("DELETE FROM undecoded WHERE received_at < ?", (before * 1000,))
        return
    for jid in _addresses(db, span.chat):
        db.execute(
            # What cannot be decoded names no chat: all that holds the address anywhere goes.
            "DELETE FROM undecoded WHERE received_at < ? AND instr(payload, ?)",
            (before * 1000, jid.partition("@")[0].encode()),
        )


def _addresses(db: sqlite3.Connection, chat: int) -> list[str]:
    """Every jid that a chat has or had."""
    return column(
        db,
        """SELECT jid FROM chats WHERE id = ?1 UNION SELECT a.jid FROM chats AS c
        JOIN addresses AS a USING (contact_id) WHERE c.id = ?1""",
        (chat,),
    )


def _raw_of_nothing(context: WriteContext) -> None:
    """Delete the raw protobufs of messages that do not exist any more."""
    kept = {*column(context.db, "SELECT id FROM messages")}
    stored = column(context.raw, "SELECT message_id FROM raw")
    with transaction(context.raw):
        begin_raw_operation(context)
        gone = [(message,) for message in stored if message not in kept]
        context.raw.executemany("DELETE FROM raw WHERE message_id = ?", gone)


def give_back_pages(db: sqlite3.Connection, raw: sqlite3.Connection) -> bool:
    """Cut some free pages off the files; whether there are more."""
    return sum(_give_back(one) for one in (db, raw)) > 0


def _give_back(db: sqlite3.Connection) -> bool:
    if value(db, "PRAGMA auto_vacuum") != database.INCREMENTAL:
        # A file that was made without it takes the mode over by VACUUM alone: https://sqlite.org/pragma.html
        db.execute(f"PRAGMA auto_vacuum = {database.INCREMENTAL}")
        db.execute("VACUUM")
    db.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()
    return value(db, "PRAGMA freelist_count") > 0


def _empty_log(db: sqlite3.Connection) -> None:
    if value(db, "PRAGMA wal_checkpoint(TRUNCATE)"):  # 1: a reader has blocked it
        raise Busy(
            "The messages are deleted, but a process that reads the archive keeps old pages in a log.",
            "End the applications that use whatsapp-mcp, then purge again.",
        )


def finish_purge(
    db: sqlite3.Connection,
    raw: sqlite3.Connection,
    folder: AccountFolder,
    span: Span,
    now: float,
    *,
    keep_quarantined: bool,
) -> None:
    """Delete what repeats messages outside of the databases, and leave nothing in their logs.

    Args:
        db: The archive.
        raw: Its raw protobufs.
        folder: The account's files.
        span: What is purged.
        now: Seconds since 1970.
        keep_quarantined: Whether a damaged database that was last written after the span stays.
    """
    before = None if span.before is None else datetime.fromtimestamp(span.before, UTC)
    file_copies.purge_exports(folder, None if span.chat is None else _addresses(db, span.chat), before)
    everything = span.chat is None and before is None
    made_before = None if everything else now - file_copies.SENT_FILES_KEPT
    file_copies.purge_sent_files(folder, read.send_files(db), made_before=made_before)
    file_copies.purge_quarantined(folder, before if keep_quarantined else None)
    file_copies.purge_drafts(folder, made_before)
    if everything:
        _unlink_unrecorded(folder.media, None)
    for one in (db, raw):
        one.execute("PRAGMA secure_delete = FAST").fetchall()
    empty_logs(db, raw)


def empty_logs(db: sqlite3.Connection, raw: sqlite3.Connection) -> None:
    """Move the write-ahead logs into the files and cut them to nothing: they repeat what was deleted.

    Raises:
        Busy: A reader blocks it.
    """
    for one in (db, raw):
        _empty_log(one)


def scrub_journal(db: sqlite3.Connection, folder: AccountFolder) -> None:
    """Leave nothing of archived events in the journal: neither those up to the last, nor what was one."""
    archived = position(db)
    path = folder.inbox_db
    if not path.exists():
        return
    with closing(encrypted_databases.connect(path, folder.key_of(path), isolation_level=None)) as journal:
        journal.execute("PRAGMA busy_timeout = 5000")
        # VACUUM builds its copy in memory: none of the words reaches the disk a second time.
        journal.execute("PRAGMA temp_store = MEMORY")
        # The client process writes this file: nothing that was planted there may run here.
        guard(journal, reads=(), writes=("events", "sqlite_sequence"), vacuums=True)
        journal.execute("DELETE FROM events WHERE seq <= ?", (archived,))
        # Rows that were pruned earlier still lie in free pages.
        journal.execute("VACUUM")
        _empty_log(journal)


def unlink_media(media: Path, paths: Iterable[str]) -> None:
    """Delete downloaded files, those that lie where downloads go."""
    for target in (recorded_file(media, path) for path in paths):
        target.unlink(missing_ok=True)
        sealed_files.sealed(target).unlink(missing_ok=True)


def _unlink_unrecorded(media: Path, refs: Collection[str] | None) -> None:
    """Delete files that were downloaded and not recorded as such: of these refs, or all."""
    if refs is None or refs:
        for path in media.iterdir():
            if path.is_file() and (refs is None or path.name.partition(".")[0] in refs):
                path.unlink(missing_ok=True)


def _unlink_sent(db: sqlite3.Connection, folder: AccountFolder, requests: Iterable[str]) -> None:
    """Delete the copies of files that these requests sent, and no other send needs."""
    named: list[str] = []
    for request in requests:
        with suppress(ValueError):  # a damaged one names nothing
            named += [file.path for file in files_of(read.SEND_REQUEST.validate_json(request).content)]
    if named:
        file_copies.purge_sent_files(folder, read.send_files(db), made_before=0.0, named=named)
