"""What a projection is made of: the log, the journal that it names, and snapshots."""

from __future__ import annotations

from dataclasses import dataclass

from whatsapp_mcp.storage import JournalReader, OperationLog, SnapshotStore


@dataclass(frozen=True, slots=True)
class LogStorage:
    """Where an account's operations are kept.

    Attributes:
        log: Every operation, in order.
        journal: The events that `ingest` names; usable from any thread.
        snapshots: Archives as they were at some operation.
    """

    log: OperationLog
    journal: JournalReader
    snapshots: SnapshotStore
