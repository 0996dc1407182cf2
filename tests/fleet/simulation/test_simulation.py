"""The rules of the fleet hold in a few histories, and each defect is found.

`make fleet-simulation` runs many. Where a change of the model moves a defect out of its histories here, it
says where the defect is found then.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.fleet.simulation.__main__ import first_violation
from tests.fleet.simulation.defects import Defect
from tests.fleet.simulation.history import run

DESIGN = range(1, 61)
SEEING = range(1, 31)
FOUND: dict[tuple[Defect, ...], int] = {
    (Defect.UNLOCKED_CHECK,): 1120,
    (Defect.SEPARATE_CHECK,): 23,
    (Defect.UNFENCED_KEYS,): 29,
    (Defect.PASSWORD_FIRST,): 3,
    (Defect.ASYNCHRONOUS,): 3,
    (Defect.NO_STAMP,): 5,
    (Defect.LATE_COUNT,): 155,
    (Defect.EARLY_ACKNOWLEDGEMENT,): 4,
    (Defect.UNCONFIRMED_DUPLICATE,): 7,
    (Defect.UNCONFIRMED_RAISE,): 244,
    (Defect.UNCONFIRMED_READ,): 5672,
    (Defect.BLIND_CONFIRMATION,): 7,
    (Defect.SAME_ROLE_NAME,): 1441,
    (Defect.KEPT_BACKENDS,): 29,
    (Defect.UNFENCED_LOGIN,): 129,
    (Defect.UNLOCKED_END,): 647,
    (Defect.EARLY_CHALLENGE,): 154,
    (Defect.NO_MARGIN,): 643,
    (Defect.MONOTONIC_CLOCK,): 2,
    (Defect.UNNOTICED_LEASE,): 587,
    (Defect.COUNTING_DATABASE, Defect.COUNTED_GAP): 186,
    (Defect.SHARED_STAMPS,): 318,
    (Defect.ENDED_BY_LOCK,): 2,
    (Defect.UNREACHED_REFUSAL,): 24,
    (Defect.NO_WATCHDOG,): 370,
    (Defect.FREE_CLIENTS, Defect.UNNOTICED_END): 202,
}
"""A history that shows a defect, or a pair of them."""


def test_the_design_holds_while_everything_goes_wrong() -> None:
    outcomes = [run(seed) for seed in DESIGN]
    assert {outcome.seed: outcome.violation for outcome in outcomes if outcome.violation} == {}
    counts = sum((outcome.counts for outcome in outcomes), Counter[str]())
    assert counts["takeovers"] > 2 * len(DESIGN)
    assert counts["failovers"] > len(DESIGN) / 4
    assert counts["sends unknown"] > 5
    assert counts["sends sent"] > 20 * len(DESIGN)


def test_the_design_holds_when_nodes_end_runs_whose_processes_are_gone() -> None:
    outcomes = [run(seed, sees_processes=True) for seed in SEEING]
    assert {outcome.seed: outcome.violation for outcome in outcomes if outcome.violation} == {}
    assert sum(outcome.counts["takeovers"] for outcome in outcomes) > 2 * len(SEEING)


@pytest.mark.parametrize("defects", FOUND, ids=lambda defects: ", and ".join(one.value for one in defects))
def test_it_is_found_that(defects: tuple[Defect, ...]) -> None:
    seed = FOUND[defects]
    assert first_violation(range(max(1, seed - 3), seed + 20), *defects) is not None


def test_a_seed_names_a_history() -> None:
    assert run(5) == run(5)


def test_what_a_client_had_only_decrypted_is_at_most_one_message_for_each_that_ended() -> None:
    for seed in range(200, 210):
        counts = run(seed).counts
        assert counts["messages that a client had only decrypted"] <= counts["clients that ended"]
