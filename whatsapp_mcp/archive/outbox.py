"""Sends accepted and not yet settled, and the rule that the same key never sends twice."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import TypeAdapter

from whatsapp_mcp.archive import feed
from whatsapp_mcp.archive.facts import OWNER, MessageFact, ReceiptFact
from whatsapp_mcp.archive.identity import Identities
from whatsapp_mcp.archive.outgoing import content_of_request, facts_of_request
from whatsapp_mcp.archive.progress import ChatProgress
from whatsapp_mcp.archive.records import (
    CALL_KEY,
    OutboxEntry,
)
from whatsapp_mcp.errors import InvalidArgument, MessageNotFound, SendUnknown
from whatsapp_mcp.models import SendRequest, SendStatus

_REQUEST: Final = TypeAdapter(SendRequest)
_COLUMNS: Final = """o.id, o.request, o.status, o.created_at, o.expires_at, o.message_id, o.sent_at, o.reason,
 o.chat_id, o.chat"""
_UNSETTLED: Final = "('queued', 'sending', 'unknown')"
_WINDOW: Final = 600
"""Seconds after handing over in which a copy or receipt may settle an unknown send."""
_LIBRARY_PREFIX: Final = "3EB0"
"""Message ids made by the client library begin with this; a phone's do not (whatsmeow, `send.go`)."""


def add(
    db: sqlite3.Connection, request: SendRequest, expires_at: datetime | None
) -> tuple[OutboxEntry, bool]:
    """Accept a send; see `Archive.outbox_add`."""
    chat = Identities(db).chat(request.chat)
    body = _REQUEST.dump_json(_bare(request)).decode()
    if request.idempotency_key is not None:
        row = db.execute(
            f"SELECT {_COLUMNS} FROM outbox AS o WHERE idempotency_key = ?",  # noqa: S608
            (request.idempotency_key,),
        ).fetchone()
        if row is not None:
            if row[8] != chat or row[1] != body:
                raise InvalidArgument(
                    "This idempotency key was already used for another message.",
                    "Use a new key for a new message.",
                )
            return _entry(db, row), False
    if request.idempotency_key is None or request.idempotency_key.startswith(CALL_KEY):
        _refuse_twin(db, chat, body)
    cursor = db.execute(
        """INSERT INTO outbox (idempotency_key, chat, chat_id, request, status, created_at, expires_at)
        VALUES (?, ?, ?, ?, 'queued', ?, ?)""",
        (
            request.idempotency_key,
            request.chat,
            chat,
            body,
            time.time_ns() // 1_000_000,
            None if expires_at is None else int(expires_at.timestamp() * 1000),
        ),
    )
    entry = get(db, int(cursor.lastrowid or 0))
    _tell(db, entry, chat)
    return entry, True


def _refuse_twin(db: sqlite3.Connection, chat: int, body: str) -> None:
    twin = db.execute(
        f"""SELECT id, status FROM outbox WHERE chat_id = ? AND request = ? AND status IN {_UNSETTLED}
        ORDER BY id DESC LIMIT 1""",  # noqa: S608
        (chat, body),
    ).fetchone()
    if twin is not None:
        raise SendUnknown(
            f"The same message to this chat is still {twin[1]} (send {twin[0]}).",
            "Look at message_status; to send it once more on purpose, give an idempotency key of its own.",
        )


def _bare(request: SendRequest) -> SendRequest:
    """What makes a send the same send in its chat: neither its key nor how long the caller waits."""
    return SendRequest("", request.content, request.reply_to)


def _request_of(row: Any) -> SendRequest:
    return replace(_REQUEST.validate_json(row[1]), chat=row[9])


def _entry(db: sqlite3.Connection, row: Any) -> OutboxEntry:
    send_id, _, status, created_at, expires_at, message_id, sent_at, reason, chat, _ = row
    ref = None
    if message_id is not None:
        found = db.execute(
            "SELECT id, ref FROM messages WHERE chat_id = ? AND wa_id = ? AND sender_id = 0",
            (chat, message_id),
        ).fetchone()
        if found is not None:
            ref = found[1]
            if status == "sent":
                status = ChatProgress(db, chat).status(found[0])
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


def unsettled(db: sqlite3.Connection) -> tuple[OutboxEntry, ...]:
    """Entries that are not settled, in the order of acceptance."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM outbox AS o WHERE status IN {_UNSETTLED} ORDER BY id"  # noqa: S608
    ).fetchall()
    return tuple(_entry(db, row) for row in rows)


def move(
    db: sqlite3.Connection, send_id: int, to: SendStatus, reason: str | None, allowed: tuple[SendStatus, ...]
) -> OutboxEntry:
    """Put an entry into another state.

    Raises:
        InvalidArgument: It is in a state from which there is no way there.
        MessageNotFound: No such send.
    """
    entry = get(db, send_id)
    if entry.status not in allowed:
        raise InvalidArgument(
            f"Send {send_id} is {entry.status}, it cannot become {to}.", "Look at message_status."
        )
    handed = time.time_ns() // 1_000_000 if to is SendStatus.SENDING else None
    db.execute(
        "UPDATE outbox SET status = ?, reason = ?, handed_at = coalesce(?, handed_at) WHERE id = ?",
        (to.value, reason, handed, send_id),
    )
    if to is SendStatus.UNKNOWN:
        _settle_by_early_receipt(db, send_id)
    entry = get(db, send_id)
    _tell(db, entry, Identities(db).chat(entry.request.chat))
    return entry


def _settle_by_early_receipt(db: sqlite3.Connection, send_id: int) -> None:
    """A receipt may have come while the send's own answer was still awaited."""
    early = db.execute(
        """SELECT DISTINCT r.wa_id, o.handed_at FROM early_receipts AS r JOIN outbox AS o USING (chat_id)
        WHERE o.id = ? AND r.at >= o.handed_at / 1000 AND substr(r.wa_id, 1, 4) = ?""",
        (send_id, _LIBRARY_PREFIX),
    ).fetchall()
    if len(early) == 1:
        sent(db, send_id, early[0][0], _time(early[0][1] / 1000))


