"""The states of a send after it was accepted, until it is settled."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from whatsapp_mcp.archive import read, state
from whatsapp_mcp.archive.database import ID_BITS, column, value
from whatsapp_mcp.archive.identity import Identities
from whatsapp_mcp.archive.write.applying import WriteContext
from whatsapp_mcp.archive.write.message_writer import MessageWriter, keep_raw
from whatsapp_mcp.archive.write.update_writer import UpdateWriter
from whatsapp_mcp.decoding import (
    OWNER,
    MessageUpdate,
    ReceiptUpdate,
    TaggedUpdate,
    Update,
    updates_of_request,
)
from whatsapp_mcp.errors import (
    InvalidArgument,
    MessageNotFound,
)
from whatsapp_mcp.models import REPLIED, AlbumContent, AlbumFileContent, OutboxEntry, SendRequest, SendStatus


def quarantine(context: WriteContext, send_ids: Sequence[int]) -> tuple[int, ...]:
    """Settle damaged rows (`damaged_sends`); see `Archive.quarantine`."""
    # What was queued has not gone out; about the others no more evidence can come.
    context.db.executemany(
        f"""UPDATE outbox SET status = CASE status WHEN 'queued' THEN 'failed' ELSE 'unknown' END,
        reason = ?, message_id = NULL, secret = NULL, handed_to = NULL
        WHERE id = ? AND status IN {read.UNSETTLED_SENDS}""",  # noqa: S608
        [(f"{read.DAMAGED_SEND}.", send_id) for send_id in send_ids],
    )
    return tuple(send_ids)


_CLOCKS_APART: Final = 600
"""Seconds by which WhatsApp's clock may be behind ours."""
_FILES_KEPT: Final = 86_400_000
"""Milliseconds that the files of an album wait that went out at its moment."""
_ENTERED_FROM: Final = {
    SendStatus.HELD: (SendStatus.FAILED, SendStatus.SCHEDULED, SendStatus.QUEUED),
    SendStatus.SCHEDULED: (SendStatus.FAILED, SendStatus.HELD, SendStatus.QUEUED),
    SendStatus.SENDING: (SendStatus.QUEUED,),
    SendStatus.QUEUED: (
        SendStatus.HELD,
        SendStatus.SCHEDULED,
        SendStatus.SENDING,
        SendStatus.UNKNOWN,
        SendStatus.FAILED,
    ),
    SendStatus.UNKNOWN: (SendStatus.SENDING, SendStatus.UNKNOWN),
    SendStatus.FAILED: (
        SendStatus.HELD,
        SendStatus.SCHEDULED,
        SendStatus.QUEUED,
        SendStatus.SENDING,
        SendStatus.UNKNOWN,
    ),
}
"""From which states each state is entered; `sent` is from any: WhatsApp has said it."""


_WAITING: Final = frozenset({SendStatus.HELD, SendStatus.SCHEDULED, SendStatus.QUEUED})
"""States in which a send waits, and can still be withdrawn."""


