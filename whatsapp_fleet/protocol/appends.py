"""Appends: fenced, numbered without gaps, and repeated safely when their answer is lost.

Journal and log have one head row an account, and one statement appends:

    WITH head AS (UPDATE heads SET seq = seq + 1 WHERE account = … AND epoch = … RETURNING seq)
    INSERT INTO rows (account, seq, epoch, n, body) SELECT …, head.seq, … FROM head

The update locks the head row, so it waits for a takeover that raises the epoch, and then finds no row.
Looking the epoch up without that lock is no fence: a stale row could commit after the takeover has read the
tail.

A writer has one append under way at a time, and an append that is repeated is the same one with the same
stamps. `is_rewound` tells that a database has lost what it had confirmed, `Durability` that it might.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, NamedTuple

_BITS: Final = 40
"""Bits of `n` for the rows of one writer; 23 remain for the writers, so `n` fits into a bigint."""
_WAITS: Final = frozenset({"on", "remote_apply"})
"""Values of `synchronous_commit` at which a commit waits until a standby has it on its disk."""


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


class Durability(NamedTuple):
    """Durability settings of a server, as `SHOW` gives them.

    Source: PostgreSQL's documentation, "Write Ahead Log" and "Replication" in the chapter on configuration.

    Attributes:
        synchronous: Standbys that `pg_stat_replication` calls `sync` or `quorum`.
    """

    synchronous_commit: str
    synchronous_standby_names: str
    fsync: str
    full_page_writes: str
    synchronous: int

    def weaknesses(self) -> tuple[str, ...]:
        """Why what is confirmed could be lost, as sentences for an operator; empty if it cannot.

        A failover to a standby that lacks confirmed rows would use keys a second time, not only lose rows.
        """
        checks = {
            "`fsync` is off: a crash of the machine loses what was confirmed.": self.fsync != "on",
            "`full_page_writes` is off: a crash of the machine may damage tables.": self.full_page_writes
            != "on",
            "`synchronous_standby_names` is empty: a failover loses what was confirmed.": (
                not self.synchronous_standby_names.strip()
            ),
            "`synchronous_commit` is not `on`: a commit does not wait for a standby.": (
                self.synchronous_commit not in _WAITS
            ),
            "No standby is synchronous at the moment: commits wait until one is.": (
                bool(self.synchronous_standby_names.strip()) and self.synchronous < 1
            ),
        }
        return tuple(sentence for sentence, weak in checks.items() if weak)


class AppendOutcome(Enum):
    """The database's answer to an attempt to append."""

    COMMITTED = auto()
    """The answer to the commit came, without a warning."""
    FENCED = auto()
    """The head has no row for this epoch: a newer leader has raised it."""
    DUPLICATE = auto()
    """The stamp is there already (a unique violation): an earlier attempt was committed."""
    WARNED = auto()
    """The append was committed with a warning: the wait for the standby was cut short."""
    UNANSWERED = auto()
    """The connection failed: it may be committed, it may become so, or not."""
    ABSENT = auto()
    """The row that was to be confirmed is not there: a failover has taken it away."""


class NextMove(Enum):
    """The writer's next move."""

    APPEND = auto()
    """Send the append, with the same stamps as before, over a connection that works."""
    CONFIRM = auto()
    """Commit a write that waits, and see that the row is there:

        UPDATE heads SET seq = seq WHERE account = … AND epoch = …
        RETURNING (SELECT seq FROM rows WHERE account = … AND epoch = … AND n = …)
    """
    HAND_OVER = auto()
    """The rows are durable: answer whoever waits."""
    END = auto()
    """The leadership is over. Whether the rows are there is for the next leader to read."""


@dataclass(frozen=True, slots=True)
class Append:
    """One append, until its rows are durable or the leadership is over."""

    move: NextMove = NextMove.APPEND

    def after(self, outcome: AppendOutcome) -> Append:
        """The next move, once the database has answered the last one.

        A row that is there is not durable yet. If the server restarts or the backend is terminated while a
        commit waits for the standby, the row is visible afterwards and no standby may have it. Only a later
        commit that was waited for proves that the standby has everything before it.
        """
        match outcome:
            case AppendOutcome.COMMITTED:
                return Append(NextMove.HAND_OVER)
            case AppendOutcome.FENCED:
                return Append(NextMove.END)
            case AppendOutcome.DUPLICATE | AppendOutcome.WARNED:
                return Append(NextMove.CONFIRM)
            case AppendOutcome.ABSENT:
                return Append(NextMove.APPEND)
            case AppendOutcome.UNANSWERED:
                return self
