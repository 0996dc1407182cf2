"""What a projection is made of: the log, the journal that it names, and snapshots."""

from __future__ import annotations

from dataclasses import dataclass

import anyio

from whatsapp_mcp.storage import JournalReader, OperationLog, SnapshotStore


@dataclass(frozen=True, slots=True)
class LogStorage:
    """Where an account's operations are kept.

    Attributes:
        log: Every operation, in order.
        journal: The events that `ingest` names; usable from any thread.
        snapshots: Archives as they were at some operation.
        copying: How many archives of a process are copied into snapshots at a time; None: as many as have to
            be.
    """

    log: OperationLog
    journal: JournalReader
    snapshots: SnapshotStore
    copying: anyio.CapacityLimiter | None = None
