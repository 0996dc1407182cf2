"""Accepting sends: each is written down before it goes out, and the same key never sends twice."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator

from whatsapp_mcp.archive import read
from whatsapp_mcp.archive.database import value
from whatsapp_mcp.archive.identity import Identities
from whatsapp_mcp.archive.write.applying import Applying
from whatsapp_mcp.archive.write.outbox import announce, move, retry_album_files
from whatsapp_mcp.errors import InvalidArgument, SendUnknown, WhatsAppError, from_payload
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.models import ALBUM_KEY, CALL_KEY, OutboxEntry, SendRequest, SendStatus


def _error_to_json(error: WhatsAppError | None) -> dict[str, Any] | None:
    return None if error is None else error.to_payload()


def _error_of(value: Any) -> WhatsAppError | None:
    return value if value is None or isinstance(value, WhatsAppError) else from_payload(value)


Obstacle = Annotated[WhatsAppError | None, PlainValidator(_error_of), PlainSerializer(_error_to_json)]
"""An error, or none, as an operation carries it."""


def outbox_add(
    on: Applying,
    request: SendRequest,
    *,
    expires_at: datetime | None = None,
    obstacle: Obstacle = None,
    handed_to: str | None = None,
    secret: bytes | None = None,
    held: bool = False,
) -> tuple[OutboxEntry, bool]:
    """Accept a send as `queued`; with an idempotency key that was used before, return the entry that it made.

    What failed without being handed over (refused before, expired, withdrawn) is accepted once more.

    Args:
        obstacle: Why nothing can be accepted now; raised unless the send was accepted before.
        handed_to: To which client it is about to be handed over: it becomes `sending` in the same
            transaction, unless an earlier send to its chat is not settled.
        secret: As of `outbox_sending`.
        held: Whether it waits for a person's yes: `held` instead of `queued`.

    Returns:
        The entry, and whether it was accepted by this call.

    Raises:
        InvalidArgument: The key was used for another content or chat, or for a send that was deleted since;
            or the chat is no address.
        SendUnknown: No key, and the same content to the same chat is unsettled.
    """
    db = on.db
    if (request.idempotency_key or "").startswith(ALBUM_KEY):
        raise InvalidArgument(f"An idempotency key does not begin with {ALBUM_KEY}.", "Use another key.")
    Jid.parse(request.chat)
    chat = Identities(db).chat(request.chat)
    body = read.SEND_REQUEST.dump_json(_bare(request)).decode()
    waits = SendStatus.HELD if held else SendStatus.QUEUED
    if request.idempotency_key is not None:
        for row in read.send_rows(db, "WHERE idempotency_key = ?", (request.idempotency_key,)):
            if (row.chat_id != chat and row.chat != request.chat) or row.request != body:
                raise InvalidArgument(
                    "This idempotency key was already used for another message.",
                    "Use a new key for a new message.",
                )
            return _accept_again(db, read.send_entry(db, row), expires_at, obstacle, waits)
        _refuse_used(db, request.idempotency_key)
    if request.idempotency_key is None or request.idempotency_key.startswith(CALL_KEY):
        _refuse_twin(db, chat, request.chat, body)
    if obstacle is not None:
        raise obstacle
    try:
        stored = replace(read.SEND_REQUEST.validate_json(body), chat=request.chat)
    except ValueError as error:  # a number that JSON does not have
        raise InvalidArgument("The message holds a value that cannot be stored.") from error
    if handed_to is not None and _is_one_unsettled(db, request.chat):
        handed_to = None
    key = request.idempotency_key
    return _insert(on, key, stored, chat, body, expires_at, handed_to, secret, waits), True


def _insert(
    on: Applying,
    key: str | None,
    request: SendRequest,
    chat: int,
    body: str,
    expires_at: datetime | None,
    handed_to: str | None,
    secret: bytes | None,
    waits: SendStatus,
) -> OutboxEntry:
    """A new row: it waits, or is on its way at once to the client that is named."""
    expires = _milliseconds(expires_at)
    status, secret, handed_at = (
        (waits, None, None) if handed_to is None else (SendStatus.SENDING, secret, on.at)
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
        read.send_time(on.at / 1000),
        None if expires is None else read.send_time(expires / 1000),
        secret=secret,
        handed_to=handed_to,
    )
    announce(on.db, replace(entry, status=waits), chat)
    if status is not waits:
        announce(on.db, entry, chat)
    return entry


def _is_one_unsettled(db: sqlite3.Connection, chat: str) -> bool:
    """Whether a send to this chat is on its way, or may yet be."""
    unsettled = f"""SELECT EXISTS (SELECT 1 FROM outbox WHERE status IN {read.UNSETTLED_SENDS}
        AND (status <> 'unknown' OR handed_to IS NOT NULL) AND chat = ?)"""  # noqa: S608
    return bool(value(db, unsettled, (chat,)))


def _accept_again(
    db: sqlite3.Connection,
    entry: OutboxEntry,
    expires_at: datetime | None,
    obstacle: WhatsAppError | None,
    waits: SendStatus,
) -> tuple[OutboxEntry, bool]:
    """The entry of a key that is used again: what failed before it was handed over gets another try.

    So do the files of an album of which WhatsApp has the rest; where a person is asked first, after the yes.
    """
    tried = db.execute(
        "UPDATE outbox SET expires_at = ? WHERE id = ? AND status = 'failed' AND handed_at IS NULL",
        (_milliseconds(expires_at), entry.send_id),
    )
    if tried.rowcount == 0:
        if obstacle is None and waits is not SendStatus.HELD:
            retry_album_files(db, entry, _milliseconds(expires_at))
        return entry, False
    if obstacle is not None:
        raise obstacle
    return move(db, entry, waits), True


def _milliseconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1000)


def _refuse_used(db: sqlite3.Connection, key: str) -> None:
    if db.execute("SELECT 1 FROM used_keys WHERE digest = ?", (read.key_digest(key),)).fetchone():
        raise InvalidArgument(
            "This idempotency key was used for a message that has been deleted here since; nothing was sent.",
            "Ask the user before you send it again with a new key.",
        )


def _refuse_twin(db: sqlite3.Connection, chat: int, jid: str, body: str) -> None:
    twin = db.execute(
        f"""SELECT id, status FROM outbox WHERE (chat_id = ? OR chat = ?) AND request = ?
        AND status IN {read.UNSETTLED_SENDS} ORDER BY id DESC LIMIT 1""",  # noqa: S608
        (chat, jid, body),
    ).fetchone()
    if twin is not None:
        send_id, status = twin
        raise SendUnknown(
            f"The same message to this chat is still {status} (send {send_id}).",
            "Look at message_status; to send it once more on purpose, give an idempotency key of its own.",
        )


def _bare(request: SendRequest) -> SendRequest:
    """What makes a send the same send in its chat: neither its key nor how long the caller waits."""
    return SendRequest("", request.content, request.reply_to, request.reply_chat)
