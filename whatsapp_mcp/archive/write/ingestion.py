"""Decoded events into the archive: updates are written, what cannot be read is kept in `undecoded`.

Each event has a savepoint. When writing it fails, its updates are tried one by one, so that only the
malformed part is lost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from whatsapp_mcp.archive import state
from whatsapp_mcp.archive.database import value
from whatsapp_mcp.archive.write import floods, outbox
from whatsapp_mcp.archive.write.addon_writer import drop_overdue, waits_no_more
from whatsapp_mcp.archive.write.applying import WriteContext
from whatsapp_mcp.archive.write.message_writer import keep_raw
from whatsapp_mcp.archive.write.update_writer import UpdateWriter, in_order
from whatsapp_mcp.decoding import UNKNOWN, DecodedEvent, OpenedAddon, Recovered, UndecodedUpdate, Update
from whatsapp_mcp.models import IngestResult

POISON: Final = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RecursionError,
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    OverflowError,
)
"""Errors that writing a malformed update may raise; a full disk or a lock is not among them."""

_PART_BITS: Final = 20
"""Bits of a number in `undecoded` below that of the event: the part, 0 for the whole event."""
_PRUNE_EVERY: Final = 500
"""Journal events between two looks at old entries of the change feed."""


def position(db: sqlite3.Connection) -> int:
    """Journal sequence number up to which everything is archived; 0 for a new archive."""
    return int(value(db, "SELECT value FROM meta WHERE key = 'position'") or 0)


def ingest(context: WriteContext, events: Sequence[DecodedEvent]) -> IngestResult:
    """Archive the events after the archive's position, and the position."""
    batch = Ingest(context)
    result = batch.run(events)
    batch.finish()
    context.keeps_lookups = True
    return result


def write_updates(context: WriteContext, updates: Sequence[Update]) -> None:
    """Archive what the device has looked up."""
    batch = Ingest(context)
    batch.apply(updates)
    batch.finish()
    context.keeps_lookups = True


_SEALED: Final = """DELETE FROM sealed
 WHERE (wa_id, chat_address, sender_address, at, own_id) = (?, ?, ?, ?, ?)"""


def open_addons(context: WriteContext, opened: Sequence[OpenedAddon]) -> None:
    """Archive what add-ons say that were sealed; what cannot be written, or waits no more, is left out."""
    batch = Ingest(context)
    for one in opened:
        with suppress(*POISON), batch.savepoint():
            if context.db.execute(_SEALED, one.key).rowcount:
                waits_no_more(context.db, "sealed", *one.key[:4])
                batch.write(one.updates, context.at)
    batch.finish()
    context.keeps_lookups = True


def redecode(context: WriteContext, events: Sequence[Recovered], messages: Sequence[Recovered]) -> int:
    """Archive what a newer version has decoded, of what is still there.

    Args:
        context: The operation.
        events: Of rows of `undecoded`.
        messages: Of messages of unknown kind.

    Returns:
        How many became known.
    """
    known = 0
    for one in events:
        waits = value(context.db, "SELECT 1 FROM undecoded WHERE seq = ?", (one.row,))
        if waits and _write_again(context, one):
            context.db.execute("DELETE FROM undecoded WHERE seq = ?", (one.row,))
            known += 1
    for one in messages:
        is_here = value(context.db, "SELECT 1 FROM messages WHERE id = ?", (one.row,))
        if is_here and _write_again(context, one):
            known += value(context.db, "SELECT kind FROM messages WHERE id = ?", (one.row,)) not in (
                None,
                UNKNOWN,
            )
    return known


def _write_again(context: WriteContext, one: Recovered) -> bool:
    """Write what an event says now; whether it could be written."""
    batch = Ingest(context)
    try:
        with batch.savepoint():
            batch.apply(one.updates, one.received_at)
            batch.keep_undecoded_parts(one.row >> _PART_BITS, one.received_at, one.updates)
    except POISON:
        return False
    batch.finish()
    return True