def sent(
    db: sqlite3.Connection,
    send_id: int,
    message_id: str,
    timestamp: datetime,
    message: bytes | None = None,
) -> OutboxEntry:
    """WhatsApp took it; the own message is stored with it."""
    entry = get(db, send_id)
    at = int(timestamp.timestamp())
    db.execute(
        "UPDATE outbox SET status = 'sent', message_id = ?, sent_at = ?, reason = NULL WHERE id = ?",
        (message_id, at, send_id),
    )
    store_own(db, entry.request, message_id, at, message)
    entry = get(db, send_id)
    _tell(db, entry, Identities(db).chat(entry.request.chat))
    return entry


def store_own(
    db: sqlite3.Connection, request: SendRequest, message_id: str, at: int, message: bytes | None = None
) -> None:
    """Store a message that we sent."""
    from whatsapp_mcp.archive.ingest import Ingest

    owner = db.execute("SELECT coalesce(pn, lid) FROM contacts WHERE id = 0").fetchone()
    facts = facts_of_request(request, message_id, at, message, owner[0] if owner else None)
    if facts:
        Ingest(db).apply(facts)


def settle_by_copy(db: sqlite3.Connection, identities: Identities, fact: MessageFact) -> None:
    """A copy of a message from this account: it settles an unknown send that says the same.

    When a receipt had settled a send with this id and the copy says something else, it is unknown again.
    """
    if not fact.wa_id.startswith(_LIBRARY_PREFIX):
        return
    chat = identities.chat(fact.chat)
    claimed = db.execute("SELECT id, request FROM outbox WHERE message_id = ?", (fact.wa_id,)).fetchone()
    if claimed is not None:
        if _contradicts(_REQUEST.validate_json(claimed[1]), fact):
            _unclaim(db, claimed[0], chat, fact.wa_id)
        return
    for send_id, request, handed_at in _unknown_in(db, chat, fact.at):
        if handed_at is not None and _says(_REQUEST.validate_json(request), fact):
            db.execute(
                "UPDATE outbox SET status = 'sent', message_id = ?, sent_at = ?, reason = NULL WHERE id = ?",
                (fact.wa_id, fact.at, send_id),
            )
            _tell(db, get(db, send_id), chat)
            return


def _unclaim(db: sqlite3.Connection, send_id: int, chat: int, wa_id: str) -> None:
    db.execute(
        """UPDATE outbox SET status = 'unknown', message_id = NULL, sent_at = NULL,
        reason = 'The receipt that seemed to settle it was for another message.' WHERE id = ?""",
        (send_id,),
    )
    row = db.execute(
        "SELECT id FROM messages WHERE chat_id = ? AND wa_id = ? AND sender_id = 0", (chat, wa_id)
    ).fetchone()
    if row is not None:
        for table, column in (
            ("messages", "id"),
            ("media", "message_id"),
            ("refs", "message_id"),
            ("fts", "rowid"),
        ):
            db.execute(f"DELETE FROM {table} WHERE {column} = ?", (row[0],))  # noqa: S608


def settle_by_receipt(db: sqlite3.Connection, identities: Identities, fact: ReceiptFact) -> None:
    """A receipt for a message that is not here: it settles the chat's only unknown send of that time.

    While another one is being handed over to the chat, it may be that one's, ahead of WhatsApp's answer.
    """
    if fact.contact is None:
        return
    chat = identities.chat(fact.chat)
    if db.execute("SELECT 1 FROM outbox WHERE status = 'sending' AND chat_id = ?", (chat,)).fetchone():
        return
    for wa_id in fact.wa_ids:
        if not wa_id.startswith(_LIBRARY_PREFIX):
            continue
        known = db.execute("SELECT 1 FROM messages WHERE chat_id = ? AND wa_id = ?", (chat, wa_id)).fetchone()
        waiting = _unknown_in(db, chat, fact.at)
        if known is None and len(waiting) == 1:
            send_id, _, handed_at = waiting[0]
            sent(db, send_id, wa_id, _time(min(fact.at, (handed_at or fact.at * 1000) / 1000)))


def _unknown_in(db: sqlite3.Connection, chat: int, at: int) -> list[Any]:
    return db.execute(
        """SELECT id, request, handed_at FROM outbox WHERE status = 'unknown' AND chat_id = ?1
        AND handed_at / 1000 BETWEEN ?2 - ?3 AND ?2 + 60 ORDER BY id""",
        (chat, at, _WINDOW),
    ).fetchall()


def _says(request: SendRequest, fact: MessageFact) -> bool:
    """Whether a message is what the request asked to send."""
    content = content_of_request(request)
    return content is not None and (content.kind, content.text) == (fact.content.kind, fact.content.text)


def _contradicts(request: SendRequest, fact: MessageFact) -> bool:
    """Whether a message is not what the request asked to send; one to forward does not tell its content."""
    return content_of_request(request) is not None and not _says(request, fact)


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
