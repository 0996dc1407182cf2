"""Handling of a replaced connection: somebody else has logged in with the leader's keys."""

from __future__ import annotations

from typing import NamedTuple

from whatsapp_fleet.protocol.lease import LeaseTimes


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
