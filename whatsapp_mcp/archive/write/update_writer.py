"""Facts into the archive's tables, in the order in which one may lean on another."""

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
    ChatFact,
    Fact,
    HistoryFact,
    IdentityFact,
    LinkedFact,
    MembersFact,
    MessageFact,
    NameFact,
    OwnFact,
    ReceiptFact,
    UndecodedFact,
    UnreadFact,
)
from whatsapp_mcp.models import MessageKind

_LAST: Final = (UnreadFact, *state.OF_UPDATE)


class FactWriter:
    """Writes facts inside a write transaction; what is derived of them is up to date after `finish`.

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

    def write(self, facts: Sequence[Fact], received_at: int = 0) -> None:
        """Write facts that came together.

        Args:
            received_at: When the library handed them over, in milliseconds; 0 where it did not.
        """
        for fact in facts:
            decoding.bound_update(fact)
        history = any(isinstance(fact, HistoryFact) for fact in facts)
        chats: dict[str, list[MessageFact]] = {}
        ordered = in_order(facts)
        own = {one.chat: one for one in ordered if isinstance(one, MessageFact) and one.sender is None}
        for fact in ordered:
            match fact:
                case MessageFact():
                    self._message(fact, newest=own.get(fact.chat) is fact)
                    if history:
                        chats.setdefault(fact.chat, []).append(fact)
                case UnreadFact():
                    self._states.unread(fact, chats.get(fact.chat, []))
                case IdentityFact():
                    self.identities.learn(fact.pn, fact.lid, fact.at)
                case OwnFact():
                    self.identities.owner(fact.jid)
                case NameFact():
                    self._states.name(fact)
                case LinkedFact():
                    self._states.linked(received_at)
                case HistoryFact():
                    self._states.history(fact, received_at)
                case ReceiptFact():
                    self._states.receipt(fact)
                case ChatFact():
                    self._states.chat(fact)
                case MembersFact():
                    self._states.members(fact)
                case UndecodedFact():
                    pass
                case _:
                    self._addons.write(fact)
        if history:
            state.add_change(self._db, "history")

    def _message(self, fact: MessageFact, newest: bool) -> None:
        self.messages.message(fact, newest=newest)
        if fact.content.kind is MessageKind.POLL:
            for chat in state.addon_chats(self._db, self.identities.address(fact.chat).id):
                state.open_sealed_votes(self._db, chat, fact.wa_id)

    def forget(self) -> None:
        """What was looked up may have been rolled back."""
        self.identities.forget()
        self.messages.forget()

    def finish(self) -> None:
        """Bring what is derived of the touched chats up to date."""
        if self.identities.merged:
            state.open_waiting_votes(self._db)
        for chat in self.messages.touched:
            identity.refresh_chat(self._db, chat)
        self.messages.touched.clear()


def in_order(facts: Sequence[Fact]) -> list[Fact]:
    """Who is who first, then messages in the order of time, then what is about messages."""
    if len(facts) < 3:
        return list(facts)

    def rank(fact: Fact) -> tuple[int, int]:
        if isinstance(fact, IdentityFact | OwnFact):
            return (0, 0)
        if isinstance(fact, MessageFact):
            return (2, fact.at)
        return (3, 0) if isinstance(fact, _LAST) else (1, 0)

    return sorted(facts, key=rank)
