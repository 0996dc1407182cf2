"""Sends accepted and not yet settled, and the rule that the same key never sends twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import PlainSerializer, PlainValidator, TypeAdapter

from whatsapp_mcp.archive import addons, feed, receipts
from whatsapp_mcp.archive.applying import Applying
from whatsapp_mcp.archive.decoded import Update
from whatsapp_mcp.archive.facts import OWNER, Fact, MessageFact, ReceiptFact
from whatsapp_mcp.archive.identity import Identities
from whatsapp_mcp.archive.outgoing import facts_of_request
from whatsapp_mcp.archive.progress import progress
from whatsapp_mcp.archive.records import CALL_KEY, OutboxEntry
from whatsapp_mcp.archive.schema import ID_BITS
from whatsapp_mcp.archive.write_facts import FactWriter
from whatsapp_mcp.errors import InvalidArgument, MessageNotFound, SendUnknown, WhatsAppError, from_payload
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.models import FileContent, SendRequest, SendStatus


def _error_to_json(error: WhatsAppError | None) -> dict[str, Any] | None:
    return None if error is None else error.to_payload()


def _error_of(value: Any) -> WhatsAppError | None:
    return value if value is None or isinstance(value, WhatsAppError) else from_payload(value)


Obstacle = Annotated[WhatsAppError | None, PlainValidator(_error_of), PlainSerializer(_error_to_json)]
"""An error, or none, as an operation carries it."""

_REQUEST: Final = TypeAdapter(SendRequest)
_COLUMNS: Final = """o.id, o.request, o.status, o.created_at, o.expires_at, o.message_id, o.sent_at, o.reason,
 o.chat_id, o.chat, o.secret, o.handed_to"""
_TYPES: Final = (int, str, str, int, int | None, str | None, int | None, str | None, int, str)
_TYPES_OF_HAND_OVER: Final = (bytes | None, str | None)
"""What the columns hold; SQLite itself takes any value into any column."""
_DAMAGED: Final = "The stored send is damaged"
_UNSETTLED: Final = "('queued', 'sending', 'unknown')"
_PLACES: Final = """SELECT ? UNION SELECT c.id FROM number_history AS h JOIN addresses AS a ON a.jid = h.lid
 JOIN chats AS c USING (contact_id) WHERE h.pn = ?"""
"""Where the message of a send may be, by its chat and jid: a number may have passed to somebody else."""


def outbox_add(
    on: Applying,
    request: SendRequest,
    *,
    expires_at: datetime | None = None,
    obstacle: Obstacle = None,
    handed_to: str | None = None,
    secret: bytes | None = None,
) -> tuple[OutboxEntry, bool]:
    """See `Outbox.outbox_add`."""
    db = on.db
    Jid.parse(request.chat)
    chat = Identities(db).chat(request.chat)
    body = _REQUEST.dump_json(_bare(request)).decode()
    if request.idempotency_key is not None:
        row = db.execute(
            f"SELECT {_COLUMNS} FROM outbox AS o WHERE idempotency_key = ?",  # noqa: S608
            (request.idempotency_key,),
        ).fetchone()
        if row is not None:
            if (row[8] != chat and row[9] != request.chat) or row[1] != body:
                raise InvalidArgument(
                    "This idempotency key was already used for another message.",
                    "Use a new key for a new message.",
                )
            return _accept_again(db, _entry(db, row), expires_at, obstacle)
    if request.idempotency_key is None or request.idempotency_key.startswith(CALL_KEY):
        _refuse_twin(db, chat, request.chat, body)
    if obstacle is not None:
        raise obstacle
    try:
        stored = replace(_REQUEST.validate_json(body), chat=request.chat)
    except ValueError as error:  # a number that JSON does not have
        raise InvalidArgument("The message holds a value that cannot be stored.") from error
    if handed_to is not None and _is_one_unsettled(db, request.chat):
        handed_to = None
    return _insert(on, request.idempotency_key, stored, chat, body, expires_at, handed_to, secret), True


def _insert(
    on: Applying,
    key: str | None,
    request: SendRequest,
    chat: int,
    body: str,
    expires_at: datetime | None,
    handed_to: str | None,
    secret: bytes | None,
) -> OutboxEntry:
    """A new row: queued, or on its way at once to the client that is named."""
    expires = _milliseconds(expires_at)
    queued = SendStatus.QUEUED
    status, secret, handed_at = (
        (queued, None, None) if handed_to is None else (SendStatus.SENDING, secret, on.at)
    )
    cursor = on.db.execute(
        """INSERT INTO outbox (idempotency_key, chat, chat_id, request, status, created_at, expires_at,
        handed_at, handed_to, secret) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (key, request.chat, chat, body, status.value, on.at, expires, handed_at, handed_to, secret),
    )
    # As `get` would read it; a send waits for this.
    entry = OutboxEntry(
        int(cursor.lastrowid or 0),
        request,
        status,
        _time(on.at / 1000),
        None if expires is None else _time(expires / 1000),
        secret=secret,
        handed_to=handed_to,
    )
    _tell(on.db, replace(entry, status=queued), chat)
    if status is not queued:
        _tell(on.db, entry, chat)
    return entry


