"""Figures from a fleet's database for operators: numbers of nodes and accounts, and their states."""

from __future__ import annotations

from typing import Final, NamedTuple

from whatsapp_fleet.database import Session

_RUNS: Final = """
SELECT count(*)::int, coalesce(sum(capacity) FILTER (WHERE NOT draining), 0)::int
FROM whatsapp_mcp.runs WHERE NOT ended
"""
_ACCOUNTS: Final = """
SELECT state, count(*)::int,
    (count(*) FILTER (WHERE not_before <= now() AND (run IS NULL OR ended)))::int,
    (count(*) FILTER (WHERE not_before > now()))::int
FROM whatsapp_mcp.accounts JOIN whatsapp_mcp.leases USING (account) LEFT JOIN whatsapp_mcp.runs USING (run)
GROUP BY state
"""
_LED: Final = """
SELECT account, leases.epoch, heads.seq - coalesce(snapshot_pointers.seq, 0)
FROM whatsapp_mcp.leases JOIN whatsapp_mcp.heads USING (account)
LEFT JOIN whatsapp_mcp.snapshot_pointers USING (account)
WHERE stream = 'log' AND run = %s
"""
_STANDBYS: Final = """
SELECT CASE WHEN pg_has_role('pg_read_all_stats', 'usage')
    THEN (SELECT count(*)::int FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')) END
"""


class LedFigures(NamedTuple):
    """An account that a run leads.

    Attributes:
        account: Its name.
        epoch: Of its lease.
        log_rows: Operations after the newest snapshot.
    """

    account: str
    epoch: int
    log_rows: int


class StateFigures(NamedTuple):
    """The accounts in one state.

    Attributes:
        state: As in `AccountRow`.
        accounts: How many.
        unled: How many of them nobody leads though they are due.
        resting: How many of them rest after failures.
    """

    state: str
    accounts: int
    unled: int
    resting: int


class DatabaseFigures(NamedTuple):
    """A fleet at one moment.

    Attributes:
        runs: Runs that have not ended.
        capacity: How many accounts those lead at most that are not draining.
        states: The accounts, by state.
        led: Those that one run leads.
        standbys: Synchronous standbys; None if the role may not see them.
    """

    runs: int
    capacity: int
    states: list[StateFigures]
    led: list[LedFigures]
    standbys: int | None


def database_figures(session: Session, run: str) -> DatabaseFigures:
    """The figures now; `led` is of this run."""
    runs = session.execute(_RUNS).fetchone()
    standbys = session.execute(_STANDBYS).fetchone()
    assert runs is not None
    assert standbys is not None
    states = [StateFigures(*row) for row in session.execute(_ACCOUNTS)]
    led = [LedFigures(*row) for row in session.execute(_LED, [run])]
    return DatabaseFigures(runs[0], runs[1], states, led, standbys[0])