def move(
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
        InvalidArgument: It is in a state from which there is no way there, or was handed over again.
    """
    send_id = entry.send_id
    if handed_over is not None and entry.handed_to != handed_over:
        raise InvalidArgument(f"Send {send_id} was handed over again.", "Look at message_status.")
    if entry.status not in _ENTERED_FROM[to]:
        raise InvalidArgument(
            f"Send {send_id} is {entry.status}, it cannot become {to}.", "Look at message_status."
        )
    columns |= {"status": to.value, "reason": reason}
    if to is SendStatus.QUEUED:
        columns |= {"message_id": None, "secret": None, "handed_to": None, "handed_at": None}
    changes = ", ".join(f"{column} = :{column}" for column in columns)
    db.execute(f"UPDATE outbox SET {changes} WHERE id = :id", {**columns, "id": send_id})  # noqa: S608
    entry = read.outbox_get(db, send_id)
    announce(db, entry, Identities(db).chat(entry.request.chat))
    return entry


def withdrawn(context: WriteContext, send_id: int, reason: str) -> OutboxEntry:
    """Expired, refused or given up while it waited: it never goes out, and ends as with `failed`.

    Raises:
        InvalidArgument: It neither is held, scheduled nor queued (any more): it may be on its way.
    """
    entry = read.outbox_get(context.db, send_id)
    if entry.status not in _WAITING:
        raise InvalidArgument(f"Send {send_id} is {entry.status} already.", "Look at message_status.")
    return failed(context, send_id, reason)


def failed(context: WriteContext, send_id: int, reason: str) -> OutboxEntry:
    """Refused: `failed`, for it has not gone out; `unknown` if it may have gone out an earlier time."""
    entry = read.outbox_get(context.db, send_id)
    if entry.reason is None or entry.status is SendStatus.UNKNOWN:
        return move(context.db, entry, SendStatus.FAILED, reason)
    # No way leads from `queued` to `unknown`, which it has to be: an earlier try may have gone out.
    if entry.status is SendStatus.QUEUED:
        sending(context, send_id)
    return unknown(context, send_id, f"{entry.reason} {reason}", traceable=False)


def queued(
    context: WriteContext, send_id: int, reason: str | None = None, *, handed_to: str | None = None
) -> OutboxEntry:
    """Put a send back to `queued`: it has not gone out, or a second time would change nothing.

    Args:
        reason: Why it may have gone out already; stays with it while it is handed over again.
        handed_to: The hand-over that this is known of.

    Raises:
        InvalidArgument: It is settled, or was handed over again.
    """
    return move(context.db, read.outbox_get(context.db, send_id), SendStatus.QUEUED, reason, handed_to)


def sending(
    context: WriteContext, send_id: int, *, handed_to: str | None = None, secret: bytes | None = None
) -> OutboxEntry:
    """`queued` becomes `sending`: about to be handed over; `failed` if it was not to go out after a reply.

    Args:
        handed_to: To which client.
        secret: The message's own secret, under which the client's database knows its id.

    Raises:
        InvalidArgument: It is in another state.
    """
    entry = read.outbox_get(context.db, send_id)
    if entry.reason is None and entry.request.unless_reply and read.is_replied(context.db, send_id):
        return move(context.db, entry, SendStatus.FAILED, REPLIED)
    handed: dict[str, Any] = {"handed_at": context.at, "handed_to": handed_to, "secret": secret}
    return move(context.db, entry, SendStatus.SENDING, entry.reason, **handed)


def unknown(
    context: WriteContext,
    send_id: int,
    reason: str,
    *,
    message_id: str | None = None,
    traceable: bool = True,
    handed_to: str | None = None,
) -> OutboxEntry:
    """Handed over, and no answer came.

    Args:
        message_id: The id that it got, as soon as that is known: whatever names it settles the send.
        traceable: False when nothing more can be found out about it.
        handed_to: The hand-over that this is known of.

    Raises:
        InvalidArgument: It is settled, or was handed over again.
    """
    id_column = {} if message_id is None else {"message_id": message_id}
    gone = {} if traceable else {"handed_to": None, "secret": None}
    entry = move(
        context.db,
        read.outbox_get(context.db, send_id),
        SendStatus.UNKNOWN,
        reason,
        handed_to,
        **id_column,
        **gone,
    )
    if message_id is not None and _is_named(context.db, send_id):
        return _settle(context.db, send_id, message_id)
    return entry


def _is_named(db: sqlite3.Connection, send_id: int) -> bool:
    """Check whether anything that has come in names the message of this send."""
    chat, jid, wa_id, handed_at = db.execute(
        "SELECT chat_id, chat, message_id, handed_at / 1000 FROM outbox WHERE id = ?", (send_id,)
    ).fetchone()
    named = value(
        db,
        f"""WITH there AS ({read.SEND_CHATS})
        SELECT EXISTS (SELECT 1 FROM messages WHERE chat_id IN there AND wa_id = ?3 AND sender_id = ?4)
        OR EXISTS (SELECT 1 FROM messages WHERE chat_id IN there AND reply_wa_id = ?3 AND id >= ?5)""",  # noqa: S608
        (chat, jid, wa_id, OWNER, (handed_at - _CLOCKS_APART) << ID_BITS),
    )
    return bool(named) or state.names_send(db, wa_id)


def sent(
    context: WriteContext,
    send_id: int,
    message_id: str,
    timestamp: datetime,
    *,
    updates: Sequence[TaggedUpdate] | None = None,
) -> OutboxEntry:
    """WhatsApp took it; the own message is stored with it. See `Archive.sent`.

    Args:
        context: The operation.
        send_id: Which.
        message_id: WhatsApp's id.
        timestamp: WhatsApp's time.
        updates: What the message says that was sent; None: as it was asked for.
    """
    entry, messages = _sent(context.db, send_id, message_id, int(timestamp.timestamp()), updates)
    if messages is not None:
        keep_raw(context, messages)
    return entry


def _sent(
    db: sqlite3.Connection,
    send_id: int,
    message_id: str,
    sent_at: int,
    updates: Sequence[Update] | None = None,
) -> tuple[OutboxEntry, MessageWriter | None]:
    """The send as it is then, and what has written its message, if it is one."""
    written = None
    if updates is None:
        asked = read.outbox_get(db, send_id)
        updates = updates_of_request(asked.request, message_id, sent_at, asked.secret)
    chats = column(
        db,
        """UPDATE outbox SET status = 'sent', message_id = ?, sent_at = ?, reason = NULL,
        secret = NULL, handed_to = NULL WHERE id = ? RETURNING chat""",
        (message_id, sent_at, send_id),
    )
    if chats and updates:
        state.unreceipted(db, Identities(db).chat(chats[0]))
        writer = UpdateWriter(db)
        writer.write(updates)
        writer.finish()
        written = writer.messages
    entry = read.outbox_get(db, send_id)
    announce(db, entry, Identities(db).chat(entry.request.chat))
    _queue_album_files(db, entry, sent_at * 1000)
    return entry, written


def _queue_album_files(db: sqlite3.Connection, album: OutboxEntry, at_ms: int) -> None:
    """Queue the files of an album that WhatsApp has, each once: in the transaction that says so."""
    content, chat = album.request.content, Identities(db).chat(album.request.chat)
    if not isinstance(content, AlbumContent) or album.message_id is None:
        return
    expires = None if album.expires_at is None else int(album.expires_at.timestamp() * 1000)
    if album.due_at is not None:  # it was in time; an album half of whose files are missing helps nobody
        expires = at_ms + _FILES_KEPT
    for key, file in zip(read.album_keys(album), content.files, strict=True):
        request = SendRequest("", AlbumFileContent(album.message_id, file))
        queued = db.execute(
            """INSERT INTO outbox
            (idempotency_key, chat, chat_id, request, status, created_at, expires_at, scheduling)
            SELECT ?, chat, ?, ?, 'queued', ?, ?, scheduling FROM outbox WHERE id = ?
            ON CONFLICT (idempotency_key, principal) DO NOTHING""",
            (key, chat, read.SEND_REQUEST.dump_json(request).decode(), at_ms, expires, album.send_id),
        )
        if queued.rowcount:
            announce(db, read.outbox_get(db, int(queued.lastrowid or 0)), chat)


def retry_album_files(db: sqlite3.Connection, album: OutboxEntry, expires: int | None) -> bool:
    """Queue again those files of an album that failed before they were handed over; whether there is any.

    Args:
        expires: Milliseconds since 1970 until which they wait.
    """
    is_any = False
    for file in read.outbox_album(db, album.send_id):
        tried = db.execute(
            "UPDATE outbox SET expires_at = ? WHERE id = ? AND status = 'failed' AND handed_at IS NULL",
            (expires, file.send_id),
        )
        if tried.rowcount:
            move(db, file, SendStatus.QUEUED)
            is_any = True
    return is_any


def unknown_ids(db: sqlite3.Connection) -> frozenset[str]:
    """WhatsApp's ids of the unknown sends that have one."""
    unknown = "SELECT message_id FROM outbox WHERE status = 'unknown' AND message_id IS NOT NULL"
    return frozenset(column(db, unknown))


def settle_named_sends(db: sqlite3.Connection, update: Update) -> None:
    """Settle the unknown sends whose message an update names: it shows that WhatsApp has them.

    The chat does not matter: the id is random, and only who got the message can know it.
    """
    match update:
        case ReceiptUpdate(contact=str()):
            named = update.wa_ids
        case MessageUpdate(sender=None):
            named = (update.wa_id,)
        case MessageUpdate() if update.content.reply_to:
            named = (update.content.reply_to,)
        case _:
            kind = state.OF_UPDATE.get(type(update))
            if isinstance(update, ReceiptUpdate) or kind is None or kind.names_send is None:
                return
            addon: Any = update
            named = (addon.wa_id,)
    for wa_id in named:
        send_id = value(db, "SELECT id FROM outbox WHERE message_id = ? AND status = 'unknown'", (wa_id,))
        if send_id is not None:
            with suppress(MessageNotFound):  # it is damaged
                _settle(db, send_id, wa_id)


def _settle(db: sqlite3.Connection, send_id: int, wa_id: str) -> OutboxEntry:
    handed_at: int = value(db, "SELECT handed_at / 1000 FROM outbox WHERE id = ?", (send_id,))
    return _sent(db, send_id, wa_id, handed_at)[0]


def announce(db: sqlite3.Connection, entry: OutboxEntry, chat: int) -> None:
    """Add the state of a send to the change feed."""
    state.add_change(
        db,
        "send",
        chat=chat,
        wa_id=entry.message_id,
        ref=entry.ref,
        actor=OWNER,
        detail=f"{entry.send_id} {entry.status}",
    )
