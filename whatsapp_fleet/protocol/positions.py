"""Places in a journal or a log, and how a database shows that it has lost what it had confirmed."""

from __future__ import annotations

from typing import Final, NamedTuple

_BITS: Final = 40
"""Bits of `n` for the rows of one writer; 23 remain for the writers, so `n` fits into a bigint."""


class Stamp(NamedTuple):
    """The name of a row, given by its writer before the first attempt; unique in an account's journal or log.

    Attributes:
        epoch: The epoch of the writer.
        n: Counts the rows of all writers of this epoch.
    """

    epoch: int
    n: int

    @classmethod
    def first(cls, epoch: int, writer: int) -> Stamp:
        """The stamp before the first row of a writer; each row has the `following` one.

        Writers of one epoch share no stamps. One that went on after the last row that it finds could give the
        stamp of a row that its predecessor has sent and that is not committed yet; its own row would then be
        taken for a duplicate, and be lost.

        Args:
            writer: Counts the writers of the epoch: the client processes for the journal; 0 for the log,
                which a run writes alone.
        """
        return cls(epoch, writer << _BITS)

    def following(self) -> Stamp:
        """The next stamp of the same writer."""
        return Stamp(self.epoch, self.n + 1)


class Position(NamedTuple):
    """The head of a journal or a log: the epoch that may write, and the number of the last row."""

    epoch: int
    seq: int


def is_rewound(confirmed: Position, stamp: Stamp | None, head: Position, there: Stamp | None) -> bool:
    """Return whether the database lacks a row it had confirmed, as after a failover to a lagging standby.

    Every writer and every archive compares what was confirmed to it whenever it connects again. The account
    then stops: keys that were used would be used a second time.

    Args:
        confirmed: The last confirmed position of this process.
        stamp: The stamp of the row at that position, if one was written or read.
        head: What the database has.
        there: The stamp of the row that the database has at `confirmed.seq`; None if it was pruned.
    """
    if head.epoch < confirmed.epoch or head.seq < confirmed.seq:
        return True
    return stamp is not None and there is not None and stamp != there
