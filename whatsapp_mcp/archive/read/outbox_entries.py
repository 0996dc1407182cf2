"""Sends as they are written down: the rows of `outbox`, what receipts say, and for whom each was made."""

from __future__ import annotations

import hmac
import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter

from whatsapp_mcp.archive.database import ID_BITS, placeholders
from whatsapp_mcp.archive.state import send_progress
from whatsapp_mcp.decoding import KIND_NUMBER, OWNER
from whatsapp_mcp.errors import InvalidArgument, MessageNotFound
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.models import (
    ALBUM_KEY,
    AlbumContent,
    Authorship,
    MessageKind,
    OutboxEntry,
    SendRequest,
    SendResult,
    SendStatus,
    files_of,
)

SEND_REQUEST: Final = TypeAdapter(SendRequest)
AUTHORSHIP: Final = TypeAdapter(Authorship)
_SELECT: Final = """SELECT o.id, o.request, o.status, o.created_at, o.expires_at, o.message_id, o.sent_at,
 o.reason, o.chat_id, o.chat, o.secret, o.handed_to, o.due_at, o.scheduling FROM outbox AS o
"""
_TYPES: Final = (
    int, str, str, int, int | None, str | None, int | None, str | None, int, str, bytes | None, str | None,
    int | None, str | None,
)  # fmt: skip
"""Types of the columns; SQLite itself takes any value into any column."""


class SendRow(NamedTuple):
    """A row of `outbox`; see `tables.py`."""

    id: int
    request: str
    status: str
    created_at: int
    expires_at: int | None
    message_id: str | None
    sent_at: int | None
    reason: str | None
    chat_id: int
    chat: str
    secret: bytes | None
    handed_to: str | None
    due_at: int | None
    scheduling: str | None


DAMAGED_SEND: Final = "The stored send is damaged"
_OLDEST_REPLY: Final = 600
"""Seconds before the newest message that was known from which on what arrives after it counts as a reply."""
_NOTICE: Final = KIND_NUMBER[MessageKind.SYSTEM]
UNSETTLED_SENDS: Final = "('queued', 'sending', 'unknown')"
SEND_CHATS: Final = """SELECT ? UNION SELECT c.id FROM number_history AS h
 JOIN addresses AS a ON a.jid = h.lid JOIN chats AS c USING (contact_id) WHERE h.pn = ?"""
"""The chats where the message of a send may be, by its chat and jid: a number may have been reassigned."""
_ANSWERED_WITHIN: Final = 600
"""Seconds between a hand-over and WhatsApp's time of the message, by two clocks."""
# As the index `outbox_edited` has it.
_EDITED: Final = (
    "CASE WHEN json_valid(o.request) THEN iif(json_extract(o.request, '$.content.kind') = 'edit', "
    "json_extract(o.request, '$.content.message_id'), NULL) END"
)
_SENT: Final = f"""SELECT j.value, o.scheduling FROM json_each(?1) AS j CROSS JOIN outbox AS o
 WHERE o.message_id = j.value AND o.scheduling NOTNULL
 UNION ALL SELECT j.value, o.scheduling FROM json_each(?1) AS j CROSS JOIN outbox AS o
 WHERE {_EDITED} = j.value AND o.scheduling NOTNULL AND o.status NOT IN ('held', 'scheduled', 'failed')"""  # noqa: S608
# No answer has told the id of its message yet: what the owner's devices wrote there meanwhile may be it.
_WITHOUT_ID: Final = f"""SELECT m.wa_id, o.scheduling FROM outbox AS o JOIN messages AS m
 ON m.chat_id = o.chat_id AND m.sender_id = {OWNER}
 AND m.id BETWEEN (o.handed_at / 1000 - {_ANSWERED_WITHIN}) << {ID_BITS}
 AND (o.handed_at / 1000 + {_ANSWERED_WITHIN}) << {ID_BITS}
 WHERE o.status IN ('queued', 'sending', 'unknown') AND o.handed_at NOTNULL
 AND o.message_id IS NULL AND o.scheduling NOTNULL
 AND m.wa_id IN (SELECT value FROM json_each(?1))
 AND NOT EXISTS (SELECT 1 FROM outbox AS p WHERE p.message_id = m.wa_id)"""  # noqa: S608

AUTHORSHIPS: Final = f"{_SENT} UNION ALL {_WITHOUT_ID}"
"""Takes the ids as JSON, and goes by indexes: one statement, as each list is asked before it is shown."""


def send_rows(db: sqlite3.Connection, rest: str, values: Sequence[Any] = ()) -> list[SendRow]:
    """Rows of sends (`o`); `rest` is the SQL from WHERE on."""
    return [*map(SendRow._make, db.execute(_SELECT + rest, values).fetchall())]


def send_entry(db: sqlite3.Connection, row: SendRow) -> OutboxEntry:
    """The entry of a row.

    Raises:
        MessageNotFound: The row is damaged.
    """
    try:
        return _read(db, row)
    # Out of range, of another type, no JSON of a request, or no address.
    except (ValueError, TypeError, OverflowError, OSError, InvalidArgument) as error:
        action = "Look at the chat before you send it again."
        raise MessageNotFound(f"{DAMAGED_SEND} ({row.id}).", action) from error


