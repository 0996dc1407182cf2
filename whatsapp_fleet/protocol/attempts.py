"""Pauses of an account whose leaders fail one after another, on whichever machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ATTEMPTS: Final = 10
"""Failures in a row after which an account is quarantined, if they were on more than one node."""
STABLE: Final = 30.0
"""Seconds for which an account was led, after which its earlier failures no longer count."""
UNSUPPORTED_PAUSE: Final = 10.0
"""Seconds for which an account rests that a run of this version could not lead twice."""
_FREE: Final = 2
"""Failures in a row that cost no time: a machine that is lost is one for each of its accounts."""
_FIRST_PAUSE: Final = 10.0
_LONGEST_PAUSE: Final = 900.0


@dataclass(frozen=True, slots=True)
class Pause:
    """Nobody leads the account for so many seconds."""

    seconds: float


class Quarantine:
    """Nobody leads the account until a person releases it."""


def after_failure(failures: int, nodes: int) -> Pause | Quarantine:
    """Decide whether an account pauses or is quarantined after its leadership has failed.

    Args:
        failures: How many of its leaderships in a row have failed, the last one included. One that ended with
            its process counts: the account may be what ends processes.
        nodes: On how many nodes. Where all were on one, its machine may be the cause.
    """
    if failures >= ATTEMPTS and nodes > 1:
        return Quarantine()
    if failures <= _FREE:
        return Pause(0.0)
    return Pause(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures - _FREE - 1, ATTEMPTS)))
