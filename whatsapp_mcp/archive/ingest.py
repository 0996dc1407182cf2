"""A batch of journal events into the archive: facts are written, what cannot be read is kept aside.

One event stands in one savepoint. When writing it fails, its facts are tried one by one, so that a poisoned
part costs only itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from whatsapp_mcp.archive import feed, merge, outbox, votes
from whatsapp_mcp.archive.decode import UNDECODABLE, decode_event
from whatsapp_mcp.archive.facts import (
    CallFact,
    ChatFact,
    EditFact,
    Fact,
    HistoryFact,
    IdentityFact,
    LinkedFact,
    MembersFact,
    MessageFact,
    NameFact,
    OwnFact,
    ReactionFact,
    ReceiptFact,
    RevokeFact,
    SealedFact,
    UndecodedFact,
    UnreadFact,
    VoteFact,
)
from whatsapp_mcp.archive.identity import Identities, Lookups
from whatsapp_mcp.archive.records import (
    IngestResult,
    JournalEvent,
)
from whatsapp_mcp.archive.schema import RAW_GONE
from whatsapp_mcp.archive.write_messages import MessageWriter
from whatsapp_mcp.archive.write_states import StateWriter
from whatsapp_mcp.models import MessageKind

POISON: Final = (
    *UNDECODABLE,
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    OverflowError,
)
"""What writing a malformed fact may raise; a full disk or a lock is not among them."""

_PART_BITS: Final = 20
_PRUNE_EVERY: Final = 500
"""Journal events between two looks at old entries of the change feed."""


def position(db: sqlite3.Connection) -> int:
    """Journal sequence number up to which everything is archived."""
    row = db.execute("SELECT value FROM meta WHERE key = 'position'").fetchone()
    return int(row[0]) if row else 0


class Ingest:
    """One batch, inside a write transaction; `raw` and `raw_changes` go to `raw.db` before it commits.

    Args:
        lookups: What the batch before has looked up, if nothing was written since.
    """

    def __init__(self, db: sqlite3.Connection, lookups: Lookups | None = None) -> None:
        self._db = db
        db.execute(RAW_GONE)
        self._identities = Identities(db, lookups)
        self._messages = MessageWriter(db, self._identities)
        self._states = StateWriter(db, self._identities, self._messages)
        self._undecoded = 0
        self._unknown = outbox.unknown_ids(db)

    @property
    def raw(self) -> dict[int, tuple[int, bytes]]:
        """Raw protobufs of new messages: message id to (event code, payload)."""
        return self._messages.raw

    def raw_changes(self) -> list[tuple[int, str | None, int | None]]:
        """Messages whose raw protobuf must go, with their downloaded files, or gets an earlier id.

        Asked once, at the end; what is in `raw` then is of messages that keep it.
        """
        found = self._db.execute(
            "SELECT message_id, path, becomes FROM raw_gone ORDER BY message_id DESC"
        ).fetchall()
        if found:
            self._db.execute("DELETE FROM raw_gone")
        for message, _, becomes in found:
            kept = "SELECT 1 FROM messages WHERE id = ? AND revoked_at IS NULL"
            if message in self.raw and self._db.execute(kept, (message,)).fetchone() is None:
                raw = self.raw.pop(message)
                if becomes is not None:
                    self.raw[becomes] = raw
        return found

    @property
    def unknown(self) -> bool:
        """Whether a raw protobuf is all that there is of a message."""
        return self._messages.unknown

    @property
    def opens_sealed(self) -> bool:
        """Whether a sealed add-on and the message it belongs to may have come together."""
        return self._messages.opens_sealed or self._identities.merged

    @property
    def new(self) -> int:
        """Messages that were new."""
        return self._messages.new

    @property
    def duplicates(self) -> int:
        """Messages that were there already."""
        return self._messages.duplicates

    def run(self, events: Sequence[JournalEvent]) -> IngestResult:
        """Archive the events after the archive's position, and the position."""
        done = before = position(self._db)
        for event in events:
            if event.seq > done:
                self._event(event)
                done = event.seq
        self.finish()
        if done // _PRUNE_EVERY != before // _PRUNE_EVERY:
            feed.prune(self._db)
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('position', ?)", (str(done),))
        return IngestResult(
            position=done,
            messages=self._messages.new,
            duplicates=self._messages.duplicates,
            undecoded=self._undecoded,
            last_change=feed.last(self._db),
        )

    def apply(self, facts: Sequence[Fact], received_at: int = 0) -> None:
        """Write facts that come from elsewhere than the journal."""
        self._write(facts, received_at)
        self.finish()

    def apply_opened(self, opened: Sequence[tuple[int, Sequence[Fact]]]) -> None:
        """Write what opened add-ons say; what cannot be written goes on waiting.

        Args:
            opened: Row of `sealed`, and its facts.
        """
        for row, facts in opened:
            with suppress(*POISON), self._savepoint():
                self._write(facts, 0)
                self._db.execute("DELETE FROM sealed WHERE rowid = ?", (row,))
        self.finish()

    def finish(self) -> None:
        """Bring what is derived of the touched chats up to date."""
        if self._identities.merged:
            votes.open_waiting(self._db)
        for chat in self._messages.touched:
            merge.refresh_chat(self._db, chat)
        self._messages.touched.clear()

    def _event(self, event: JournalEvent) -> None:
        try:
            facts = decode_event(event.code, event.payload, event.received_at)
        except UNDECODABLE as error:
            self._set_aside(event.seq, 0, event.code, event.received_at, event.payload, type(error).__name__)
            return
        try:
            with self._savepoint():
                self._write(facts, event.received_at)
        except POISON:
            self._one_by_one(event, facts)
        unreadable = [fact for fact in facts if isinstance(fact, UndecodedFact)]
        for part, fact in enumerate(unreadable, 1):
            self._set_aside(event.seq, part, fact.code, event.received_at, fact.payload, fact.error)

    def _one_by_one(self, event: JournalEvent, facts: Sequence[Fact]) -> None:
        failed = ""
        for fact in _in_order(facts):
            try:
                with self._savepoint():
                    self._write([fact], event.received_at)
            except POISON as error:
                failed = f"{type(fact).__name__}: {type(error).__name__}"
        if failed:
            self._set_aside(event.seq, 0, event.code, event.received_at, event.payload, failed)

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        raw, counts = len(self.raw), (self._messages.new, self._messages.duplicates)
        self._db.execute("SAVEPOINT event")
        try:
            yield
        except POISON:
            self._db.execute("ROLLBACK TO event")
            self._db.execute("RELEASE event")
            self._identities.forget()
            self._messages.forget()
            while len(self.raw) > raw:
                self.raw.popitem()
            self._messages.new, self._messages.duplicates = counts
            raise
        self._db.execute("RELEASE event")

    def _set_aside(self, seq: int, part: int, code: int, at: int, payload: bytes, error: str) -> None:
        self._undecoded += 1
        self._db.execute(
            "INSERT OR REPLACE INTO undecoded VALUES (?, ?, ?, ?, ?)",
            ((seq << _PART_BITS) | part, code, at, payload, error),
        )

    def _write(self, facts: Sequence[Fact], received_at: int) -> None:
        history = any(isinstance(fact, HistoryFact) for fact in facts)
        chats: dict[str, list[MessageFact]] = {}
        ordered = _in_order(facts)
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
                    self._identities.learn(fact.pn, fact.lid, fact.at)
                case OwnFact():
                    self._identities.owner(fact.jid)
                case NameFact():
                    self._states.name(fact)
                case LinkedFact():
                    self._states.linked(received_at)
                case HistoryFact():
                    self._states.history(fact, received_at)
                case ReceiptFact():
                    self._states.receipt(fact)
                case UndecodedFact():
                    pass
                case _:
                    self._state(fact)
            if self._unknown:
                outbox.settle_by(self._db, fact)
        if history:
            feed.tell(self._db, "history")

    def _message(self, fact: MessageFact, newest: bool) -> None:
        self._messages.message(fact, newest=newest)
        if fact.content.kind is MessageKind.POLL:
            chat = self._identities.chat(fact.chat, fact.at, fact.wa_id)
            votes.open_sealed(self._db, chat, fact.wa_id)

    def _state(self, fact: Fact) -> None:
        match fact:
            case EditFact():
                self._messages.edit(fact)
            case RevokeFact():
                self._messages.revoke(fact)
            case ReactionFact():
                self._states.reaction(fact)
            case VoteFact():
                self._states.vote(fact)
            case SealedFact():
                self._states.sealed(fact)
            case CallFact():
                self._states.call(fact)
            case ChatFact():
                self._states.chat(fact)
            case MembersFact():
                self._states.members(fact)
            case _:
                raise TypeError(f"no writer for {type(fact).__name__}")


_LAST = (UnreadFact, ReceiptFact, ReactionFact, VoteFact, EditFact, RevokeFact)


def _in_order(facts: Sequence[Fact]) -> list[Fact]:
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