def _read(db: sqlite3.Connection, row: SendRow) -> OutboxEntry:
    if not all(map(isinstance, row, _TYPES)):
        raise TypeError("a column holds another type")
    Jid.parse(row.chat)
    status, ref = row.status, None
    if row.message_id is not None:
        message_row = db.execute(
            f"""SELECT id, ref, chat_id FROM messages
            WHERE chat_id IN ({SEND_CHATS}) AND wa_id = ? AND sender_id = 0""",  # noqa: S608
            (row.chat_id, row.chat, row.message_id),
        ).fetchone()
        if message_row is not None:
            message, ref, chat = message_row
            if status == "sent":
                status = send_progress(db, [chat])[chat].status(message)
    return OutboxEntry(
        row.id,
        replace(SEND_REQUEST.validate_json(row.request), chat=row.chat),
        SendStatus(status),
        send_time(row.created_at / 1000),
        None if row.expires_at is None else send_time(row.expires_at / 1000),
        row.message_id,
        None if row.sent_at is None else send_time(row.sent_at),
        row.reason,
        ref,
        row.secret,
        row.handed_to,
        None if row.due_at is None else send_time(row.due_at / 1000),
        None if row.scheduling is None else AUTHORSHIP.validate_json(row.scheduling),
    )


def send_time(seconds: float) -> datetime:
    """A moment, from seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def outbox_get(db: sqlite3.Connection, send_id: int) -> OutboxEntry:
    """One entry, its status with what receipts say.

    Raises:
        MessageNotFound: No such send.
    """
    for row in send_rows(db, "WHERE id = ?", (send_id,)):
        return send_entry(db, row)
    raise MessageNotFound(f"There is no send {send_id}.", "Take the number from send_message.")


def outbox_with_id(db: sqlite3.Connection, message_id: str) -> OutboxEntry | None:
    """The send that has become the message of this id; None if none is known."""
    return next(iter(_legible(db, send_rows(db, "WHERE message_id = ?", (message_id,)))), None)


def key_digest(key: str, principal: str) -> bytes:
    """Return the digest that is kept of an idempotency key once its send is deleted."""
    if not principal:
        return sha256(key.encode()).digest()
    # Not a hash of both in a row: a key could be another's principal and key.
    return hmac.digest(principal.encode(), key.encode(), sha256)


def album_keys(album: OutboxEntry) -> list[str]:
    """The idempotency keys of the files of an album, which have no principal."""
    content = album.request.content
    count = len(content.files) if isinstance(content, AlbumContent) else 0
    return [f"{ALBUM_KEY}{album.send_id}:{number}" for number in range(count)]


def outbox_album(db: sqlite3.Connection, send_id: int) -> tuple[OutboxEntry, ...]:
    """The sends of an album's files, once WhatsApp has the album; none of any other send.

    Raises:
        MessageNotFound: No such send.
    """
    keys = album_keys(outbox_get(db, send_id))
    if not keys:
        return ()
    where = f"WHERE idempotency_key IN ({placeholders(keys)}) AND principal = '' ORDER BY id"
    return tuple(send_entry(db, row) for row in send_rows(db, where, keys))


def outbox_result(db: sqlite3.Connection, send_id: int) -> SendResult:
    """Return the result of a send; for an album, together with its files.

    Raises:
        MessageNotFound: No such send.
    """
    result, files = outbox_get(db, send_id).result, outbox_album(db, send_id)
    for status in (SendStatus.SENDING, SendStatus.QUEUED, SendStatus.UNKNOWN, SendStatus.FAILED):
        concerned = [file for file in files if file.status is status]
        if concerned:
            summary = f"{len(concerned)} of {len(files)} files {_OF_FILES[status]}"
            reason = concerned[0].reason
            return replace(result, status=status, reason=f"{summary}: {reason}" if reason else f"{summary}.")
    return result


_OF_FILES: Final = {
    SendStatus.SENDING: "are on their way",
    SendStatus.QUEUED: "are on their way",
    SendStatus.UNKNOWN: "may not have arrived",
    SendStatus.FAILED: "were not sent",
}
"""Phrases for an album some of whose files are in this state."""


def outbox_last_sent(db: sqlite3.Connection) -> datetime | None:
    """When WhatsApp last took a send; None when it never has."""
    (sent_at,) = db.execute("SELECT max(sent_at) FROM outbox WHERE status = 'sent'").fetchone()
    return None if sent_at is None else send_time(sent_at)


def outbox_unsettled(
    db: sqlite3.Connection, *, chat: str | None = None, limit: int = -1
) -> tuple[OutboxEntry, ...]:
    """Entries that are `queued`, `sending`, or `unknown` and traceable, in the order of acceptance.

    Args:
        chat: Those to this chat alone, as the requests name it.
        limit: The oldest so many; below zero, all.
    """
    rows = send_rows(
        db,
        f"""WHERE status IN {UNSETTLED_SENDS} AND (status <> 'unknown' OR handed_to IS NOT NULL)
        AND (?1 IS NULL OR chat = ?1) ORDER BY id LIMIT ?2""",
        (chat, limit),
    )
    return _legible(db, rows)


def damaged_sends(db: sqlite3.Connection) -> tuple[int, ...]:
    """Numbers of the unsettled rows that cannot be read."""
    send_ids: list[int] = []
    for row in send_rows(db, f"WHERE status IN {UNSETTLED_SENDS}"):
        try:
            send_entry(db, row)
        except MessageNotFound:
            send_ids.append(row.id)
    return tuple(send_ids)


def outbox_held(db: sqlite3.Connection) -> tuple[OutboxEntry, ...]:
    """Entries that wait for a person's yes."""
    return _legible(db, send_rows(db, "WHERE status = 'held' ORDER BY id"))


