"""Defects that are put into the design on purpose: the simulation must find each of them."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Defect(Enum):
    """One thing that is done wrong; the value says what."""

    UNLOCKED_CHECK = "an append looks its epoch up without locking the head"
    SEPARATE_CHECK = "the epoch is checked in a transaction of its own, before the append"
    UNFENCED_KEYS = "the login of the keys stays as it is"
    PASSWORD_FIRST = "the login changes before the epoch is raised"
    ASYNCHRONOUS = "a commit does not wait for the standby that takes over"
    NO_STAMP = "an append whose answer is lost is repeated without its stamp"
    LATE_COUNT = "the owner counts its lease from the answer"
    EARLY_ACKNOWLEDGEMENT = "a message is acknowledged before the journal's commit"
    UNCONFIRMED_DUPLICATE = "a duplicate is taken for durable"
    UNCONFIRMED_RAISE = "an epoch that is found raised is taken for durable"
    UNCONFIRMED_READ = "what is read from the journal is taken for durable"
    BLIND_CONFIRMATION = "what is confirmed is not looked for"
    SAME_ROLE_NAME = "the password changes and the role's name does not"
    KEPT_BACKENDS = "a takeover ends no connections"
    UNFENCED_LOGIN = "the login is changed without comparing the epoch"
    UNLOCKED_END = "a run is ended without comparing its counter"
    EARLY_CHALLENGE = "a challenger counts from before it asked"
    NO_MARGIN = "a challenger waits no longer than the owner"
    MONOTONIC_CLOCK = "the clock of leases stands still while the machine is suspended"
    NO_WATCHDOG = "a client does not know the deadline of its leader"
    UNNOTICED_LEASE = "a run takes no account that its own lease names"
    COUNTING_DATABASE = "the database counts the renewals, and not their owner"
    SHARED_STAMPS = "a client's stamps begin after the last row that it finds"
    ENDED_BY_LOCK = "a run is ended as soon as its connection to the database is gone"
    FREE_CLIENTS = "the clients of a run do not hold the socket at which it listens"
    COUNTED_GAP = "a challenger counts the time in which it had no answer"
    UNNOTICED_END = "a client goes on when the process of its node has ended"
    UNREACHED_REFUSAL = "a refused connection counts for a run that was never reached"

    @property
    def is_of_sightings(self) -> bool:
        """Whether it is about what is seen of a run's processes."""
        return self in {Defect.ENDED_BY_LOCK, Defect.FREE_CLIENTS, Defect.UNREACHED_REFUSAL}


COVERED: Final = (
    (Defect.FREE_CLIENTS, Defect.UNNOTICED_END),
    (Defect.COUNTING_DATABASE, Defect.COUNTED_GAP),
)
"""Pairs of defects of which each is harmless alone, as the other part covers for it."""
TRIALS: Final = (
    *((defect,) for defect in Defect if not any(defect in pair for pair in COVERED)),
    *COVERED,
)
"""What the simulation must find."""
