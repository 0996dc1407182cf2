"""The account's own addresses, statistics, deliveries of a send, and small values kept for the account."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import Final

from whatsapp_mcp.archive import state
from whatsapp_mcp.archive.database import value
from whatsapp_mcp.archive.read import outbox_entries
from whatsapp_mcp.archive.read.cursors import check_limit, decode_id, encode, fingerprint
from whatsapp_mcp.archive.read.lookup import find
from whatsapp_mcp.archive.read.message_rows import moment, time_of
from whatsapp_mcp.archive.state import NAME_SQL, STRANGER_SQL, send_progress
from whatsapp_mcp.decoding import OWNER, Flag
from whatsapp_mcp.errors import MessageNotFound
from whatsapp_mcp.models import (
    Delivery,
    MessageKey,
    OpenSends,
    ReceiptCounts,
    SendReport,
    SendResult,
    Statistics,
)

_NAMED: Final = f"""SELECT {NAME_SQL.format(c="s")}, {STRANGER_SQL.format(c="s")}
 FROM contacts AS s WHERE s.id = ?"""  # noqa: S608
"""SQL for a person's name, and whether the name is of their own choice."""


def meta_get(db: sqlite3.Connection, key: str) -> str | None:
    """A small value kept for the account (`Archive.meta_set`)."""
    return value(db, "SELECT value FROM meta WHERE key = ?", (f"user.{key}",))


def last_written(db: sqlite3.Connection) -> datetime | None:
    """When the last operation was made that is in the archive; None if there is none."""
    created_at = value(db, "SELECT value FROM meta WHERE key = 'operation_at'")
    return None if created_at is None else datetime.fromtimestamp(int(created_at) / 1000, UTC)


def own(db: sqlite3.Connection) -> tuple[str | None, str | None, str | None]:
    """The account's own PN jid, LID jid and name, as far as they are known."""
    return db.execute("SELECT pn, lid, push_name FROM contacts WHERE id = 0").fetchone()


