"""Accepting sends: each is written down before it goes out, and the same key never sends twice.

A key is its principal's own: what another principal sends under the same key is another send, and neither
learns of the other's.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import PlainSerializer, PlainValidator

from whatsapp_mcp.archive import read
from whatsapp_mcp.archive.database import value
from whatsapp_mcp.archive.identity import Identities
from whatsapp_mcp.archive.write.applying import WriteContext
from whatsapp_mcp.archive.write.outbox.states import announce, move, retry_album_files
from whatsapp_mcp.archive.write.outbox.waiting import replace_former, replace_waiting
from whatsapp_mcp.errors import InvalidArgument, KeyReused, SendUnknown, WhatsAppError, from_payload
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.models import (
    ADDON_KINDS,
    ALBUM_KEY,
    CALL_KEY,
    Authorship,
    OutboxEntry,
    SendRequest,
    SendStatus,
)


def _error_to_json(error: WhatsAppError | None) -> dict[str, Any] | None:
    return None if error is None else error.to_payload()


def _error_of(value: Any) -> WhatsAppError | None:
    return value if value is None or isinstance(value, WhatsAppError) else from_payload(value)


Obstacle = Annotated[WhatsAppError | None, PlainValidator(_error_of), PlainSerializer(_error_to_json)]
"""An error, or none, as an operation carries it."""


def add(
    context: WriteContext,
    request: SendRequest,
    *,
    principal: str = "",
    expires_at: datetime | None = None,
    obstacle: Obstacle = None,
    handed_to: str | None = None,
    secret: bytes | None = None,
    held: bool = False,
    scheduling: Authorship | None = None,
) -> tuple[OutboxEntry, bool]:
    """Accept a send as `queued`, or as `scheduled` if it is for later.

    With an idempotency key that was used before, return the entry that it made; what failed without being
    handed over (refused before, expired, withdrawn) is accepted once more.

    Args:
        principal: Whose idempotency key it is.
        obstacle: Why nothing can be accepted now; raised unless the send was accepted before.
        handed_to: To which client it is about to be handed over: it becomes `sending` in the same
            transaction, unless an earlier send to its chat is not settled.
        secret: As of `sending`.
        held: Whether it waits for a person's yes: `held` instead of `queued`.
        scheduling: For whom it is, and whose words had been handed out to whoever wrote it.

    Returns:
        The entry, and whether it was accepted by this call.

    Raises:
        KeyReused: The key was used for another content or chat, or for a send that was deleted since.
        InvalidArgument: The chat is no address; what is scheduled changes a message; or what it replaces
            waits no more.
        SendUnknown: No key, and the same content to the same chat is unsettled.
    """
    db = context.db
    # A caller's key could be taken for that of an album's file, which the archive makes by itself.
    if (request.idempotency_key or "").startswith(ALBUM_KEY):
        raise InvalidArgument(f"An idempotency key does not begin with {ALBUM_KEY}.", "Use another key.")
    if request.at is not None and request.content.kind in ADDON_KINDS:
        raise InvalidArgument("Only messages can be scheduled.", "Change the message when it is time.")
    Jid.parse(request.chat)
    chat = Identities(db).chat(request.chat)
    body = _body(request)
    is_scheduled = request.at is not None
    waits = SendStatus.HELD if held else SendStatus.SCHEDULED if is_scheduled else SendStatus.QUEUED
    later = _later(context, request)
    if request.idempotency_key is not None:
        of_key = "WHERE idempotency_key = ? AND principal = ?"
        for row in read.send_rows(db, of_key, (request.idempotency_key, principal)):
            if (row.chat_id != chat and row.chat != request.chat) or not _is_same(row.request, body):
                raise KeyReused("This idempotency key was already used for another message.")
            accepted = read.send_entry(db, row)
            return _accept_again(context, accepted, body, expires_at, obstacle, waits, later, scheduling)
        _refuse_used(db, request.idempotency_key, principal)
    # A key that a server made for one call is no wish to send the same once more.
    if request.idempotency_key is None or request.idempotency_key.startswith(CALL_KEY):
        _refuse_twin(db, chat, request.chat, body)
    # Behind the key: a send that was accepted before is answered with, whatever has come in the way since.
    if obstacle is not None:
        raise obstacle
    try:
        # Read back at once: a row that cannot be read would have to be quarantined later.
        stored = replace(read.SEND_REQUEST.validate_json(body), chat=request.chat)
    except ValueError as error:  # a number that JSON does not have
        raise InvalidArgument("The message holds a value that cannot be stored.") from error
    # Messages of one chat go out in the order in which they were accepted.
    if handed_to is not None and _is_one_unsettled(db, request.chat):
        handed_to = None
    key = request.idempotency_key
    entry = _insert(
        context, key, principal, stored, chat, body, expires_at, handed_to, secret, waits, scheduling
    )
    if is_scheduled:
        db.execute(f"UPDATE outbox SET {_LATER} WHERE id = ?", (*later, entry.send_id))  # noqa: S608
        entry = read.outbox_get(db, entry.send_id)
    if not held:
        replace_waiting(context, request, entry.send_id)
    return entry, True


_LATER: Final = "due_at = ?, replies_after = ?"


def _later(context: WriteContext, request: SendRequest) -> tuple[int | None, int | None]:
    """Return the values of `_LATER` for a scheduled send; for any other, None twice."""
    if request.at is None:
        return None, None
    newest = value(context.db, "SELECT coalesce(max(ref), 0) FROM refs") if request.unless_reply else None
    return _milliseconds(request.at), newest


def _stored(authorship: Authorship | None) -> str | None:
    return None if authorship is None else read.AUTHORSHIP.dump_json(authorship).decode()


def _insert(
    context: WriteContext,
    key: str | None,
    principal: str,
    request: SendRequest,
    chat: int,
    body: str,
    expires_at: datetime | None,
    handed_to: str | None,
    secret: bytes | None,
    waits: SendStatus,
    authorship: Authorship | None,
) -> OutboxEntry:
    """A new row: it waits, or is on its way at once to the client that is named."""
    expires = _milliseconds(expires_at)
    status, secret, handed_at = (
        (waits, None, None) if handed_to is None else (SendStatus.SENDING, secret, context.at)
    )
    cursor = context.db.execute(
        """INSERT INTO outbox (idempotency_key, principal, chat, chat_id, request, status, created_at,
        expires_at, handed_at, handed_to, secret, scheduling)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            key,
            principal,
            request.chat,
            chat,
            body,
            status.value,
            context.at,
            expires,
            handed_at,
            handed_to,
            secret,
            _stored(authorship),
        ),
    )
    # As `get` would read it; a send waits for this.
    entry = OutboxEntry(
        int(cursor.lastrowid or 0),
        request,
        status,
        read.send_time(context.at / 1000),
        None if expires is None else read.send_time(expires / 1000),
        secret=secret,
        handed_to=handed_to,
        authorship=authorship,
    )
    announce(context.db, replace(entry, status=waits), chat)
    if status is not waits:
        announce(context.db, entry, chat)
    return entry