def _is_one_unsettled(db: sqlite3.Connection, chat: str) -> bool:
    """Whether a send to this chat is on its way, or may yet be."""
    row = db.execute(
        f"""SELECT EXISTS (SELECT 1 FROM outbox WHERE status IN {_UNSETTLED}
        AND (status <> 'unknown' OR handed_to IS NOT NULL) AND chat = ?)""",  # noqa: S608
        (chat,),
    ).fetchone()
    return bool(row[0])


def _accept_again(
    db: sqlite3.Connection,
    entry: OutboxEntry,
    expires_at: datetime | None,
    obstacle: WhatsAppError | None,
) -> tuple[OutboxEntry, bool]:
    """The entry of a key that is used again: what failed before it was handed over gets another try."""
    tried = db.execute(
        "UPDATE outbox SET expires_at = ? WHERE id = ? AND status = 'failed' AND handed_at IS NULL",
        (_milliseconds(expires_at), entry.send_id),
    )
    if tried.rowcount == 0:
        return entry, False
    if obstacle is not None:
        raise obstacle
    return _move(db, entry, SendStatus.QUEUED), True


def _milliseconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1000)


def _refuse_twin(db: sqlite3.Connection, chat: int, jid: str, body: str) -> None:
    twin = db.execute(
        f"""SELECT id, status FROM outbox WHERE (chat_id = ? OR chat = ?) AND request = ?
        AND status IN {_UNSETTLED} ORDER BY id DESC LIMIT 1""",  # noqa: S608
        (chat, jid, body),
    ).fetchone()
    if twin is not None:
        raise SendUnknown(
            f"The same message to this chat is still {twin[1]} (send {twin[0]}).",
            "Look at message_status; to send it once more on purpose, give an idempotency key of its own.",
        )


def _bare(request: SendRequest) -> SendRequest:
    """What makes a send the same send in its chat: neither its key nor how long the caller waits."""
    return SendRequest("", request.content, request.reply_to, request.reply_chat)


def _request_of(row: Any) -> SendRequest:
    return replace(_REQUEST.validate_json(row[1]), chat=row[9])


def _entry(db: sqlite3.Connection, row: Any) -> OutboxEntry:
    """The entry of a row.

    Raises:
        MessageNotFound: The row is damaged.
    """
    try:
        return _read(db, row)
    # Out of range, of another type, no JSON of a request, or no address.
    except (ValueError, TypeError, OverflowError, OSError, InvalidArgument) as error:
        action = "Look at the chat before you send it again."
        raise MessageNotFound(f"{_DAMAGED} ({row[0]}).", action) from error


