"""Four accounts with traffic on two nodes: one is killed, the database restarts, the other is stopped."""

from __future__ import annotations

import sys

import pytest

from tests.fleet.chaos.run import Plan, run

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]


async def test_nothing_is_lost_or_doubled_when_nodes_and_their_database_fail() -> None:
    plan = Plan(accounts=4, faults=("kill a", "restart", "stop b"), minute=3.0, said=10, sent=2, burst=60)
    report = await run(plan)
    assert not report.verdict.violations
    assert report.verdict.figures["takeovers"] > 4
