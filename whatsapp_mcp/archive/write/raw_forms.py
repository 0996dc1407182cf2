"""The raw protobufs of messages, in `raw.db`, brought in line with what an operation has written."""

from __future__ import annotations

from whatsapp_mcp.archive.database import value
from whatsapp_mcp.archive.write.applying import Applying, begin_raw_operation
from whatsapp_mcp.archive.write.message_writer import MessageWriter
from whatsapp_mcp.storage import transaction


def keep_raw(on: Applying, messages: MessageWriter) -> None:
    """Store and delete raw protobufs, before the archive's own transaction commits.

    Only what is nowhere else (a message of unknown kind) or must be gone (a revoked one) waits for the
    disk; the raw form of a decoded message may be lost with the power, the message itself is not.
    """
    changes = _raw_changes(on, messages)
    if messages.raw or changes:
        # With a log, what `archive.db` loses with the power is applied again; `raw.db` must not be behind.
        wait = bool(changes) or messages.unknown or on.mark is not None
        on.raw.execute(f"PRAGMA synchronous = {'FULL' if wait else 'NORMAL'}")
        with transaction(on.raw):
            begin_raw_operation(on)
            for message, _, becomes in changes:
                if becomes is None:
                    on.raw.execute("DELETE FROM raw WHERE message_id = ?", (message,))
                else:
                    on.raw.execute(
                        "UPDATE OR REPLACE raw SET message_id = ? WHERE message_id = ?", (becomes, message)
                    )
            on.raw.executemany(
                "INSERT OR REPLACE INTO raw VALUES (?, ?, ?)",
                [(message, code, payload) for message, (code, payload) in sorted(messages.raw.items())],
            )
    on.files += [path for _, path, _ in changes if path is not None]


def _raw_changes(on: Applying, messages: MessageWriter) -> list[tuple[int, str | None, int | None]]:
    """Messages whose raw protobuf must go, with their downloaded files, or gets an earlier id.

    Asked once, at the end; what is to be stored then is of messages that keep it.
    """
    found = on.db.execute(
        "SELECT message_id, path, becomes FROM raw_gone ORDER BY message_id DESC"
    ).fetchall()
    if found:
        on.db.execute("DELETE FROM raw_gone")
    for message, _, becomes in found:
        kept = "SELECT 1 FROM messages WHERE id = ? AND revoked_at IS NULL"
        if message in messages.raw and value(on.db, kept, (message,)) is None:
            raw = messages.raw.pop(message)
            if becomes is not None:
                messages.raw[becomes] = raw
    return found