def outbox_scheduled(db: sqlite3.Connection) -> tuple[OutboxEntry, ...]:
    """Entries that wait for their moment, the next one first."""
    return _legible(db, send_rows(db, "WHERE status = 'scheduled' ORDER BY due_at, id"))


def scheduled_sends(db: sqlite3.Connection) -> tuple[OutboxEntry, ...]:
    """Scheduled sends that have not gone out: `scheduled`, or `held` for a yes; the next one first."""
    rows = send_rows(db, "WHERE status IN ('scheduled', 'held') AND due_at IS NOT NULL ORDER BY due_at, id")
    return _legible(db, rows)


def next_due(db: sqlite3.Connection) -> datetime | None:
    """When the next scheduled send is to go out; None if none is scheduled."""
    due = db.execute("SELECT min(due_at) FROM outbox WHERE status = 'scheduled'").fetchone()[0]
    return None if due is None else send_time(due / 1000)


def is_replied(db: sqlite3.Connection, send_id: int) -> bool:
    """Return whether a send that a reply cancels was replied to: somebody else wrote in its chat since.

    What has arrived since then counts, not what was written: neither clocks nor messages that were on their
    way decide. What arrives late, as the phone's past does, is no reply: by WhatsApp's clock it is older than
    what was known then; the computer's may be fast.
    """
    chat, jid, after, created = db.execute(
        "SELECT chat_id, chat, replies_after, created_at / 1000 FROM outbox WHERE id = ?", (send_id,)
    ).fetchone()
    if after is None:
        return False
    newest = db.execute(
        "SELECT id FROM messages WHERE ref <= ? ORDER BY id DESC LIMIT 1", (after,)
    ).fetchone()
    known = created if newest is None else min(created, newest[0] >> ID_BITS)
    (is_any,) = db.execute(
        f"""SELECT EXISTS (SELECT 1 FROM messages WHERE chat_id IN ({SEND_CHATS})
        AND sender_id > 0 AND ref > ? AND id >= ? AND kind <> ?)""",  # noqa: S608
        (chat, jid, after, (known - _OLDEST_REPLY) << ID_BITS, _NOTICE),
    ).fetchone()
    return bool(is_any)


def _legible(db: sqlite3.Connection, rows: Sequence[SendRow]) -> tuple[OutboxEntry, ...]:
    """The entries of those rows that are not damaged."""
    entries: list[OutboxEntry] = []
    for row in rows:
        with suppress(MessageNotFound):
            entries.append(send_entry(db, row))
    return tuple(entries)


def send_files(db: sqlite3.Connection) -> frozenset[str]:
    """Paths of the files of sends that may still go out."""
    entries = (*outbox_unsettled(db), *outbox_held(db), *outbox_scheduled(db))
    return frozenset(file.path for entry in entries for file in files_of(entry.request.content))


def needed_files(db: sqlite3.Connection) -> frozenset[str]:
    """Paths of the files of messages, and of sends that may still go out."""
    recorded = db.execute("SELECT path FROM media WHERE path IS NOT NULL")
    return send_files(db).union(path for (path,) in recorded)


def repeated_sources(db: sqlite3.Connection, wa_ids: Collection[str]) -> Mapping[str, frozenset[str]]:
    """Return the sources whose words may be in messages that agents wrote or edited, by WhatsApp's id.

    Those that had been handed out to the agent, and those in files that came with another message. A message
    that no agent wrote is left out, and so is one in which nobody's words may stand.

    Args:
        db: The archive.
        wa_ids: Of messages of this account, or of any.
    """
    sources_by_id: dict[str, frozenset[str]] = {}
    if not wa_ids:
        return sources_by_id
    asked = json.dumps(list(wa_ids))
    for wa_id, authorship in db.execute(AUTHORSHIPS, (asked,)):
        if sources := _sources(authorship):
            sources_by_id[wa_id] = sources_by_id.get(wa_id, frozenset()) | sources
    return sources_by_id


def _sources(authorship: str) -> frozenset[str]:
    """The sources of a stored authorship, with those of the files; of a damaged one, all."""
    try:
        stored = json.loads(authorship)
        return frozenset(map(str, [*stored["sources"], *stored.get("carried", ())]))
    except (ValueError, TypeError, KeyError, AttributeError):
        return frozenset({"stranger", "contact"})
