"""A batch of journal events into the archive: facts are written, what cannot be read is kept aside.

One event stands in one savepoint. When writing it fails, its facts are tried one by one, so that a poisoned
part costs only itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from whatsapp_mcp.archive import feed, outbox
from whatsapp_mcp.archive.decode import UNDECODABLE, decode_event
from whatsapp_mcp.archive.facts import Fact, UndecodedFact
from whatsapp_mcp.archive.identity import Lookups
from whatsapp_mcp.archive.records import IngestResult, JournalEvent
from whatsapp_mcp.archive.write_facts import FactWriter, in_order

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
        self._facts = FactWriter(db, lookups)
        self._undecoded = 0
        self._unknown = outbox.unknown_ids(db)

    @property
    def raw(self) -> dict[int, tuple[int, bytes]]:
        """Raw protobufs of new messages: message id to (event code, payload)."""
        return self._facts.messages.raw

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
        return self._facts.messages.unknown

    @property
    def opens_sealed(self) -> bool:
        """Whether a sealed add-on and the message it belongs to may have come together."""
        return self._facts.messages.opens_sealed or self._facts.identities.merged

    @property
    def new(self) -> int:
        """Messages that were new."""
        return self._facts.messages.new

    @property
    def duplicates(self) -> int:
        """Messages that were there already."""
        return self._facts.messages.duplicates

    def run(self, events: Sequence[JournalEvent]) -> IngestResult:
        """Archive the events after the archive's position, and the position."""
        done = before = position(self._db)
        for event in events:
            if event.seq > done:
                self._event(event)
                done = event.seq
        self._facts.finish()
        if done // _PRUNE_EVERY != before // _PRUNE_EVERY:
            feed.prune(self._db)
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('position', ?)", (str(done),))
        return IngestResult(
            position=done,
            messages=self._facts.messages.new,
            duplicates=self._facts.messages.duplicates,
            undecoded=self._undecoded,
            last_change=feed.last(self._db),
        )

    def apply(self, facts: Sequence[Fact], received_at: int = 0) -> None:
        """Write facts that come from elsewhere than the journal."""
        self._write(facts, received_at)
        self._facts.finish()

    def apply_opened(self, opened: Sequence[tuple[int, Sequence[Fact]]]) -> None:
        """Write what opened add-ons say; what cannot be written goes on waiting.

        Args:
            opened: Row of `sealed`, and its facts.
        """
        for row, facts in opened:
            with suppress(*POISON), self._savepoint():
                self._write(facts, 0)
                self._db.execute("DELETE FROM sealed WHERE rowid = ?", (row,))
        self._facts.finish()

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
        for fact in in_order(facts):
            try:
                with self._savepoint():
                    self._write([fact], event.received_at)
            except POISON as error:
                failed = f"{type(fact).__name__}: {type(error).__name__}"
        if failed:
            self._set_aside(event.seq, 0, event.code, event.received_at, event.payload, failed)

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        raw, counts = len(self.raw), (self._facts.messages.new, self._facts.messages.duplicates)
        self._db.execute("SAVEPOINT event")
        try:
            yield
        except POISON:
            self._db.execute("ROLLBACK TO event")
            self._db.execute("RELEASE event")
            self._facts.forget()
            while len(self.raw) > raw:
                self.raw.popitem()
            self._facts.messages.new, self._facts.messages.duplicates = counts
            raise
        self._db.execute("RELEASE event")

    def _set_aside(self, seq: int, part: int, code: int, at: int, payload: bytes, error: str) -> None:
        self._undecoded += 1
        self._db.execute(
            "INSERT OR REPLACE INTO undecoded VALUES (?, ?, ?, ?, ?)",
            ((seq << _PART_BITS) | part, code, at, payload, error),
        )

    def _write(self, facts: Sequence[Fact], received_at: int) -> None:
        self._facts.write(facts, received_at)
        if self._unknown:
            for fact in facts:
                outbox.settle_by(self._db, fact)
