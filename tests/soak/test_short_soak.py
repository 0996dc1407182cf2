"""A short soak, seeded: real servers, traffic both ways, faults in random order, then the comparison."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from benchmarks.soak.faults import QUICK
from benchmarks.soak.report import report
from benchmarks.soak.run import soak

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SECONDS = 18.0
LIMIT = 300


async def test_under_random_faults_no_message_is_lost_or_doubled_without_a_stated_cause(
    tmp_path: Path,
) -> None:
    with anyio.fail_after(LIMIT):
        outcome = await soak(tmp_path, seed=5, seconds=SECONDS, faults=QUICK)
    assert outcome.complaints == [], report(outcome)
    assert outcome.servers_lost == []
    assert outcome.chaos.injected.total() > 5
    assert outcome.verdict.archived > 20, "people were heard"
    assert outcome.verdict.received > 20, "agents were heard"