def _read(db: sqlite3.Connection, row: Any) -> OutboxEntry:
    if not all(map(isinstance, row, _TYPES + _TYPES_OF_HAND_OVER)):
        raise TypeError("a column holds another type")
    send_id, _, status, created_at, expires_at, message_id, sent_at, reason, *where, secret, handed_to = row
    Jid.parse(row[9])
    ref = None
    if message_id is not None:
        found = db.execute(
            f"""SELECT id, ref, chat_id FROM messages
            WHERE chat_id IN ({_PLACES}) AND wa_id = ? AND sender_id = 0""",  # noqa: S608
            (*where, message_id),
        ).fetchone()
        if found is not None:
            message, ref, chat = found
            if status == "sent":
                status = progress(db, [chat])[chat].status(message)
    return OutboxEntry(
        send_id,
        _request_of(row),
        SendStatus(status),
        _time(created_at / 1000),
        None if expires_at is None else _time(expires_at / 1000),
        message_id,
        None if sent_at is None else _time(sent_at),
        reason,
        ref,
        secret,
        handed_to,
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def get(db: sqlite3.Connection, send_id: int) -> OutboxEntry:
    """One entry.

    Raises:
        MessageNotFound: No such send.
    """
    row = db.execute(f"SELECT {_COLUMNS} FROM outbox AS o WHERE id = ?", (send_id,)).fetchone()  # noqa: S608
    if row is None:
        raise MessageNotFound(f"There is no send {send_id}.", "Take the number from send_message.")
    return _entry(db, row)


def last_sent(db: sqlite3.Connection) -> datetime | None:
    """When WhatsApp last took a send."""
    (at,) = db.execute("SELECT max(sent_at) FROM outbox WHERE status = 'sent'").fetchone()
    return None if at is None else _time(at)


def unsettled(db: sqlite3.Connection, chat: str | None = None, limit: int = -1) -> tuple[OutboxEntry, ...]:
    """What may yet change by itself, in the order of acceptance; see `Archive.outbox_unsettled`.

    Damaged rows are left out.
    """
    rows = db.execute(
        f"""SELECT {_COLUMNS} FROM outbox AS o WHERE status IN {_UNSETTLED}
        AND (status <> 'unknown' OR handed_to IS NOT NULL) AND (?1 IS NULL OR chat = ?1)
        ORDER BY id LIMIT ?2""",  # noqa: S608
        (chat, limit),
    ).fetchall()
    entries: list[OutboxEntry] = []
    for row in rows:
        with suppress(MessageNotFound):
            entries.append(_entry(db, row))
    return tuple(entries)


def damaged(db: sqlite3.Connection) -> tuple[int, ...]:
    """Numbers of the unsettled rows that cannot be read."""
    rows = db.execute(f"SELECT {_COLUMNS} FROM outbox AS o WHERE status IN {_UNSETTLED}").fetchall()  # noqa: S608
    found: list[int] = []
    for row in rows:
        try:
            _entry(db, row)
        except MessageNotFound:
            found.append(row[0])
    return tuple(found)


def outbox_quarantine(on: Applying, send_ids: Sequence[int]) -> tuple[int, ...]:
    """Settle rows that are damaged (`damaged`); see `Outbox.outbox_quarantine`."""
    # What waited has not gone out; of the others nothing can be found out any more.
    on.db.executemany(
        f"""UPDATE outbox SET status = CASE status WHEN 'queued' THEN 'failed' ELSE 'unknown' END,
        reason = ?, message_id = NULL, secret = NULL, handed_to = NULL
        WHERE id = ? AND status IN {_UNSETTLED}""",  # noqa: S608
        [(f"{_DAMAGED}.", send_id) for send_id in send_ids],
    )
    return tuple(send_ids)


def files(db: sqlite3.Connection) -> frozenset[str]:
    """Paths of the files of sends that may still go out."""
    contents = (entry.request.content for entry in unsettled(db))
    return frozenset(content.path for content in contents if isinstance(content, FileContent))


_CLOCKS_APART: Final = 600
"""Seconds by which WhatsApp's clock may be behind ours."""
_LEADS_TO: Final = {
    SendStatus.SENDING: (SendStatus.QUEUED,),
    SendStatus.QUEUED: (SendStatus.SENDING, SendStatus.UNKNOWN, SendStatus.FAILED),
    SendStatus.UNKNOWN: (SendStatus.SENDING, SendStatus.UNKNOWN),
    SendStatus.FAILED: (SendStatus.QUEUED, SendStatus.SENDING, SendStatus.UNKNOWN),
}
"""From which states each state is entered; `sent` is from any: WhatsApp has said it."""


def _move(
    db: sqlite3.Connection,
    entry: OutboxEntry,
    to: SendStatus,
    reason: str | None = None,
    handed_over: str | None = None,
    **columns: Any,
) -> OutboxEntry:
    """Put an entry into another state.

    Args:
        handed_over: The hand-over that this is about, when it may be a former one.
        columns: What else changes with it.

    Raises:
        InvalidArgument: It is in a state from which there is no way there, or was handed over anew.
    """
    send_id = entry.send_id
    if handed_over is not None and entry.handed_to != handed_over:
        raise InvalidArgument(f"Send {send_id} was handed over anew.", "Look at message_status.")
    if entry.status not in _LEADS_TO[to]:
        raise InvalidArgument(
            f"Send {send_id} is {entry.status}, it cannot become {to}.", "Look at message_status."
        )
    columns |= {"status": to.value, "reason": reason}
    if to is SendStatus.QUEUED:
        columns |= {"message_id": None, "secret": None, "handed_to": None, "handed_at": None}
    changes = ", ".join(f"{column} = :{column}" for column in columns)
    db.execute(f"UPDATE outbox SET {changes} WHERE id = :id", {**columns, "id": send_id})  # noqa: S608
    entry = get(db, send_id)
    _tell(db, entry, Identities(db).chat(entry.request.chat))
    return entry


def outbox_withdrawn(on: Applying, send_id: int, reason: str) -> OutboxEntry:
    """See `Outbox.outbox_withdrawn`."""
    entry = get(on.db, send_id)
    if entry.status is not SendStatus.QUEUED:
        raise InvalidArgument(f"Send {send_id} is {entry.status} already.", "Look at message_status.")
    return outbox_failed(on, send_id, reason)


def outbox_failed(on: Applying, send_id: int, reason: str) -> OutboxEntry:
    """See `Outbox.outbox_failed`."""
    entry = get(on.db, send_id)
    if entry.reason is None or entry.status is SendStatus.UNKNOWN:
        return _move(on.db, entry, SendStatus.FAILED, reason)
    if entry.status is SendStatus.QUEUED:
        outbox_sending(on, send_id)
    return outbox_unknown(on, send_id, f"{entry.reason} {reason}", traceable=False)


def outbox_queued(
    on: Applying, send_id: int, reason: str | None = None, *, handed_to: str | None = None
) -> OutboxEntry:
    """See `Outbox.outbox_queued`."""
    return _move(on.db, get(on.db, send_id), SendStatus.QUEUED, reason, handed_to)


def outbox_sending(
    on: Applying, send_id: int, *, handed_to: str | None = None, secret: bytes | None = None
) -> OutboxEntry:
    """See `Outbox.outbox_sending`."""
    entry = get(on.db, send_id)
    handed: dict[str, Any] = {"handed_at": on.at, "handed_to": handed_to, "secret": secret}
    return _move(on.db, entry, SendStatus.SENDING, entry.reason, **handed)


def outbox_unknown(
    on: Applying,
    send_id: int,
    reason: str,
    *,
    message_id: str | None = None,
    traceable: bool = True,
    handed_to: str | None = None,
) -> OutboxEntry:
    """See `Outbox.outbox_unknown`."""
    found = {} if message_id is None else {"message_id": message_id}
    gone = {} if traceable else {"handed_to": None, "secret": None}
    entry = _move(on.db, get(on.db, send_id), SendStatus.UNKNOWN, reason, handed_to, **found, **gone)
    if message_id is not None and _is_named(on.db, send_id):
        return _settle(on.db, send_id, message_id)
    return entry


def _is_named(db: sqlite3.Connection, send_id: int) -> bool:
    """Whether anything that has come in names the message of this send."""
    chat, jid, wa_id, handed_at = db.execute(
        "SELECT chat_id, chat, message_id, handed_at / 1000 FROM outbox WHERE id = ?", (send_id,)
    ).fetchone()
    row = db.execute(
        f"""WITH places AS ({_PLACES})
        SELECT EXISTS (SELECT 1 FROM messages WHERE chat_id IN places AND wa_id = ?3 AND sender_id = ?4)
        OR EXISTS (SELECT 1 FROM messages WHERE chat_id IN places AND reply_wa_id = ?3 AND id >= ?5)""",  # noqa: S608
        (chat, jid, wa_id, OWNER, (handed_at - _CLOCKS_APART) << ID_BITS),
    ).fetchone()
    return bool(row[0]) or addons.names_send(db, wa_id)


def outbox_sent(
    on: Applying,
    send_id: int,
    message_id: str,
    timestamp: datetime,
    *,
    updates: Sequence[Update] | None = None,
) -> OutboxEntry:
    """WhatsApp took it; the own message is stored with it. See `Outbox.outbox_sent`.

    Args:
        on: The operation.
        send_id: Which.
        message_id: WhatsApp's id.
        timestamp: WhatsApp's time.
        updates: What the message says that was sent; None: as it was asked for.
    """
    return _sent(on.db, send_id, message_id, int(timestamp.timestamp()), updates)


def _sent(
    db: sqlite3.Connection, send_id: int, message_id: str, at: int, updates: Sequence[Fact] | None = None
) -> OutboxEntry:
    if updates is None:
        asked = get(db, send_id)
        updates = facts_of_request(asked.request, message_id, at, asked.secret)
    chats = db.execute(
        """UPDATE outbox SET status = 'sent', message_id = ?, sent_at = ?, reason = NULL,
        secret = NULL, handed_to = NULL WHERE id = ? RETURNING chat""",
        (message_id, at, send_id),
    ).fetchall()
    if chats and updates:
        receipts.unreceipted(db, Identities(db).chat(chats[0][0]))
        writer = FactWriter(db)
        writer.write(updates)
        writer.finish()
    entry = get(db, send_id)
    _tell(db, entry, Identities(db).chat(entry.request.chat))
    return entry


def unknown_ids(db: sqlite3.Connection) -> frozenset[str]:
    """WhatsApp's ids of the unknown sends that have one."""
    rows = db.execute("SELECT message_id FROM outbox WHERE status = 'unknown' AND message_id IS NOT NULL")
    return frozenset(row[0] for row in rows)


def settle_by(db: sqlite3.Connection, fact: Fact) -> None:
    """Something has come in: whatever names the message of an unknown send shows that WhatsApp has it.

    In whatever chat: the id is random, and only who got the message can know it.
    """
    match fact:
        case ReceiptFact(contact=str()):
            named = fact.wa_ids
        case MessageFact(sender=None):
            named = (fact.wa_id,)
        case MessageFact() if fact.content.reply_to:
            named = (fact.content.reply_to,)
        case _:
            kind = addons.OF_UPDATE.get(type(fact))
            if isinstance(fact, ReceiptFact) or kind is None or kind.names_send is None:
                return
            update: Any = fact
            named = (update.wa_id,)
    for wa_id in named:
        row = db.execute(
            "SELECT id FROM outbox WHERE message_id = ? AND status = 'unknown'", (wa_id,)
        ).fetchone()
        if row is not None:
            with suppress(MessageNotFound):  # it is damaged
                _settle(db, row[0], wa_id)


def _settle(db: sqlite3.Connection, send_id: int, wa_id: str) -> OutboxEntry:
    (handed_at,) = db.execute("SELECT handed_at FROM outbox WHERE id = ?", (send_id,)).fetchone()
    return _sent(db, send_id, wa_id, handed_at // 1000)


def _tell(db: sqlite3.Connection, entry: OutboxEntry, chat: int) -> None:
    feed.tell(
        db,
        "send",
        chat=chat,
        wa_id=entry.message_id,
        ref=entry.ref,
        actor=OWNER,
        detail=f"{entry.send_id} {entry.status}",
    )
