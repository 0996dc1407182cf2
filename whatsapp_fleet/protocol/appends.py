"""Appends: fenced, numbered without gaps, and repeated safely when their answer is lost.

Journal and log have one head row an account, and one statement appends:

    WITH head AS (UPDATE heads SET seq = seq + 1 WHERE account = … AND epoch = … RETURNING seq)
    INSERT INTO rows (account, seq, epoch, n, body) SELECT …, head.seq, … FROM head

The update locks the head row, so it waits for a takeover that raises the epoch, and then finds no row.
Looking the epoch up without that lock is no fence: a stale row could commit after the takeover has read the
tail.

A writer has one append under way at a time, and an append that is repeated is the same one with the same
stamps.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


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
