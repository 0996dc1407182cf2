"""The log of operations: every write to an archive, in the order in which it is applied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


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
