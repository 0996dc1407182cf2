"""A short soak, seeded: real servers, traffic both ways, faults in random order, then the comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import anyio
import pytest

from benchmarks.soak.faults import QUICK
from benchmarks.soak.report import report
from benchmarks.soak.run import soak

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

NAMES: Final = {
    "TCP cut",
    "a follower's application closes",
    "cut before an acknowledgement",
    "kill -9 of a follower",
    "kill -9 of the client",
    "kill -9 of the leader",
    "lost stanzas, then a cut",
    "no writes for the leader (archive.db)",
    "odd receipt that ends the event pump",
    "replaced",
    "the leader's application closes",
    "unlinked on the phone, linked anew",
    "wall clock jumps",
}
SECONDS: Final = 10.0
"""It takes longer when the faults do."""
LIMIT: Final = 300


async def test_under_random_faults_no_message_is_lost_or_doubled_without_a_stated_cause(
    tmp_path: Path,
) -> None:
    faults = [fault for fault in QUICK if fault.name in NAMES]
    with anyio.fail_after(LIMIT):
        outcome = await soak(tmp_path, seed=5, seconds=SECONDS, faults=faults, each=True)
    assert outcome.complaints == [], report(outcome)
    assert outcome.servers_lost == []
    assert set(outcome.chaos.survived) == NAMES
    assert outcome.verdict.archived > 20, "people were heard"
    assert outcome.verdict.received > 20, "agents were heard"
