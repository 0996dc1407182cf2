"""Snapshots: copies of an archive from which, with the rest of the log, any machine makes it again."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol


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
    """Where the snapshots of an account lie, and which of them counts.

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
