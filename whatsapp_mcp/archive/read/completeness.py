"""From when to when there are messages, and where some may be missing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from whatsapp_mcp.archive.database import ID_BITS, placeholders, value
from whatsapp_mcp.archive.read.lookup import chat_id
from whatsapp_mcp.archive.read.message_rows import IMPORTED, MessageRow, moment, time_of
from whatsapp_mcp.archive.state import FAR_FUTURE
from whatsapp_mcp.decoding import CAME_SQL, CHAT_KIND_NUMBER, OWNER, SYSTEM, UNDECRYPTABLE
from whatsapp_mcp.errors import ChatNotFound
from whatsapp_mcp.models import (
    ChatKind,
    Coverage,
    Gap,
    HistoryProgress,
    ImportedSpan,
    ImportSource,
    MessageFilter,
)

_SPANS: Final = """SELECT i.id, i.source, i.file, min(c.first), max(c.last), sum(c.messages), max(c.last,
 CASE WHEN i.chat IS NULL AND i.state = 'done'
 THEN ifnull(CAST(strftime('%s', i.report ->> '$.last') AS INTEGER), 0) ELSE 0 END)
 FROM imports AS i CROSS JOIN imported_chats AS c ON c.import_id = i.id
 AND c.address_id IN (SELECT address_id FROM chat_addresses WHERE chat_id = ?)
 GROUP BY i.id ORDER BY min(c.first), i.id"""
"""Span of each import's messages in a chat, oldest first. A backup is complete up to its newest message of
any chat; one that was not read to its end, and a chat that was exported alone, up to the newest of this
chat."""
_LOOKED_AT: Final = 1_000
"""Messages before the end of an import among which one that came over the connection is looked for. Where
both reach, what both have counts as come over the connection, so it is one of the newest."""
_CAME: Final = f"""SELECT id FROM messages WHERE chat_id = ? AND id >= ? AND NOT flags & {IMPORTED}
 ORDER BY id"""  # noqa: S608
"""Walks through what was imported until one is found that came over the connection."""
_CAME_BEFORE: Final = f"""SELECT 1 FROM (SELECT flags FROM messages WHERE chat_id = ? AND id < ?
 ORDER BY id DESC LIMIT {_LOOKED_AT}) WHERE NOT flags & {IMPORTED} LIMIT 1"""  # noqa: S608
_WAYS: Final = ("ASC", "DESC")
_IMPORTS_NAMED: Final = 3


def coverage(db: sqlite3.Connection, chat: str) -> Coverage:
    """From when to when a chat is archived, and where messages may be missing.

    Raises:
        ChatNotFound: No such chat.
    """
    number = chat_id(db, chat)
    row = db.execute("SELECT jid, complete FROM chats WHERE id = ?", (number,)).fetchone()
    if number is None or row is None:
        raise ChatNotFound("There is no such chat.")
    jid, complete = row
    count, first, last = db.execute(
        "SELECT count(*), min(id), max(id) FROM messages WHERE chat_id = ?", (number,)
    ).fetchone()
    spans = _spans(db, number)
    between = tuple(_between(db, number, spans))
    came = (first, last) if not spans else _came(db, number, between)
    gaps = [] if first is None else _gaps(db, first >> ID_BITS, FAR_FUTURE)
    gaps += between
    first_lost, last_lost, lost = db.execute(
        "SELECT min(id), max(id), count(*) FROM messages WHERE chat_id = ? AND kind = ?",
        (number, UNDECRYPTABLE),
    ).fetchone()
    if lost:
        reason = f"{lost} message(s) could not be decrypted"
        gaps.append(Gap(time_of(first_lost), time_of(last_lost), reason))
    return Coverage(
        jid,
        count,
        None if first is None else time_of(first),
        None if last is None else time_of(last),
        bool(complete),
        tuple(gaps),
        spans,
        *[None if each is None else time_of(each) for each in came],
    )


def _came(db: sqlite3.Connection, chat: int, between: Sequence[Gap]) -> list[int | None]:
    """The oldest and the newest message that came over the connection: none did before such a gap ends."""
    ends = between[-1].until if between else None
    since = 0 if ends is None else int(ends.timestamp()) << ID_BITS
    return [value(db, f"{_CAME} {way} LIMIT 1", (chat, since)) for way in _WAYS]


def _spans(db: sqlite3.Connection, chat: int) -> tuple[ImportedSpan, ...]:
    return tuple(
        ImportedSpan(
            number,
            ImportSource(source),
            file,
            datetime.fromtimestamp(first, UTC),
            datetime.fromtimestamp(last, UTC),
            datetime.fromtimestamp(until, UTC),
            messages,
        )
        for number, source, file, first, last, messages, until in db.execute(_SPANS, (chat,)).fetchall()
    )


def _between(db: sqlite3.Connection, chat: int, spans: Sequence[ImportedSpan]) -> Iterator[Gap]:
    """The stretches between the imports of a chat, and up to what came over the connection.

    What came over the connection has no stretch like these in itself: from its first message on, it is
    complete but for the other gaps.
    """
    for before, after in _ends(spans):
        ends = int(before.until.timestamp()) + 1 << ID_BITS
        if value(db, _CAME_BEFORE, (chat, ends)):
            return
        begins = value(db, "SELECT min(id) FROM messages WHERE chat_id = ? AND id >= ?", (chat, ends))
        if begins is None:
            return
        came = after is None or time_of(begins) < after.first
        what = "what WhatsApp handed over" if came or after is None else _name(after)
        yield Gap(
            before.until,
            time_of(begins),
            f"between the end of {_name(before)} and the beginning of {what}",
        )
        if came:
            return


def _name(span: ImportedSpan) -> str:
    return f"import {span.number} ({span.source.label})"


def _ends(spans: Sequence[ImportedSpan]) -> Iterator[tuple[ImportedSpan, ImportedSpan | None]]:
    """Each import after whose end no other has anything yet, and the next one that has, if there is one."""
    reaches: ImportedSpan | None = None
    for span in spans:
        if reaches is not None and span.first > reaches.until:
            yield reaches, span
        if reaches is None or span.until > reaches.until:
            reaches = span
    if reaches is not None:
        yield reaches, None


def _gaps(db: sqlite3.Connection, since: int, until: int) -> list[Gap]:
    rows = db.execute(
        "SELECT since, until, reason FROM gaps WHERE since < ? AND ifnull(until, 1 << 40) > ? ORDER BY since",
        (until, since),
    ).fetchall()
    return [
        Gap(start, moment(end), reason) for begin, end, reason in rows if (start := moment(begin)) is not None
    ]


def gaps(db: sqlite3.Connection, *, limit: int = 50) -> tuple[Gap, ...]:
    """The newest stretches of time in which messages may be missing from every chat, newest first."""
    rows = db.execute("SELECT since, until, reason FROM gaps ORDER BY since DESC, id DESC LIMIT ?", (limit,))
    return tuple(
        Gap(start, moment(end), reason)
        for begin, end, reason in rows.fetchall()
        if (start := moment(begin)) is not None
    )


def notes(
    db: sqlite3.Connection, page: Sequence[MessageRow], where: MessageFilter, *, last_page: bool
) -> tuple[str, ...]:
    """Notes on what may be missing among these messages."""
    notes: list[str] = []
    if page:
        ids = [row.id for row in page]
        oldest, newest = min(ids), max(ids)
        page_gaps = _gaps(db, oldest >> ID_BITS, (newest >> ID_BITS) + 1)
        if len({row.chat for row in page}) == 1:
            begun, ended = time_of(oldest), time_of(newest)
            between = _between(db, page[0].chat, _spans(db, page[0].chat))
            page_gaps += [gap for gap in between if gap.since < ended and gap.until and gap.until >= begun]
        for gap in page_gaps:
            end = f"{gap.until:%Y-%m-%d %H:%M}" if gap.until else "now"
            span = f"{gap.since:%Y-%m-%d %H:%M} to {end} UTC"
            notes.append(f"Messages may be missing from {span}: {gap.reason.rstrip('.')}.")
        notes += _of_imports(db, page)
        lost = sum(1 for row in page if row.kind == UNDECRYPTABLE)
        if lost:
            notes.append(f"{lost} message(s) here could not be decrypted; the phone may have them.")
    whole = where == MessageFilter(chat=where.chat, until=where.until)
    if last_page and page and where.chat is not None and whole:
        (complete,) = db.execute("SELECT complete FROM chats WHERE id = ?", (page[-1].chat,)).fetchone()
        if not complete and page[-1].flags & IMPORTED:
            notes.append("The archive of this chat begins here; an import of an older backup may add more.")
        elif not complete:
            notes.append("The archive of this chat begins here; older messages may be on the phone only.")
    return tuple(notes)


def _of_imports(db: sqlite3.Connection, page: Sequence[MessageRow]) -> list[str]:
    """Which imports the messages of a page are from: of each message the first that brought it."""
    imported = [row for row in page if row.flags & IMPORTED]
    if not imported:
        return []
    chats = {row.chat for row in imported}
    imports = db.execute(
        f"""WITH page(ref) AS (VALUES {", ".join("(?)" for _ in imported)}),
        possible AS MATERIALIZED (SELECT DISTINCT i.id FROM imports AS i CROSS JOIN imported_chats AS c
            ON c.import_id = i.id AND c.address_id IN (
                SELECT address_id FROM chat_addresses WHERE chat_id IN ({placeholders(chats)}))),
        brought AS (SELECT (SELECT min(p.id) FROM possible AS p WHERE page.ref <= (
            SELECT last FROM imported_refs AS r WHERE r.import_id = p.id AND r.first <= page.ref
            ORDER BY r.first DESC LIMIT 1)) AS number FROM page)
        SELECT count(*), i.id, i.source FROM brought JOIN imports AS i ON i.id = number
        GROUP BY i.id ORDER BY i.id""",  # noqa: S608
        [*(row.ref for row in imported), *chats],
    ).fetchall()
    names = [
        f"{count} from import {number} ({ImportSource(source).label})"
        for count, number, source in imports[:_IMPORTS_NAMED]
    ]
    more = len(imports) - _IMPORTS_NAMED
    names += [f"others from {more} more import{'' if more == 1 else 's'}"] if more > 0 else []
    return [f"Imported messages here: {', '.join(names)}."] if names else []


_DAY: Final = 86_400
_BUSY_DAYS: Final = 6
"""Days, of the seven before, on which somebody wrote in a busy group: one of colleagues rests on two."""
_BUSY_GROUPS: Final = 3
_SINCE: Final = f"""FROM messages AS m CROSS JOIN chats AS c ON c.id = m.chat_id
 WHERE m.id >= ? AND m.sender_id > {OWNER} AND m.kind != {SYSTEM} AND {CAME_SQL} AND c.kind = ?"""
"""SQL for messages of others since a time, in chats of a kind, that WhatsApp has delivered."""


def silent_groups(db: sqlite3.Connection, now: datetime) -> int:
    """Count the busy groups if all have been silent for a day in which direct messages came.

    It is 0 if any message of a group came in that day, or fewer than three groups were busy: on six of the
    seven days before, somebody else wrote there.
    """
    day = int(now.timestamp()) - _DAY
    first, direct, group = day << ID_BITS, CHAT_KIND_NUMBER[ChatKind.DIRECT], CHAT_KIND_NUMBER[ChatKind.GROUP]
    came = f"SELECT EXISTS (SELECT 1 {_SINCE})"
    if value(db, came, (first, group)) or not value(db, came, (first, direct)):
        return 0
    week = (day - 7 * _DAY) << ID_BITS
    busy = db.execute(
        f"""SELECT 1 {_SINCE} AND m.id < ? GROUP BY c.id
        HAVING count(DISTINCT (m.id - ?) / ?) >= ?""",
        (week, group, first, week, _DAY << ID_BITS, _BUSY_DAYS),
    ).fetchall()
    return len(busy) if len(busy) >= _BUSY_GROUPS else 0


def history_progress(db: sqlite3.Connection) -> HistoryProgress:
    """Return the progress of the phone's history transfer."""
    stored = value(db, "SELECT value FROM meta WHERE key = 'history'")
    count = value(db, "SELECT coalesce(max(ref), 0) FROM refs")
    if stored is None:
        return HistoryProgress(None, count, False)
    state = json.loads(stored)
    return HistoryProgress(state["percent"], count, state["percent"] == 100, moment(state["at"] // 1000))