def statistics(db: sqlite3.Connection) -> Statistics:
    """Count what is archived; for a big archive on a slow disk it takes longer than other reads."""
    count, first, last = db.execute("SELECT count(*), min(id), max(id) FROM messages").fetchone()
    chats, contacts, media, unread, undecoded = db.execute(
        """SELECT (SELECT count(*) FROM chats WHERE last_id > 0),
        (SELECT count(*) FROM contacts WHERE id != 0),
        (SELECT count(*) FROM media), (SELECT count(*) FROM chats WHERE unread > 0 OR marked_unread),
        (SELECT count(*) FROM undecoded)"""
    ).fetchone()
    size = value(db, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
    return Statistics(
        count,
        chats,
        contacts,
        media,
        unread,
        undecoded,
        cut_short(db),
        addons_dropped(db),
        None if first is None else time_of(first),
        None if last is None else time_of(last),
        size,
    )


def open_sends(db: sqlite3.Connection) -> tuple[OpenSends, ...]:
    """Count the scheduled, queued, sending and unknown sends; a state without any is left out."""
    rows = db.execute(
        """SELECT status, count(*), min(created_at) FROM outbox
         WHERE status IN ('queued', 'sending', 'unknown') GROUP BY status
        UNION ALL SELECT status, count(*), min(created_at) FROM outbox WHERE status = 'scheduled'
         GROUP BY status"""
    ).fetchall()
    return tuple(
        OpenSends(status, count, datetime.fromtimestamp(oldest / 1000, UTC)) for status, count, oldest in rows
    )


def arrived(db: sqlite3.Connection) -> tuple[datetime | None, int]:
    """When the newest message was sent, and how many events this version cannot decode."""
    newest, undecoded = db.execute(
        "SELECT (SELECT max(id) FROM messages), (SELECT count(*) FROM undecoded)"
    ).fetchone()
    return None if newest is None else time_of(newest), undecoded


def cut_short(db: sqlite3.Connection) -> int:
    """Count the messages that were not kept whole (`Flag.CUT_SHORT`)."""
    return value(db, f"SELECT count(*) FROM messages WHERE flags & {int(Flag.CUT_SHORT)}")  # noqa: S608


def addons_dropped(db: sqlite3.Connection) -> int:
    """Count the add-ons that were dropped: they waited too long, or with too many others."""
    return int(value(db, "SELECT value FROM meta WHERE key = 'addons_dropped'") or 0)


def _number(key: MessageKey) -> int:
    """The number of a send; 0, which none has, for what is no number."""
    text = str(key)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0


def send_report(
    db: sqlite3.Connection,
    key: MessageKey,
    *,
    send_id: bool = False,
    cursor: str | None = None,
    limit: int = 100,
) -> SendReport:
    """Return what is known of a sent message, person by person.

    Args:
        key: Ref or WhatsApp's id; the outbox number when `send_id` is true.
        limit: How many people a page names.

    Raises:
        MessageNotFound: No such send.
        InvalidArgument: The cursor is not one of this list, or the limit is not 1–500.
    """
    if send_id:
        entry = outbox_entries.outbox_get(db, _number(key))
        result = outbox_entries.outbox_result(db, entry.send_id)
        if entry.ref is None:
            return SendReport(result)
        return _with_receipts(db, result, find(db, entry.ref), cursor, limit)
    message = find(db, key)
    chat, chat_jid, wa_id, ref, sender = db.execute(
        """SELECT m.chat_id, c.jid, m.wa_id, m.ref, m.sender_id FROM messages AS m
        JOIN chats AS c ON c.id = m.chat_id WHERE m.id = ?""",
        (message,),
    ).fetchone()
    if sender != 0:
        raise MessageNotFound(
            f"Message {key!r} was not sent by this account.", "Take the ref of a sent message."
        )
    sent_as = value(db, "SELECT id FROM outbox WHERE message_id = ?", (wa_id,)) or 0
    if sent_as and outbox_entries.outbox_album(db, sent_as):
        return _with_receipts(db, outbox_entries.outbox_result(db, sent_as), message, cursor, limit)
    result = SendResult(
        send_id=sent_as,
        chat=chat_jid,
        status=send_progress(db, [chat])[chat].status(message),
        message_id=wa_id,
        ref=ref,
        timestamp=time_of(message),
    )
    return _with_receipts(db, result, message, cursor, limit)


def _with_receipts(
    db: sqlite3.Connection, result: SendResult, message: int, cursor: str | None, limit: int
) -> SendReport:
    mark = fingerprint("receipts", message)
    after = decode_id(cursor, mark)
    people = sorted(_people(db, message).items())
    rest = [person for person in people if after is None or person[0] > after]
    page = rest[: check_limit(limit)]
    reached = [max(marks, default=0) for _, marks in people]
    read, nothing = sum(kind > 1 for kind in reached), reached.count(0)
    return SendReport(
        result,
        tuple(_delivery(db, contact, marks) for contact, marks in page),
        ReceiptCounts(read, len(people) - read - nothing, nothing),
        encode(mark, page[-1][0]) if len(rest) > len(page) else None,
    )


def _people(db: sqlite3.Connection, message: int) -> dict[int, dict[int, int]]:
    """When a message came how far with whom, by contact and kind of receipt.

    A watermark has the time of the newest message it covers: older ones came no later. Every present member
    of a group is listed, with or without a receipt.
    """
    chat = state.target_of(db, message).chat
    people: dict[int, dict[int, int]] = {}
    for (contact, kind), (up_to, at) in state.watermarks(db, [chat])[chat].items():
        if up_to >= message and contact != state.EVERYONE:
            people.setdefault(contact, {})[kind] = at
    for member in state.current_members(db, [chat])[chat].keys() - {OWNER}:
        people.setdefault(member, {})
    return people


def _delivery(db: sqlite3.Connection, contact: int, marks: dict[int, int]) -> Delivery:
    name, stranger = db.execute(_NAMED, (contact,)).fetchone()
    return Delivery(
        name,
        moment(min(marks.values(), default=None)),
        moment(min((at for kind, at in marks.items() if kind > 1), default=None)),
        bool(stranger),
    )
