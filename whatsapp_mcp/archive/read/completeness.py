"""From when to when there are messages, and where some may be missing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from whatsapp_mcp.archive.database import ID_BITS, value
from whatsapp_mcp.archive.read.lookup import chat_id
from whatsapp_mcp.archive.read.message_rows import MessageRow, moment, time_of
from whatsapp_mcp.archive.state import FAR_FUTURE
from whatsapp_mcp.decoding import UNDECRYPTABLE
from whatsapp_mcp.errors import ChatNotFound
from whatsapp_mcp.models import Coverage, Gap, HistoryProgress, MessageFilter


def coverage(db: sqlite3.Connection, chat: str) -> Coverage:
    """From when to when a chat is archived, and where messages may be missing.

    Raises:
        ChatNotFound: No such chat.
    """
    number = chat_id(db, chat)
    row = db.execute("SELECT jid, complete FROM chats WHERE id = ?", (number,)).fetchone()
    if row is None:
        raise ChatNotFound("There is no such chat.")
    jid, complete = row
    count, first, last = db.execute(
        "SELECT count(*), min(id), max(id) FROM messages WHERE chat_id = ?", (number,)
    ).fetchone()
    gaps = [] if first is None else _gaps(db, first >> ID_BITS, FAR_FUTURE)
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
    )


def _gaps(db: sqlite3.Connection, since: int, until: int) -> list[Gap]:
    found = db.execute(
        "SELECT since, until, reason FROM gaps WHERE since < ? AND ifnull(until, 1 << 40) > ? ORDER BY since",
        (until, since),
    ).fetchall()
    return [
        Gap(start, moment(end), reason)
        for begin, end, reason in found
        if (start := moment(begin)) is not None
    ]


def gaps(db: sqlite3.Connection, *, limit: int = 50) -> tuple[Gap, ...]:
    """The newest stretches of time in which messages may be missing from every chat, newest first."""
    found = db.execute("SELECT since, until, reason FROM gaps ORDER BY since DESC, id DESC LIMIT ?", (limit,))
    return tuple(
        Gap(start, moment(end), reason)
        for begin, end, reason in found.fetchall()
        if (start := moment(begin)) is not None
    )


def notes(
    db: sqlite3.Connection, page: Sequence[MessageRow], where: MessageFilter, *, last_page: bool
) -> tuple[str, ...]:
    """Notes on what may be missing among these messages."""
    notes: list[str] = []
    if page:
        ids = [row.id for row in page]
        for gap in _gaps(db, min(ids) >> ID_BITS, (max(ids) >> ID_BITS) + 1):
            end = f"{gap.until:%Y-%m-%d %H:%M}" if gap.until else "now"
            span = f"{gap.since:%Y-%m-%d %H:%M} to {end} UTC"
            notes.append(f"Messages may be missing from {span}: {gap.reason.rstrip('.')}.")
        lost = sum(1 for row in page if row.kind == UNDECRYPTABLE)
        if lost:
            notes.append(f"{lost} message(s) here could not be decrypted; the phone may have them.")
    whole = where == MessageFilter(chat=where.chat, until=where.until)
    if last_page and page and where.chat is not None and whole:
        (complete,) = db.execute("SELECT complete FROM chats WHERE id = ?", (page[-1].chat,)).fetchone()
        if not complete:
            notes.append("The archive of this chat begins here; older messages may be on the phone only.")
    return tuple(notes)


def history_progress(db: sqlite3.Connection) -> HistoryProgress:
    """How far the phone's transfer of the past has come."""
    stored = value(db, "SELECT value FROM meta WHERE key = 'history'")
    count = value(db, "SELECT coalesce(max(ref), 0) FROM refs")
    if stored is None:
        return HistoryProgress(None, count, False)
    state = json.loads(stored)
    return HistoryProgress(state["percent"], count, state["percent"] == 100, moment(state["at"] // 1000))
