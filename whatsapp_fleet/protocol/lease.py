"""Leadership of accounts: the lease of a run, the challenge that ends one, and the order of a takeover.

A **run** is one start of a node's process; its name is never used again. Its row in the database holds a
counter, and whether it was ended. A renewal writes the number of the attempt, which the run never uses again:

    UPDATE runs SET counter = … WHERE run = … AND NOT ended AND counter >= … AND counter < …

The database does not count by itself. A failover may take away a renewal that was seen and not confirmed; the
next one would give the counter the same value at a later time, and whoever had seen it would not notice.

Each renewal reads the counter back: it is never below the last one that was confirmed, unless the database
has lost what it confirmed. It only grows, since an attempt whose answer was lost may be executed after a
later one.

A run leads the accounts whose leases name it. Whoever sees its counter unchanged for long enough ends it,
with one statement that compares the counter:

    UPDATE runs SET ended = true WHERE run = … AND counter = … AND NOT ended

An ended run stays ended, and its renewals find no row. So a renewal and the end of a run cannot both succeed,
and that a run was ended may be looked up without a lock.

Times are seconds of a clock that goes on while the machine is suspended (CLOCK_BOOTTIME). Clocks of different
machines are never compared.

The client library writes its keys by itself and knows no epoch. So its writes are fenced by its login: the
role's name and password change, and its connections are ended, before anybody relies on what the keys say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final, NamedTuple


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Duration and renewal interval of a lease, in seconds.

    Attributes:
        ttl: How long the owner may act after it began to ask for the last renewal that was confirmed.
        margin: What a challenger waits beyond that: for clocks of different speed, and for what the owner had
            already handed to its network.
        interval: From one renewal to the next.

    Raises:
        ValueError: The margin is not positive, or fewer than two renewals fit into a lease.
    """

    ttl: float = 10.0
    margin: float = 2.0
    interval: float = 2.5

    def __post_init__(self) -> None:
        if self.margin <= 0 or not 0 < self.interval <= self.ttl / 2:
            raise ValueError("a lease needs a margin, and at least two renewals within its time")


@dataclass(frozen=True, slots=True)
class OwnLease:
    """A run's knowledge of its own lease.

    Attributes:
        attempt: The number of the last renewal that was begun; it is what the renewal writes.
        confirmed: The number of the last one that was confirmed.
        until: When the lease ends, unless it is renewed.
        asked: When the renewal was begun that is not answered yet.
        ended: Whether the run was ended by another; a new run has to begin.
    """

    times: LeaseTimes
    attempt: int = 0
    confirmed: int = 0
    until: float = -math.inf
    asked: float | None = None
    ended: bool = False

    def ask(self, now: float) -> OwnLease:
        """A renewal is about to be sent. The lease counts from here.

        The database may commit the renewal at any moment until it answers, and a challenger counts from the
        commit. An owner that counted from the answer would act for longer than the challenger waits.
        """
        return replace(self, asked=now, attempt=self.attempt + 1)

    def renewed(self) -> OwnLease:
        """The renewal was confirmed: the database answered, without a warning."""
        assert self.asked is not None
        until = max(self.until, self.asked + self.times.ttl)
        return replace(self, until=until, asked=None, confirmed=self.attempt)

    def is_rewound(self, counter: int | None) -> bool:
        """Return whether the counter that a renewal reads shows that the database lost a confirmed renewal.

        Args:
            counter: That of this run; None if the database has no such run.
        """
        return counter is None or counter < self.confirmed

    def unanswered(self) -> OwnLease:
        """The renewal failed or its answer was lost. Nothing is gained; ask again."""
        return replace(self, asked=None)

    def lost(self) -> OwnLease:
        """The renewal found no row: the run was ended."""
        return replace(self, until=-math.inf, asked=None, ended=True)

    def holds(self, now: float) -> bool:
        """Return whether the run may act. After an outage it may go on once a renewal is confirmed."""
        return not self.ended and now < self.until

    def next_renewal(self) -> float:
        """When to renew: one interval after the last confirmed renewal was begun, which may have passed."""
        return self.until - self.times.ttl + self.times.interval


class Contact(Enum):
    """Result of connecting to a run's address."""

    ACCEPTED = auto()
    """A process of the run is there, though it may be stopped: the kernel accepts for it."""
    REFUSED = auto()
    """The machine with this address says that nobody listens there."""
    UNKNOWN = auto()
    """No answer, or one that proves nothing: the address is a name, or is on loopback of another machine."""


class Sighting(NamedTuple):
    """A challenger's view of the processes of a run that it watches.

    A run listens at its address from before it begins until its process has ended, and the same socket is
    held until its clients have, too. While it renews its lease, its connection holds a lock of the database.

    Attributes:
        lock_held: Whether that lock is held.
        contact: What came of connecting to the address.
        reached: Whether a connection to the address was accepted at some time.
    """

    lock_held: bool
    contact: Contact
    reached: bool

    @property
    def is_gone(self) -> bool:
        """True if no process of the run is left, so that its lease need not be waited for.

        The refusal is the proof, where nothing else refuses: a firewall may, from the beginning. The lock
        guards against an address that does not lead to the run: it is held as long as the run reaches the
        database.
        """
        return self.reached and not self.lock_held and self.contact is Contact.REFUSED


@dataclass(frozen=True, slots=True)
class Challenge:
    """Another run's knowledge of a run that it watches.

    Attributes:
        counter: The counter that it read last.
        since: When the answer with that counter came for the first time, of those that came without a long
            gap between them.
        answered: When the last one came.
    """

    counter: int
    since: float
    answered: float

    @classmethod
    def observed(
        cls, former: Challenge | None, counter: int, answered: float, times: LeaseTimes
    ) -> Challenge:
        """A counter was read. An unchanged one counts from its first answer: it was committed before that.

        After half a lease without an answer it counts from the next one. An outage keeps owners from renewing
        as well; the first challenger that is back would end all others, which are about to renew.
        """
        if former is None or former.counter != counter or answered - former.answered > times.ttl / 2:
            return cls(counter, answered, answered)
        return replace(former, answered=answered)

    def may_end(self, times: LeaseTimes, now: float, sighting: Sighting | None = None) -> bool:
        """Return whether the watched run can no longer hold its lease, if its counter is still the same.

        The statement that ends the run compares the counter once more.

        Args:
            times: Those of all runs.
            now: The time of the challenger's clock.
            sighting: What was seen of the run's processes after this counter was read.
        """
        gone = sighting is not None and sighting.is_gone
        return gone or now >= self.since + times.ttl + times.margin


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


class Reconnect(NamedTuple):
    """Start a client again, not before `at`."""

    at: float


class StayDisconnected(NamedTuple):
    """Start no client until a person asks for it."""


def after_replaced(times: LeaseTimes, replaced: int, now: float) -> Reconnect | StayDisconnected:
    """Decide what to do after a client was replaced while the lease of its leader holds.

    A client of an earlier leader, which was stopped, may log in once more when it goes on; it ends with its
    deadline. So after another lease's time a client is started again. If that one is replaced too, the keys
    are in use outside of this database, and two programs that replace each other help nobody.

    Args:
        replaced: How often that happened in this epoch, this time included.
        now: The time of the clock of leases.
    """
    return Reconnect(now + times.ttl) if replaced == 1 else StayDisconnected()