class Ingest:
    """The writer of one operation's events, inside its transaction."""

    def __init__(self, context: WriteContext) -> None:
        self._context = context
        self._db = context.db
        self._updates = UpdateWriter(context.db, context.lookups)
        self._undecoded = 0
        self._unknown = outbox.unknown_ids(context.db)

    @property
    def new(self) -> int:
        """Messages that were new."""
        return self._updates.messages.new

    @property
    def duplicates(self) -> int:
        """Messages that were there already."""
        return self._updates.messages.duplicates

    def finish(self) -> None:
        """Bring what is derived up to date, and `raw.db` in line with what was written."""
        self._updates.finish()
        keep_raw(self._context, self._updates.messages)
        self._context.files += self._updates.messages.files
        self._context.opens_addons |= self._updates.messages.opens_sealed or self._updates.identities.merged

    def run(self, events: Sequence[DecodedEvent]) -> IngestResult:
        """Archive the events after the archive's position, and the position."""
        done = before = position(self._db)
        for event in events:
            if event.seq > done:
                self._event(event)
                done = event.seq
        # By numbers of the journal and not by a clock: the same operations delete the same entries.
        if done // _PRUNE_EVERY != before // _PRUNE_EVERY:
            state.prune_changes(self._db)
            floods.forget_days(self._db, self._context.seconds)
            drop_overdue(self._db, self._context.seconds)
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('position', ?)", (str(done),))
        return IngestResult(
            position=done,
            messages=self._updates.messages.new,
            duplicates=self._updates.messages.duplicates,
            undecoded=self._undecoded,
            last_change=state.last_change(self._db),
        )

    def apply(self, updates: Sequence[Update], received_at: int = 0) -> None:
        """Write updates that come from elsewhere than the journal."""
        self.write(updates, received_at)
        self._updates.finish()

    def _event(self, event: DecodedEvent) -> None:
        if event.error is not None:
            self._keep_undecoded(event.seq, 0, event.code, event.received_at, event.payload, event.error)
            return
        try:
            with self.savepoint():
                self.write(event.updates, event.received_at)
        except POISON:
            self._one_by_one(event)
        self.keep_undecoded_parts(event.seq, event.received_at, event.updates)

    def keep_undecoded_parts(self, seq: int, received_at: int, updates: Sequence[Update]) -> None:
        """Keep the parts of an event of the journal that this version cannot read."""
        unreadable = [update for update in updates if isinstance(update, UndecodedUpdate)]
        for part, update in enumerate(unreadable, 1):
            self._keep_undecoded(seq, part, update.code, received_at, update.payload, update.error)

    def _one_by_one(self, event: DecodedEvent) -> None:
        failed = ""
        for update in in_order(event.updates):
            try:
                with self.savepoint():
                    self.write([update], event.received_at)
            except POISON as error:
                failed = f"{type(update).__name__}: {type(error).__name__}"
        if failed:
            self._keep_undecoded(event.seq, 0, event.code, event.received_at, event.payload, failed)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """All of it or nothing; the error of a malformed update is raised after the rollback."""
        with self._updates.messages.restoring():
            self._db.execute("SAVEPOINT event")
            try:
                yield
            except POISON:
                self._db.execute("ROLLBACK TO event")
                self._db.execute("RELEASE event")
                self._updates.forget()
                raise
            self._db.execute("RELEASE event")

    def _keep_undecoded(
        self, seq: int, part: int, code: int, received_at: int, payload: bytes, error: str
    ) -> None:
        self._undecoded += 1
        payload, error = floods.bound_undecoded(self._db, payload, error)
        self._db.execute(
            "INSERT OR REPLACE INTO undecoded VALUES (?, ?, ?, ?, ?)",
            ((seq << _PART_BITS) | part, code, received_at, payload, error),
        )

    def write(self, updates: Sequence[Update], received_at: int) -> None:
        """Write what one event says."""
        self._updates.write(updates, received_at)
        if self._unknown:
            for update in updates:
                outbox.settle_named_sends(self._db, update)
