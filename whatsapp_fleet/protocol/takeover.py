"""The order in which an account gets a new leader, and a leader a new client process.

The client library writes its keys by itself and knows no epoch. So its writes are fenced by its login: the
role's name and password change, and its connections are ended, before anybody relies on what the keys say.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, NamedTuple


class Step(Enum):
    """One step. Each may be repeated, and is refused if the account has a newer epoch."""

    RAISE_EPOCH = auto()
    """One transaction gives the lease to this run and raises the epoch in it and in the heads of journal and
    log. From its commit on nothing of an older epoch is appended. It locks the lease, then the journal's
    head, then the log's head."""
    CHANGE_LOGIN = auto()
    """One transaction locks the lease, compares the epoch, renames the role of the keys and gives it a new
    password. The name changes too, because a connection that is being authenticated has already read the old
    password's verifier; the server looks up the name after that once more."""
    TERMINATE_BACKENDS = auto()
    """The role's connections are ended until none remains. Only then is what they wrote final: a connection
    whose process is gone may still commit."""
    READ_LOG = auto()
    """The archive applies what the log has beyond it, and is compared with it."""
    JUDGE_OUTBOX = auto()
    """The keys show for each send handed to a former client whether it provably never left. If so it is
    queued again; otherwise it is unknown."""
    START_CLIENT = auto()
    """A client process is started with the login of this epoch and the deadline of the lease."""


TAKEOVER: Final = (
    Step.RAISE_EPOCH,
    Step.CHANGE_LOGIN,
    Step.TERMINATE_BACKENDS,
    Step.READ_LOG,
    Step.JUDGE_OUTBOX,
    Step.START_CLIENT,
)
"""The epoch comes first: while it is the old one, the old leader may set a password for its next client."""
RESTART: Final = (Step.TERMINATE_BACKENDS, Step.JUDGE_OUTBOX, Step.START_CLIENT)
"""The next client of the same run and epoch, once the process of the last one is gone."""


class Lease(NamedTuple):
    """The row of an account: which run leads it, and in which epoch.

    Attributes:
        run: None if the last leader gave the account up, or there was none.
        epoch: Grows with each leader, and never otherwise.
    """

    run: str | None
    epoch: int


class EpochRaise(Enum):
    """Actions of the transaction that raises the epoch."""

    WRITE = auto()
    """Give the lease to this run, with the next epoch."""
    DONE = auto()
    """An earlier attempt whose answer was lost has raised the epoch. Write the same once more: the row may be
    on no standby yet, and another run would get the same epoch after a failover."""
    REFUSE = auto()
    """Somebody else leads, or has been faster."""


def may_raise(lease: Lease, seen: Lease, run: str, *, ended: bool) -> EpochRaise:
    """Decide, inside the transaction that has locked the lease, whether `run` becomes the leader.

    A run may take an account that its own lease names. A request that it had given up may have been executed
    later; nobody else would ever take that account, since the run is alive.

    Args:
        lease: The locked row.
        seen: The row on which the run had decided to take the account.
        run: Who wants it.
        ended: Whether the run named in `lease` was ended, as this transaction sees it. What another
            transaction has seen does not count: a failover may have undone it.
    """
    if lease == (run, seen.epoch + 1):
        return EpochRaise.DONE
    if lease != seen or not (lease.run in {None, run} or ended):
        return EpochRaise.REFUSE
    return EpochRaise.WRITE