def _is_one_unsettled(db: sqlite3.Connection, chat: str) -> bool:
    """Check whether a send to this chat is on its way, or may yet be."""
    unsettled = f"""SELECT EXISTS (SELECT 1 FROM outbox WHERE status IN {read.UNSETTLED_SENDS}
        AND (status <> 'unknown' OR handed_to IS NOT NULL) AND chat = ?)"""  # noqa: S608
    return bool(value(db, unsettled, (chat,)))


def _accept_again(
    context: WriteContext,
    entry: OutboxEntry,
    body: str,
    expires_at: datetime | None,
    obstacle: WhatsAppError | None,
    waits: SendStatus,
    later: tuple[int | None, int | None],
    authorship: Authorship | None,
) -> tuple[OutboxEntry, bool]:
    """The entry of a key that is used again: what failed before it was handed over gets another try.

    So do the files of an album of which WhatsApp has the rest; where a person is asked first, after the yes.
    Its words are those that were accepted first, so whose had been handed out then still counts.
    """
    if authorship is not None and entry.authorship is not None:
        sources = {*authorship.sources, *entry.authorship.sources}
        authorship = replace(authorship, sources=tuple(sorted(sources)))
    tried = context.db.execute(
        f"""UPDATE outbox SET expires_at = ?, request = ?, scheduling = coalesce(?, scheduling), {_LATER}
        WHERE id = ? AND status = 'failed' AND handed_at IS NULL""",  # noqa: S608
        (_milliseconds(expires_at), body, _stored(authorship), *later, entry.send_id),
    )
    if tried.rowcount == 0:
        if obstacle is None and waits is not SendStatus.HELD:
            retry_album_files(context.db, entry, _milliseconds(expires_at))
        return entry, False
    if obstacle is not None:
        raise obstacle
    again = move(context.db, entry, waits)
    if waits is not SendStatus.HELD:
        replace_former(context, again)
    return again, True


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)


def _refuse_used(db: sqlite3.Connection, key: str, principal: str) -> None:
    if db.execute("SELECT 1 FROM used_keys WHERE digest = ?", (read.key_digest(key, principal),)).fetchone():
        raise KeyReused(
            "This idempotency key was used for a message that has been deleted here since; nothing was sent.",
            "Ask the user before you send it again with a new key.",
        )


def _refuse_twin(db: sqlite3.Connection, chat: int, jid: str, body: str) -> None:
    twin = db.execute(
        f"""SELECT id, status FROM outbox WHERE (chat_id = ? OR chat = ?) AND request = ?
        AND (status IN {read.UNSETTLED_SENDS} OR status = 'scheduled') ORDER BY id DESC LIMIT 1""",  # noqa: S608
        (chat, jid, body),
    ).fetchone()
    if twin is not None:
        send_id, status = twin
        raise SendUnknown(
            f"The same message to this chat is still {status} (send {send_id}).",
            "Look at message_status; to send it once more on purpose, give an idempotency key of its own.",
        )


def _bare(request: SendRequest) -> SendRequest:
    """Return the request without its key and wait, to recognise the same send in its chat."""
    return SendRequest(
        "",
        request.content,
        request.reply_to,
        request.reply_chat,
        at=request.at,
        unless_reply=request.unless_reply,
        replaces=request.replaces,
    )


def _body(request: SendRequest) -> str:
    """A request as it is stored and compared; what is not scheduled, as it was before sends could be."""
    unset = {name for name in _OF_SCHEDULED if not getattr(request, name)}
    return read.SEND_REQUEST.dump_json(_bare(request), exclude=unset).decode()


_OF_SCHEDULED: Final = ("at", "unless_reply", "replaces")


def _is_same(stored: str, body: str) -> bool:
    """Check whether two requests are equal but for the time, which "in two hours" moves with every call."""
    if stored == body:
        return True
    request, other = json.loads(stored), json.loads(body)
    is_later = request.pop("at", None) is not None, other.pop("at", None) is not None
    return is_later == (True, True) and request == other
