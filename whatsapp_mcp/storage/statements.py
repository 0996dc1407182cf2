"""The log of a ledger: the statements of every write to it, in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from whatsapp_mcp.storage.small_files import SmallFile


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
        content: As `ledger.dump` writes it.
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
    """Where the ledger of an account is that several machines may lead.

    Attributes:
        log: Its statements.
        key: The key of its seals.
    """

    log: StatementLog
    key: SmallFile
