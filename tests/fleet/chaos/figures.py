"""How long takeovers took, and the table that a run prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from tests.fleet.chaos.whatsapp import Login
from tests.fleet.chaos.witness import LeaseChange


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that happened to a node.

    Attributes:
        kind: `kill`, `stop`, `cut`, or what happened to the database.
        node: Which; empty where it was the database.
        at: Seconds since 1970.
        accounts: Those that the node led, or all.
    """

    kind: str
    node: str
    at: float
    accounts: tuple[str, ...]


class Takeover(NamedTuple):
    """How many seconds after a fault an account had a new leader, and when that one's client logged in.

    None where it never did.
    """

    led: float | None
    online: float | None


def takeovers(
    fault: Fault, changes: Sequence[LeaseChange], logins: Mapping[str, Sequence[Login]]
) -> list[Takeover]:
    """One for each account that the node led."""
    found: list[Takeover] = []
    for account in fault.accounts:
        led = next((one.at for one in changes if one.account == account and one.at > fault.at), None)
        online = led and next((one.at for one in logins[account] if one.at > led), None)
        found.append(Takeover(led and led - fault.at, online and online - fault.at))
    return found


def spread(seconds: Sequence[float | None]) -> str:
    """Median and largest."""
    known = [one for one in seconds if one is not None]
    if len(known) < len(seconds):
        return f"never for {len(seconds) - len(known)} of {len(seconds)}"
    return f"{median(known):.1f} s, at most {max(known):.1f} s" if known else "none"


def table(rows: Sequence[tuple[str, str]]) -> str:
    """Names and values in two columns."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)
