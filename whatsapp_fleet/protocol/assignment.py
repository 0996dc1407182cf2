"""Assignment of accounts to runs, and the pauses of those whose leaders fail one after another.

Accounts are assigned by rendezvous hashing in which no run gets more than its capacity. Every node computes
the same from the same rows, so nobody hands accounts out. A run that comes or goes moves the accounts that it
gets or had, and few others.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

_REMEMBERED: Final = 1 << 17
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


class Candidate(NamedTuple):
    """A run that may lead accounts.

    Attributes:
        run: Its name.
        node: Its machine: the next run of a machine gets the accounts of the last one.
        capacity: How many accounts it leads at most.
        draining: Whether it gives its accounts up and takes none.
    """

    run: str
    node: str
    capacity: int
    draining: bool = False


@lru_cache(_REMEMBERED)
def _score(account: str, node: str) -> bytes:
    return blake2b(f"{account}\0{node}".encode(), digest_size=8).digest()


def ranked(account: str, candidates: Iterable[Candidate], failed: Collection[str] = ()) -> list[Candidate]:
    """The runs in the order in which they are to lead the account; those that take none are left out.

    The first ones beyond its leader are those that best keep a copy of its archive.

    Args:
        account: Its name.
        candidates: All runs.
        failed: Those that have failed to lead it. They come last: the cause may lie in their machine.
    """
    able = (one for one in candidates if not one.draining and one.capacity > 0)
    return sorted(
        able, key=lambda one: (one.run not in failed, _score(account, one.node), one.run), reverse=True
    )


def assigned(
    accounts: Iterable[str],
    candidates: Sequence[Candidate],
    failed: Mapping[str, Collection[str]] | None = None,
) -> dict[str, str]:
    """The run that is to lead each account; accounts for which no run has room are left out.

    Each account asks the runs in its order, and a run that is full keeps those that score highest with it
    (deferred acceptance, Gale and Shapley 1962). So the order in which accounts are given does not matter.

    Args:
        accounts: Their names.
        candidates: All runs.
        failed: See `ranked`, by account.
    """
    last = failed or {}
    choices: dict[str, Iterator[Candidate]] = {
        one: iter(ranked(one, candidates, last.get(one, ()))) for one in accounts
    }
    held: dict[str, list[tuple[bytes, str]]] = {one.run: [] for one in candidates}
    asking = list(choices)
    while asking:
        account = asking.pop()
        if (chosen := next(choices[account], None)) is None:
            continue
        of_run = held[chosen.run]
        heapq.heappush(of_run, (_score(account, chosen.node), account))
        if len(of_run) > chosen.capacity:
            asking.append(heapq.heappop(of_run)[1])
    return {account: run for run, accepted in held.items() for _, account in accepted}


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
