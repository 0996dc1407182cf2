"""A slice of an import inside its transaction: its messages, and what is derived of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from whatsapp_mcp.archive import state
from whatsapp_mcp.archive.database import ID_BITS, RAW_GONE, column, placeholders, value
from whatsapp_mcp.archive.exchange.foreign_reading import Taken
from whatsapp_mcp.archive.exchange.imported_messages import ImportedMessage, ImportedMessages
from whatsapp_mcp.archive.identity import Identities, refresh_chat
from whatsapp_mcp.archive.write import Applying
from whatsapp_mcp.decoding import UNREAD_SQL

_SPAN: Final = """INSERT INTO imported_chats VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
 first = min(first, excluded.first), last = max(last, excluded.last), messages = messages + excluded.messages,
 read_to = max(read_to, excluded.read_to)"""
_MOVE_ON: Final = "UPDATE chats SET last_id = max(last_id, ?), read_id = max(read_id, ?) WHERE id = ?"

_UNREAD: Final = f"""SELECT c.id, min(m.id) FROM chats AS c JOIN messages AS m ON m.chat_id = c.id
 WHERE c.id IN ({{chats}}) AND c.unread > 0 AND {UNREAD_SQL} GROUP BY c.id"""  # noqa: S608
"""The oldest unread message of each chat that has some."""


@dataclass(slots=True)
class _Span:
    """What the slice has of a chat: its address, and the columns of `imported_chats`."""

    address: int
    first: int
    last: int
    messages: int = 0
    read_to: int = 0
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
                if not one.filled:
                    span.read_to = max(span.read_to, at)
        self._keep_unread(spans)
        self._move_on(spans)

    def _keep_unread(self, spans: dict[int, _Span]) -> None:
        """Let nothing that is unread count as read, nor what is still to come."""
        unread: dict[int, int] = dict(
            self._db.execute(_UNREAD.format(chats=placeholders(spans)), [*spans]).fetchall()
        )
        for chat, span in spans.items():
            oldest = unread.get(chat)
            most = self._on.seconds if oldest is None else (oldest >> ID_BITS) - 1
            span.read_to = max(0, min(span.read_to, most))

    def _move_on(self, spans: dict[int, _Span]) -> None:
        """Bring what is derived of chats up to date; only what was unread has to be counted again."""
        db = self._db
        db.executemany(
            _SPAN,
            [
                (self._number, one.address, one.first, one.last, one.messages, one.read_to)
                for one in spans.values()
            ],
        )
        moved = {chat: one for chat, one in spans.items() if one.newest}
        db.executemany(
            _MOVE_ON,
            [
                (one.newest, state.last_of(one.read_to) if one.read_to else 0, chat)
                for chat, one in moved.items()
            ],
        )
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
