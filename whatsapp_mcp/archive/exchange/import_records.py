"""Imports by their numbers: begun, gone on with, ended, and what they brought so far; and a slice of one.

Each function applies the operation of its name and takes its values; see the same method of `Archive`. A
slice is what one operation of an import writes, inside its transaction: its messages, and what is derived of
them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pydantic import TypeAdapter

from whatsapp_mcp.archive import state
from whatsapp_mcp.archive.database import RAW_GONE, column, placeholders, value
from whatsapp_mcp.archive.exchange.foreign_reading import AcceptedMessage
from whatsapp_mcp.archive.exchange.imported_messages import ImportedMessage, ImportedMessages
from whatsapp_mcp.archive.identity import Identities, refresh_chat
from whatsapp_mcp.archive.write import WriteContext
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.models import ImportRecord, ImportReport, ImportSource, ImportState

REPORT: Final = TypeAdapter(ImportReport)
_COLUMNS: Final = "id, source, file, chat, began_at, ended_at, state, position, report, error"
_GOES_ON: Final = (ImportState.RUNNING, ImportState.FAILED, ImportState.CANCELLED, ImportState.INTERRUPTED)
"""An import that ended so is gone on with when the same file is imported again."""
_LONGEST_NAME: Final = 255
_SPAN: Final = """INSERT INTO imported_chats VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
 first = min(first, excluded.first), last = max(last, excluded.last),
 messages = messages + excluded.messages"""
_MOVE_ON: Final = "UPDATE chats SET last_id = max(last_id, ?) WHERE id = ?"


def import_begun(
    context: WriteContext, source: ImportSource, file: str, fingerprint: bytes, chat: str | None = None
) -> ImportRecord:
    """Begin an import, or go on with the one of the same file that was not done.

    Args:
        context: The operation.
        source: What wrote the file.
        file: Its name, without its folder.
        fingerprint: The same for the same file.
        chat: Jid of the chat that it is, if it does not name its chats.
    """
    db = context.db
    states = ", ".join(f"'{each}'" for each in _GOES_ON)
    number = value(
        db,
        f"""SELECT max(id) FROM imports WHERE fingerprint = ? AND source = ? AND chat IS ?
        AND state IN ({states})""",  # noqa: S608
        (fingerprint, source, chat),
    )
    if number is None:
        nothing = REPORT.dump_json(ImportReport()).decode()
        (number,) = db.execute(
            """INSERT INTO imports (source, file, fingerprint, chat, began_at, state, report)
            VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id""",
            (source, file[:_LONGEST_NAME], fingerprint, chat, context.at, ImportState.RUNNING, nothing),
        ).fetchall()[0]
    else:
        db.execute(
            "UPDATE imports SET state = ?, ended_at = NULL, error = NULL WHERE id = ?",
            (ImportState.RUNNING, number),
        )
    return import_record(db, number)


def import_ended(
    context: WriteContext, number: int, ending: ImportState, error: str | None = None
) -> ImportRecord:
    """Write down that an import is done, or why it is not.

    Args:
        context: The operation.
        number: Of the import.
        ending: How it ended.
        error: Why it failed, and what to do; of our own words alone.
    """
    db = context.db
    import_record(db, number)
    db.execute(
        "UPDATE imports SET state = ?, ended_at = ?, error = ? WHERE id = ?",
        (ending, context.at, error, number),
    )
    if ending is ImportState.DONE:
        db.execute("DELETE FROM imported_pairs WHERE import_id = ?", (number,))
    state.add_change(db, "history")
    return import_record(db, number)


def import_files(context: WriteContext, number: int, stored: int, left_out: int) -> ImportReport:
    """Count files in the report of an import.

    Args:
        context: The operation.
        number: Of the import.
        stored: Files that were stored since the last call.
        left_out: Files that were not.
    """
    return add_to_report(context.db, number, ImportReport(files=stored, files_left_out=left_out))


def add_to_report(db: sqlite3.Connection, number: int, more: ImportReport) -> ImportReport:
    """Add to what an import brought; answers all of it. A dry run has the number 0, and no report."""
    stored = value(db, "SELECT report FROM imports WHERE id = ?", (number,))
    if stored is None:
        return more
    report = REPORT.validate_json(stored) + more
    db.execute("UPDATE imports SET report = ? WHERE id = ?", (REPORT.dump_json(report).decode(), number))
    return report


def import_record(db: sqlite3.Connection, number: int) -> ImportRecord:
    """An import.

    Raises:
        InvalidArgument: There is none with this number.
    """
    records = _records(db, "WHERE id = ?", number)
    if not records:
        raise InvalidArgument(f"There is no import {number}.", "List the imports to see their numbers.")
    return records[0]


def position_of(db: sqlite3.Connection, number: int) -> int | None:
    """Return the position at which an import goes on; None at its beginning and for a dry run."""
    return value(db, "SELECT position FROM imports WHERE id = ?", (number,))


def imports(db: sqlite3.Connection) -> tuple[ImportRecord, ...]:
    """All imports, the newest first.

    One that is `running` in the archive may have been interrupted: only whoever leads the account knows.
    """
    return _records(db, "ORDER BY id DESC")


def _records(db: sqlite3.Connection, rest: str, *values: int) -> tuple[ImportRecord, ...]:
    return tuple(
        ImportRecord(
            number,
            ImportSource(source),
            file,
            chat,
            _time(began),
            None if ended is None else _time(ended),
            ImportState(where),
            position,
            REPORT.validate_json(report),
            error,
        )
        for number, source, file, chat, began, ended, where, position, report, error in db.execute(
            f"SELECT {_COLUMNS} FROM imports {rest}",  # noqa: S608
            values,
        ).fetchall()
    )


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1000, UTC)


@dataclass(slots=True)
class _Span:
    """The slice's part of a chat: its address, and the columns of `imported_chats`."""

    address: int
    first: int
    last: int
    messages: int = 0
    newest: int = 0


