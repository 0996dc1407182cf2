"""Plan of what a node does next, from what the database says and what the node leads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from whatsapp_fleet.database import AccountRow, RunRow
from whatsapp_fleet.protocol import Candidate, assigned, ranked


class View(NamedTuple):
    """State of a fleet in the database at one moment.

    Attributes:
        runs: Those that have not ended.
        accounts: All of them.
        answered: When it was known, as `boottime` counts.
    """

    runs: Sequence[RunRow]
    accounts: Sequence[AccountRow]
    answered: float


class Plan(NamedTuple):
    """Next actions of one run.

    Attributes:
        take: Accounts that nobody leads and that are assigned to it.
        end: Accounts that it leads and nobody may lead any more.
        move: Accounts that it leads and that are assigned to another run.
        release: Accounts whose leases name it, though it neither leads them nor is to.
        copy: Accounts of which it keeps a copy: it is to lead them after their present leaders.
    """

    take: tuple[AccountRow, ...]
    end: tuple[str, ...]
    move: tuple[str, ...]
    release: tuple[AccountRow, ...]
    copy: tuple[str, ...]


def candidates(runs: Iterable[RunRow]) -> list[Candidate]:
    """The runs as the assignment of accounts sees them."""
    return [Candidate(row.run, row.node, row.capacity, row.draining) for row in runs]


def plan(view: View, run: str, leading: Collection[str]) -> Plan:
    """Decide what a run does next.

    Args:
        view: What the database says; a run that is not in it has ended, and does nothing.
        run: Its name.
        leading: The accounts that it leads, takes over or gives up.
    """
    if run not in {row.run for row in view.runs}:
        return Plan((), (), (), (), ())
    active = [row.account for row in view.accounts if row.state == "active"]
    able = candidates(view.runs)
    leader = assigned(active, able, {row.account: row.failed_runs for row in view.accounts})
    free = [row for row in view.accounts if row.account not in leading]
    # A request to take an account that was given up may have been executed: its own lease is free, too.
    free = [row for row in free if row.run in {None, run} or row.run_ended]
    return Plan(
        take=tuple(row for row in free if leader.get(row.account) == run and row.is_due),
        end=tuple(sorted(set(leading) - set(active))),
        move=tuple(sorted(one for one in leading if leader.get(one, run) != run)),
        release=tuple(row for row in free if row.run == run and leader.get(row.account) != run),
        copy=tuple(row.account for row in view.accounts if _is_next(row, run, able)),
    )


def _is_next(row: AccountRow, run: str, able: Sequence[Candidate]) -> bool:
    """Return whether a run is to lead an account once its present leader is gone."""
    if row.state != "active" or row.run == run:
        return False
    return [one.run for one in ranked(row.account, able, row.failed_runs) if one.run != row.run][:1] == [run]
