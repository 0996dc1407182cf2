"""A log, a journal and snapshots in memory, which outlast the archive that is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from whatsapp_mcp.archive import LogStorage
from whatsapp_mcp.client.journal import JournalRow
from whatsapp_mcp.models import JournalEvent
from whatsapp_mcp.storage import LogRow, Pruned, Snapshot


class MemoryLog:
    """An `OperationLog`.

    Attributes:
        rows: What is in it.
        appends: How often something was appended.
        last_seq: The last number.
        failure: What the next append raises, after it has appended.
    """

    def __init__(self) -> None:
        self.rows: list[LogRow] = []
        self.appends = 0
        self.last_seq = 0
        self.failure: Exception | None = None

    async def append(self, bodies: Sequence[bytes]) -> int:
        self.appends += 1
        for body in bodies:
            self.last_seq += 1
            self.rows.append(LogRow(self.last_seq, 1, body))
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        return self.last_seq

    async def read(self, after: int, limit: int) -> Sequence[LogRow]:
        first = self.rows[0].seq if self.rows else self.last_seq + 1
        if after + 1 < first:
            raise Pruned
        return self.rows[after + 1 - first :][:limit]

    async def last(self) -> int:
        return self.last_seq

    async def prune(self, upto: int) -> int:
        before = len(self.rows)
        self.rows = [row for row in self.rows if row.seq > upto]
        return before - len(self.rows)


class MemoryJournal:
    """A `JournalReader`."""

    def __init__(self) -> None:
        self.rows: list[JournalRow] = []
        self._last = 0

    def keep(self, events: Sequence[JournalEvent]) -> Sequence[JournalEvent]:
        """Append events, and answer them; those that are here already stay."""
        for event in events:
            if event.seq > self._last:
                self._last = event.seq
                self.rows.append(
                    JournalRow(event.seq, event.generation, event.received_at, event.code, event.payload)
                )
        return events

    def read(self, after_seq: int, limit: int, size: int = 1 << 30) -> Sequence[JournalRow]:
        found: list[JournalRow] = []
        for row in self.rows:
            if row.seq > after_seq and len(found) < limit and size > 0:
                found.append(row)
                size -= len(row.payload)
        return found

    def waiting(self, after_seq: int) -> int:
        return sum(row.seq > after_seq for row in self.rows)

    def last_seq(self) -> int:
        return self._last

    def prune(self, up_to_seq: int) -> int:
        before = len(self.rows)
        self.rows = [row for row in self.rows if row.seq > up_to_seq]
        return before - len(self.rows)

    def continue_after(self, seq: int) -> None:
        self._last = max(self._last, seq)

    def close(self) -> None:
        pass


class MemorySnapshots:
    """A `SnapshotStore`."""

    def __init__(self) -> None:
        self.files: dict[Snapshot, bytes] = {}
        self.pointer: Snapshot | None = None

    async def put(self, snapshot: Snapshot, file: Path) -> None:
        self.files[snapshot] = file.read_bytes()  # noqa: ASYNC240

    async def point_to(self, snapshot: Snapshot) -> None:
        assert snapshot in self.files
        self.pointer = snapshot

    async def newest(self) -> Snapshot | None:
        return self.pointer

    async def fetch(self, snapshot: Snapshot, file: Path) -> None:
        file.write_bytes(self.files[snapshot])  # noqa: ASYNC240

    async def keep_from(self, seq: int) -> None:
        self.files = {one: content for one, content in self.files.items() if one.seq >= seq}


class MemoryStorage(LogStorage):
    """All three."""

    log: MemoryLog
    journal: MemoryJournal
    snapshots: MemorySnapshots

    def __init__(self, log: MemoryLog | None = None) -> None:
        super().__init__(log or MemoryLog(), MemoryJournal(), MemorySnapshots())

    def copy(self) -> MemoryStorage:
        """All as it is now, for another history."""
        other = MemoryStorage()
        other.log.rows, other.log.last_seq = list(self.log.rows), self.log.last_seq
        other.journal.keep(self.journal.rows)
        other.journal.continue_after(self.journal.last_seq())
        other.snapshots.files, other.snapshots.pointer = dict(self.snapshots.files), self.snapshots.pointer
        return other
