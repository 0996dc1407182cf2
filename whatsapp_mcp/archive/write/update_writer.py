"""Writes updates into the archive's tables, in the order in which one may depend on another."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from whatsapp_mcp import decoding
from whatsapp_mcp.archive import identity, state
from whatsapp_mcp.archive.database import RAW_GONE
from whatsapp_mcp.archive.identity import Identities, Lookups
from whatsapp_mcp.archive.write.addon_writer import AddOnWriter
from whatsapp_mcp.archive.write.message_writer import MessageWriter
from whatsapp_mcp.archive.write.state_writer import StateWriter
from whatsapp_mcp.decoding import (
    ChatUpdate,
    HistoryUpdate,
    IdentityUpdate,
    LinkedUpdate,
    MembersUpdate,
    MessageUpdate,
    NameUpdate,
    OwnUpdate,
    ReceiptUpdate,
    UndecodedUpdate,
    UnreadUpdate,
    Update,
)
from whatsapp_mcp.models import MessageKind

_LAST: Final = (UnreadUpdate, *state.OF_UPDATE)


class UpdateWriter:
    """Writes updates inside a write transaction; what is derived of them is up to date after `finish`.

    Args:
        lookups: What an earlier writer has looked up, if nothing was written since.
    """

    def __init__(self, db: sqlite3.Connection, lookups: Lookups | None = None) -> None:
        self._db = db
        db.execute(RAW_GONE)
        self.identities = Identities(db, lookups)
        self.messages = MessageWriter(db, self.identities)
        self._addons = AddOnWriter(db, self.identities, self.messages)
        self._states = StateWriter(db, self.identities, self.messages)

    def write(self, updates: Sequence[Update], received_at: int = 0) -> None:
        """Write updates that came together.

        Args:
            received_at: When the library handed them over, in milliseconds; 0 where it did not.
        """
        for update in updates:
            decoding.bound_update(update)
        history = any(isinstance(update, HistoryUpdate) for update in updates)
        chats: dict[str, list[MessageUpdate]] = {}
        ordered = in_order(updates)
        own = {one.chat: one for one in ordered if isinstance(one, MessageUpdate) and one.sender is None}
        for update in ordered:
            match update:
                case MessageUpdate():
                    self._message(update, newest=own.get(update.chat) is update)
                    if history:
                        chats.setdefault(update.chat, []).append(update)
                case UnreadUpdate():
                    self._states.unread(update, chats.get(update.chat, []))
                case IdentityUpdate():
                    self.identities.learn(update.pn, update.lid, update.at)
                case OwnUpdate():
                    self.identities.owner(update.jid)
                case NameUpdate():
                    self._states.name(update)
                case LinkedUpdate():
                    self._states.linked(received_at)
                case HistoryUpdate():
                    self._states.history(update, received_at)
                case ReceiptUpdate():
                    self._states.receipt(update, received_at // 1000)
                case ChatUpdate():
                    self._states.chat(update)
                case MembersUpdate():
                    self._states.members(update)
                case UndecodedUpdate():
                    pass
                case _:
                    self._addons.write(update, received_at // 1000)
        if history:  # which also says that anybody may be called otherwise now
            state.add_change(self._db, "history")
        else:
            state.add_contact_changes(self._db, self.identities.changed)
        self.identities.changed.clear()

    def _message(self, update: MessageUpdate, newest: bool) -> None:
        self.messages.message(update, newest=newest)
        if update.content.kind is MessageKind.POLL:
            for chat in state.addon_chats(self._db, self.identities.address(update.chat).id):
                state.open_sealed_votes(self._db, chat, update.wa_id)

    def forget(self) -> None:
        """What was looked up may have been rolled back."""
        self.identities.forget()
        self.identities.changed.clear()
        self.messages.forget()

    def finish(self) -> None:
        """Bring what is derived of the touched chats up to date."""
        if self.identities.merged:
            state.open_waiting_votes(self._db)
        for chat in self.messages.touched:
            identity.refresh_chat(self._db, chat)
        self.messages.touched.clear()


def in_order(updates: Sequence[Update]) -> list[Update]:
    """Who is who first, then messages in the order of time, then what is about messages."""
    if len(updates) < 3:
        return list(updates)

    def rank(update: Update) -> tuple[int, int]:
        if isinstance(update, IdentityUpdate | OwnUpdate):
            return (0, 0)
        if isinstance(update, MessageUpdate):
            return (2, update.at)
        return (3, 0) if isinstance(update, _LAST) else (1, 0)

    return sorted(updates, key=rank)
