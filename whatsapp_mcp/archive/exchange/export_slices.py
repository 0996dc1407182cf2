"""Applies a slice of an exported chat."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from whatsapp_mcp.archive import state
from whatsapp_mcp.archive.exchange.chat_exports import NEAR, exported_message, find_here
from whatsapp_mcp.archive.exchange.foreign_reading import clean_text, possible_time
from whatsapp_mcp.archive.exchange.import_records import ImportSlice, add_to_report
from whatsapp_mcp.archive.exchange.imported_messages import ImportedMessage
from whatsapp_mcp.archive.exchange.prepared_imports import DatedMessage
from whatsapp_mcp.archive.read import chat_id
from whatsapp_mcp.archive.write import WriteContext
from whatsapp_mcp.decoding import OWNER, NameKind
from whatsapp_mcp.models import ImportReport, Unreadable

_MESSAGES: Final = 50
"""Messages of a slice: some milliseconds."""


def export_slices(
    messages: Sequence[DatedMessage], begin: int
) -> list[tuple[Sequence[DatedMessage], Sequence[DatedMessage], int]]:
    """The messages from a place on in slices: those before it that may be the same, its own, and its end."""
    slices: list[tuple[Sequence[DatedMessage], Sequence[DatedMessage], int]] = []
    for start in range(begin, len(messages), _MESSAGES):
        end = min(start + _MESSAGES, len(messages))
        first = next((one.at for one in messages[start:end] if one.at is not None), None)
        before = start
        # Twice `NEAR`: two exported messages may both be near one that is here, on either side of it.
        while before > 0 and first is not None and first - (messages[before - 1].at or 0) <= 2 * NEAR:
            before -= 1
        slices.append((messages[before:start], messages[start:end], end))
    return slices


def import_chat_export(
    context: WriteContext,
    number: int,
    messages: Sequence[DatedMessage],
    before: Sequence[DatedMessage],
    chat: str,
    people: Sequence[tuple[str, str | None]],
    position: int,
) -> ImportReport:
    """Take over a slice of an exported chat; see `Archive.import_chat_export`.

    Args:
        context: The operation.
        number: Of the import; 0 in a dry run.
        messages: The slice.
        before: Messages right before it: what one of them is here, none of the slice is.
        chat: Jid of the chat that it is.
        people: Whose the names are; None: the owner's.
        position: Where the next slice begins.
    """
    part = ImportSlice(context, number)
    whose = dict(people)
    used: set[int] = set()
    new: list[ImportedMessage] = []
    known, skipped = list[int](), 0
    for place, one in enumerate((*before, *messages)):
        sent_at, counts = one.at, place >= len(before)
        if sent_at is None or not possible_time(context, sent_at):
            skipped += counts
            continue
        sender = whose.get(one.message.name, chat) if one.message.name else chat
        message = part.place(exported_message(one, sent_at, chat, sender))
        known_ref = _find(context, message, one, sent_at, used)
        if known_ref is None and counts:
            new.append(message)
        elif known_ref is not None and counts:
            known.append(known_ref)
    _name_strangers(context, number, part, people)
    part.write(new)
    part.finish()
    state.add_refs(context.db, number, [ref for ref in known if ref])
    written = part.messages.written
    times = [one.taken.foreign.at for one in new]
    report = ImportReport(
        written.new, written.known + len(known), written.filled,
        unreadable={Unreadable.NO_TIME: skipped} if skipped else {},
        first=_time(min(times, default=None)), last=_time(max(times, default=None)),
    )  # fmt: skip
    context.db.execute("UPDATE imports SET position = ? WHERE id = ?", (position, number))
    add_to_report(context.db, number, report)
    return report


def without_file(db: sqlite3.Connection, chat: str, files: Mapping[str, str]) -> dict[str, str]:
    """Return those of an exported chat's messages, by id with file name, whose file is not here."""
    missing: dict[str, str] = {}
    for wa_id, name in files.items():
        lacking = """SELECT 1 FROM messages AS m JOIN media AS d ON d.message_id = m.id
            WHERE m.chat_id = ? AND m.wa_id = ? AND d.path IS NULL"""
        if db.execute(lacking, (chat_id(db, chat), wa_id)).fetchone():
            missing[wa_id] = name
    return missing


def _find(
    context: WriteContext, message: ImportedMessage, one: DatedMessage, at: int, used: set[int]
) -> int | None:
    """The ref of the message here that an exported one is, 0 if it did not come by a file; None: it is new.

    One that has the id that is made of it is written again, which changes nothing.
    """
    own = context.db.execute(
        "SELECT id FROM messages WHERE (chat_id, wa_id, sender_id) = (?, ?, ?)", message.key
    ).fetchone()
    if own is not None:
        used.add(own[0])
        return None
    is_own = message.sender == OWNER
    match = find_here(context.db, message.chat, one.message, at, is_own=is_own, used=used)
    return None if match is None else match[0] if match[1] else 0


def _name_strangers(
    context: WriteContext, number: int, part: ImportSlice, people: Sequence[tuple[str, str | None]]
) -> None:
    """An address that stands for a name alone is called so."""
    for name, jid in people:
        if jid is None or not jid.endswith("@import"):
            continue
        row = (jid, int(NameKind.PUSH), number, clean_text(name))
        new = context.db.execute("INSERT OR IGNORE INTO imported_names VALUES (?, ?, ?, ?)", row).rowcount
        if new > 0:
            contact = part.identities.contact(jid)
            part.identities.refresh(contact)
            part.identities.changed.add(contact)


def _time(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
