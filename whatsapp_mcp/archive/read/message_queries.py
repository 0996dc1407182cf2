"""Messages: pages of them, one with its context, its earlier texts and its file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from whatsapp_mcp import decoding
from whatsapp_mcp.archive import state
from whatsapp_mcp.archive.database import value
from whatsapp_mcp.archive.read import completeness, cursors, message_rows
from whatsapp_mcp.archive.read.lookup import chat_id, contact_id, find, first_id
from whatsapp_mcp.archive.read.message_rows import MessageRow
from whatsapp_mcp.decoding import KIND_NUMBER, UNREAD_SQL, UNRECEIPTED_SQL, Flag
from whatsapp_mcp.errors import MediaUnavailable
from whatsapp_mcp.models import (
    EVERYTHING,
    Left,
    MediaSource,
    Message,
    MessageFilter,
    MessageKey,
    MessageKind,
    Page,
)

COUNTED: Final = 200
"""Messages after a page that are counted."""
_SCANNED: Final = 400
"""Messages among which those that pass a filter are counted, where no index leads to them."""


def filter_conditions(db: sqlite3.Connection, where: MessageFilter) -> tuple[list[str], list[Any]] | None:
    """The filter as SQL; None when nothing can match (an unknown chat or sender)."""
    conditions: list[str] = []
    values: list[Any] = []
    if where.chat is not None:
        number = chat_id(db, where.chat)
        if number is None:
            return None
        conditions.append("m.chat_id = ?")
        values.append(number)
    if where.sender is not None:
        sender = contact_id(db, where.sender)
        if sender is None:
            return None
        # The second condition lets SQLite use the index of senders, which leaves the owner out.
        conditions.append("m.sender_id = ? AND m.sender_id > 0" if sender > 0 else "m.sender_id = ?")
        values.append(sender)
    if where.kinds:
        conditions.append(of_kinds(where.kinds, alone=where.chat is None and where.sender is None))
    if where.since is not None:
        conditions.append("m.id >= ?")
        values.append(first_id(where.since))
    if where.until is not None:
        conditions.append("m.id < ?")
        values.append(first_id(where.until))
    if where.from_me is not None:
        conditions.append("m.sender_id = 0" if where.from_me else "m.sender_id != 0")
    if where.media is not None:
        conditions.append(f"d.message_id IS {'NOT ' if where.media else ''}NULL")
    if where.unread is not None:
        conditions.append(UNREAD_SQL if where.unread else f"NOT ({UNREAD_SQL})")
    if where.unreceipted is not None:
        conditions.append(UNRECEIPTED_SQL if where.unreceipted else f"NOT ({UNRECEIPTED_SQL})")
    for wanted, flag in (
        (where.links, Flag.LINK),
        (where.mentions_me, Flag.MENTIONS_ME),
        (where.starred, Flag.STARRED),
    ):
        if wanted is not None:
            conditions.append(f"m.flags & {int(flag)} {'!=' if wanted else '='} 0")
    return conditions, values


def of_kinds(kinds: tuple[MessageKind, ...], *, alone: bool) -> str:
    """The condition for kinds.

    One kind alone is read from its index (which leaves text out); of several, the newest messages are read
    until enough are found, because merging their indexes would sort them all.
    """
    numbers = [KIND_NUMBER[kind] for kind in kinds]
    if alone and len(numbers) == 1 and numbers[0] > 0:
        return f"m.kind = {numbers[0]} AND m.kind > 0"
    # The plus keeps SQLite from the index: https://sqlite.org/optoverview.html
    return f"+m.kind IN ({', '.join(map(str, numbers))})"


def messages(
    db: sqlite3.Connection,
    where: MessageFilter = EVERYTHING,
    *,
    oldest_first: bool = False,
    limit: int = 20,
    cursor: str | None = None,
) -> Page[Message]:
    """Messages, newest first; the notes tell of gaps that the page touches.

    Raises:
        InvalidArgument: The cursor is not one of this list, or the limit is not 1–500.
    """
    mark = cursors.fingerprint("messages", replace(where, since=None, until=None), oldest_first)
    cursors.check_limit(limit)
    last = cursors.decode_id(cursor, mark)
    built = filter_conditions(db, where)
    if built is None:
        return Page(())
    conditions, values = built
    if last is not None:
        conditions.append("m.id > ?" if oldest_first else "m.id < ?")
        values.append(last)
    rest = f"WHERE {' AND '.join(conditions) or '1'} ORDER BY m.id {'ASC' if oldest_first else 'DESC'}"
    page, more = message_rows.message_page(db, rest, values, limit)
    following = cursors.encode(mark, page[-1].id) if more else None
    notes = completeness.notes(db, page, where, last_page=following is None and not oldest_first)
    left = _left(db, where, page[-1].id, oldest_first=oldest_first) if following else None
    return Page(
        message_rows.messages(db, page),
        following,
        notes,
        left,
        after=lambda index: cursors.encode(mark, page[index].id),
    )


def _left(db: sqlite3.Connection, where: MessageFilter, last: int, *, oldest_first: bool) -> Left:
    """Count the messages after the last one of a page; there is at least one.

    At most `COUNTED` are counted, and where a part of the filter has no index, those among the next
    `_SCANNED`: a rare kind of message must not cost a walk through the whole archive.
    """
    conditions, values = filter_conditions(db, where) or ([], [])
    indexes = ("m.chat_id =",) if where.chat is not None else ("m.sender_id = ?", "m.kind = ")
    indexed, rest = [f"m.id {'>' if oldest_first else '<'} ?"], list[str]()
    first, second = [last], list[Any]()
    for condition, filled in with_values(conditions, values):
        led = condition.startswith(("m.id ", *indexes))
        (indexed if led else rest).append(condition)
        (first if led else second).extend(filled)
    limit = _SCANNED if rest else COUNTED + 1
    passing = "scanned"
    if rest:
        # CROSS JOIN keeps this order: else SQLite may walk through all messages and look each up here.
        passing = f"""scanned CROSS JOIN messages AS m USING (id) CROSS JOIN chats AS c ON c.id = m.chat_id
        LEFT JOIN media AS d ON d.message_id = m.id WHERE {" AND ".join(rest)}"""
    scanned, count = db.execute(
        f"""WITH scanned AS MATERIALIZED (SELECT m.id FROM messages AS m WHERE {" AND ".join(indexed)}
        ORDER BY m.id {"ASC" if oldest_first else "DESC"} LIMIT {limit})
        SELECT (SELECT count(*) FROM scanned), (SELECT count(*) FROM {passing})""",  # noqa: S608
        [*first, *second],
    ).fetchone()
    return Left(max(1, min(count, COUNTED)), count > COUNTED or scanned == limit)


def with_values(conditions: list[str], values: list[Any]) -> list[tuple[str, list[Any]]]:
    """Each condition with the values that fill its placeholders."""
    remaining = iter(values)
    return [(one, [next(remaining) for _ in range(one.count("?"))]) for one in conditions]


def message(db: sqlite3.Connection, key: MessageKey, *, chat: str | None = None) -> Message:
    """One message; `chat` narrows a WhatsApp id.

    Raises:
        MessageNotFound: No such message.
    """
    rows = message_rows.message_rows(db, "WHERE m.id = ?", (find(db, key, chat),))
    return message_rows.messages(db, rows)[0]


def context(db: sqlite3.Connection, key: MessageKey, *, before: int = 5, after: int = 5) -> Page[Message]:
    """A message and its neighbours in the chat, oldest first.

    Raises:
        MessageNotFound: No such message.
    """
    message_id = find(db, key)
    chat = state.target_of(db, message_id).chat
    earlier = message_rows.message_rows(
        db,
        "WHERE m.chat_id = ? AND m.id <= ? ORDER BY m.id DESC LIMIT ?",
        (chat, message_id, min(max(before, 0), 100) + 1),
    )
    later = message_rows.message_rows(
        db,
        "WHERE m.chat_id = ? AND m.id > ? ORDER BY m.id LIMIT ?",
        (chat, message_id, min(max(after, 0), 100)),
    )
    page = earlier[::-1] + later
    notes = completeness.notes(db, page, MessageFilter(), last_page=False)
    return Page(message_rows.messages(db, page), None, notes)


def preceding(
    db: sqlite3.Connection, keys: Sequence[MessageKey], count: int
) -> dict[int, tuple[Message, ...]]:
    """By ref, up to `count` messages before each in its chat, oldest first; each message once.

    Those before the last messages are left out where they would be too much for a page.

    Raises:
        MessageNotFound: One of the messages is not there.
    """
    shown, room = {find(db, key) for key in keys}, decoding.MAX_PAGE
    rows_by_message: dict[int, list[MessageRow]] = {}
    for one in sorted(shown):
        earlier = message_rows.message_rows(
            db,
            """WHERE m.chat_id = (SELECT chat_id FROM messages WHERE id = ?1)
            AND m.id < ?1 ORDER BY m.id DESC LIMIT ?2""",
            (one, count),
        )
        new = [row for row in reversed(earlier) if row.id not in shown]
        room -= sum(row.length for row in new)
        rows_by_message[one] = new if room > 0 else []
        shown.update(row.id for row in rows_by_message[one])
    messages = iter(message_rows.messages(db, [row for each in rows_by_message.values() for row in each]))
    refs = {one: value(db, "SELECT ref FROM messages WHERE id = ?", (one,)) for one in rows_by_message}
    return {refs[one]: tuple(next(messages) for _ in each) for one, each in rows_by_message.items()}


def edits(db: sqlite3.Connection, key: MessageKey) -> tuple[tuple[datetime, str], ...]:
    """The earlier texts of an edited message, oldest first, each with the time it was written."""
    message_id = find(db, key)
    target = state.target_of(db, message_id)
    original = value(db, "SELECT original FROM messages WHERE id = ?", (message_id,))
    first = ((message_rows.time_of(message_id), str(original)),) if original else ()
    later = state.read_addons(db, state.EDITS, [target]).get(target, [])
    return first + tuple((datetime.fromtimestamp(at // 1000, UTC), text) for _, at, (text,) in later[:-1])


def media_source(db: sqlite3.Connection, key: MessageKey, *, with_keys: bool = True) -> MediaSource:
    """Return the source from which a message's file is downloaded.

    Args:
        db: The archive.
        key: Which message.
        with_keys: Whether it must be known how to download the file, if it is not here.

    Raises:
        MessageNotFound: No such message.
        MediaUnavailable: It carries no file, or its keys were never received.
    """
    message_id = find(db, key)
    row = db.execute(
        """SELECT m.ref, d.media_type, d.mime_type, d.file_name, d.size, d.direct_path, d.url, d.media_key,
        d.sha256, d.enc_sha256, d.path FROM messages AS m
        JOIN media AS d ON d.message_id = m.id WHERE m.id = ?""",
        (message_id,),
    ).fetchone()
    if row is None:
        raise MediaUnavailable("This message carries no file.", "Take a message of a media kind.")
    source = MediaSource(*row)
    if (
        with_keys
        and source.path is None
        and (source.media_key is None or not (source.direct_path or source.url))
    ):
        raise MediaUnavailable("The keys of this file were never received.", "Open it on the phone.")
    return source
