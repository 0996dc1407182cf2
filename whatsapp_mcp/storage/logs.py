"""The logs of an account and their snapshots.

The log of operations holds every write to an archive, that of statements every write to a ledger, each in the
order in which it is applied; from a snapshot and the rest of the log any machine makes the file again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from whatsapp_mcp.storage.files import SmallFile


class LogRow(NamedTuple):
    """One operation.

    Attributes:
        seq: Its number: 1, 2, 3 and so on without gaps.
        epoch: The generation of leadership that appended it; never falls from one row to the next.
        body: The operation as `WriteOperation.to_json` gives it.
    """

    seq: int
    epoch: int
    body: bytes


class OperationLog(Protocol):
    """The log of one account, as one leader sees it. Safe for several tasks at a time."""

    async def append(self, bodies: Sequence[bytes]) -> int:
        """Commit operations, all or none, numbered in this order; returns the number of the last.

        It is durable when it returns. What waits at the same time may be committed together. A caller that is
        cancelled may have appended all the same.

        Raises:
            Fenced: Nothing was appended.
            Rewound: Nothing was appended, and rows that were are missing.
            Unavailable: It is unknown whether it was appended.
            ValueError: There is nothing to append.
        """
        ...

    async def read(self, after: int, limit: int) -> Sequence[LogRow]:
        """Up to `limit` rows with a `seq` above `after`, oldest first.

        Raises:
            Pruned: Rows directly after `after` were deleted.
            Unavailable: See there.
        """
        ...

    async def last(self) -> int:
        """The number of the last row that is durable; 0 when there has been none.

        Raises:
            Unavailable: See there.
        """
        ...

    async def prune(self, upto: int) -> int:
        """Delete the rows up to and including `upto`; returns how many there were.

        Only what a snapshot holds may go.

        Raises:
            Fenced: Nothing was deleted.
            Unavailable: See there.
        """
        ...


class Snapshot(NamedTuple):
    """Which archive a snapshot holds.

    Attributes:
        seq: The last operation of the log that is in it.
        hash: Of the log up to there, as hexadecimal digits.
        position: The last row of the journal that is in it.
    """

    seq: int
    hash: str
    position: int


class SnapshotStore(Protocol):
    """Store of an account's snapshots, which knows which of them counts.

    Each method may raise `OSError` or `Unavailable`.
    """

    async def put(self, snapshot: Snapshot, file: Path) -> None:
        """Keep a snapshot, whole or not at all; it does not count yet."""
        ...

    async def point_to(self, snapshot: Snapshot) -> None:
        """Let a snapshot that was put be the one that counts.

        Raises:
            Fenced: A newer leader has taken over; the former one counts.
        """
        ...

    async def newest(self) -> Snapshot | None:
        """The one that counts; None before the first."""
        ...

    async def fetch(self, snapshot: Snapshot, file: Path) -> None:
        """Write a snapshot that counts to an existing file."""
        ...

    async def keep_from(self, seq: int) -> None:
        """Delete those that hold less than the operations up to this one; never the one that counts."""
        ...


class StatementRow(NamedTuple):
    """The statements of one transaction.

    Attributes:
        seq: Its number: 1, 2, 3 and so on without gaps.
        body: As `ledger.replication` writes them.
    """

    seq: int
    body: bytes


class LedgerSnapshot(NamedTuple):
    """All that a ledger holds, from which any machine makes it again.

    Attributes:
        seq: The last row of the log that is in it.
        content: As `ledger.replication.dump` writes it.
    """

    seq: int
    content: bytes


class StatementLog(Protocol):
    """The log of one account's ledger, as one leader sees it; usable from any thread.

    Each method may raise `Unavailable`, and `Rewound` where the database lacks what it has confirmed. After
    either, and after `Fenced`, the object is of no further use.
    """

    def append(self, body: bytes) -> int:
        """Commit the statements of a transaction and return their number; they are durable when this returns.

        Raises:
            Fenced: A newer leader has taken over; nothing was appended.
            Unavailable: It is unknown whether they were appended.
        """
        ...

    def last(self) -> int:
        """The number of the last row, 0 when there has been none; all rows are durable when this returns.

        Raises:
            Fenced: A newer leader has taken over.
        """
        ...

    def read(self, after: int, limit: int) -> Sequence[StatementRow]:
        """Up to `limit` rows with a `seq` above `after`, oldest first.

        Raises:
            Pruned: Rows directly after `after` were deleted.
        """
        ...

    def put_snapshot(self, seq: int, content: bytes) -> None:
        """Keep a snapshot instead of the former one, and delete the rows before its last; all or nothing.

        The last row stays, so that a copy that ends with it can be compared.

        Raises:
            Fenced: A newer leader has taken over; nothing has changed.
            StorageError: Perhaps nothing has changed; the log may be used further.
        """
        ...

    def newest_snapshot(self) -> LedgerSnapshot | None:
        """The snapshot; None before the first."""
        ...

    def close(self) -> None:
        """Close the connection; the log stays."""
        ...


@dataclass(frozen=True, slots=True)
class LedgerStorage:
    """Storage of the ledger of an account that several machines may lead.

    Attributes:
        log: Its statements.
        key: The key of its seals.
    """

    log: StatementLog
    key: SmallFile