class ImportSlice:
    """The writer of one operation of an import.

    Attributes:
        identities: Who is who.
    """

    def __init__(self, context: WriteContext, number: int) -> None:
        self._context = context
        self._db = context.db
        self._number = number
        context.db.execute(RAW_GONE)
        self.identities = Identities(context.db, context.lookups)
        self.messages = ImportedMessages(context, number, self.identities)
        self._before = [
            value(context.db, f"SELECT max(id) FROM {table}") or 0  # noqa: S608
            for table in ("addresses", "chats")
        ]

    def place(self, taken: AcceptedMessage) -> ImportedMessage:
        """A message with the numbers of its chat and sender."""
        sent_at, identities = taken.foreign.at, self.identities
        return ImportedMessage(
            taken, identities.chat(taken.chat, sent_at), identities.sender(taken.sender, sent_at)
        )

    def write(self, messages: Sequence[ImportedMessage]) -> None:
        """Write messages, and what is derived of their chats."""
        self.messages.write(sorted(messages, key=_sent_at))
        spans: dict[int, _Span] = {}
        for one in messages:
            sent_at = one.taken.foreign.at
            span = spans.get(one.chat)
            if span is None:
                span = spans[one.chat] = _Span(self.identities.address(one.taken.chat).id, sent_at, sent_at)
            span.first, span.last = min(span.first, sent_at), max(span.last, sent_at)
            if one.imported:
                span.messages += not one.again
                span.newest = max(span.newest, one.id)
        self._move_on(spans)

    def _move_on(self, spans: dict[int, _Span]) -> None:
        """Bring what is derived of chats up to date; only what was unread has to be counted again."""
        db = self._db
        db.executemany(
            _SPAN,
            [(self._number, one.address, one.first, one.last, one.messages) for one in spans.values()],
        )
        moved = {chat: one for chat, one in spans.items() if one.newest}
        db.executemany(_MOVE_ON, [(one.newest, chat) for chat, one in moved.items()])
        unread = f"SELECT id FROM chats WHERE id IN ({placeholders(moved)}) AND (unread OR marked_unread)"  # noqa: S608
        self.messages.written.touched |= {*column(db, unread, [*moved])}

    def finish(self) -> None:
        """Bring the rest of what is derived up to date."""
        db = self._db
        for chat in self.messages.written.touched:
            refresh_chat(db, chat)
        db.execute("DELETE FROM raw_gone")  # what a file brought has no raw form
        addresses, chats = self._before
        db.execute(
            "INSERT OR IGNORE INTO imported_addresses SELECT ?, jid, 0 FROM addresses WHERE id > ?",
            (self._number, addresses),
        )
        db.execute(
            "INSERT OR IGNORE INTO imported_addresses SELECT ?, jid, 1 FROM chats WHERE id > ?",
            (self._number, chats),
        )
        state.add_contact_changes(db, self.identities.changed)
        self.identities.changed.clear()
        self._context.keeps_lookups = True


def _sent_at(message: ImportedMessage) -> int:
    return message.taken.foreign.at
