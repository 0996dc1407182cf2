"""A slice of an import inside its transaction: its messages, and what is derived of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from whatsapp_mcp.archive import state
from whatsapp_mcp.archive.database import RAW_GONE, column, placeholders, value
from whatsapp_mcp.archive.exchange.foreign_reading import Taken
from whatsapp_mcp.archive.exchange.imported_messages import ImportedMessage, ImportedMessages
from whatsapp_mcp.archive.identity import Identities, refresh_chat
from whatsapp_mcp.archive.write import Applying

_SPAN: Final = """INSERT INTO imported_chats VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
 first = min(first, excluded.first), last = max(last, excluded.last),
 messages = messages + excluded.messages"""
_MOVE_ON: Final = "UPDATE chats SET last_id = max(last_id, ?) WHERE id = ?"


@dataclass(slots=True)
class _Span:
    """What the slice has of a chat: its address, and the columns of `imported_chats`."""

    address: int
    first: int
    last: int
    messages: int = 0
    newest: int = 0


class ImportSlice:
    """What one operation of an import writes.

    Attributes:
        identities: Who is who.
    """

    def __init__(self, on: Applying, number: int) -> None:
        self._on = on
        self._db = on.db
        self._number = number
        on.db.execute(RAW_GONE)
        self.identities = Identities(on.db, on.lookups)
        self.messages = ImportedMessages(on, number, self.identities)
        self._before = [value(on.db, f"SELECT max(id) FROM {table}") or 0 for table in ("addresses", "chats")]  # noqa: S608

    def place(self, taken: Taken) -> ImportedMessage:
        """A message with the numbers of its chat and sender."""
        at, identities = taken.foreign.at, self.identities
        return ImportedMessage(taken, identities.chat(taken.chat, at), identities.sender(taken.sender, at))

    def write(self, messages: Sequence[ImportedMessage]) -> None:
        """Write messages, and what is derived of their chats."""
        self.messages.write(sorted(messages, key=_time))
        spans: dict[int, _Span] = {}
        for one in messages:
            at = one.taken.foreign.at
            span = spans.get(one.chat)
            if span is None:
                span = spans[one.chat] = _Span(self.identities.address(one.taken.chat).id, at, at)
            span.first, span.last = min(span.first, at), max(span.last, at)
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
        self._on.keeps_lookups = True


def _time(one: ImportedMessage) -> int:
    return one.taken.foreign.at
