"""Which run leads which account, and how long an account rests whose leaders fail."""

from __future__ import annotations

from collections import Counter
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties import examples
from whatsapp_fleet.protocol import (
    Candidate,
    Challenge,
    Contact,
    LeaseTimes,
    Pause,
    Quarantine,
    Sighting,
    after_failure,
    assigned,
    ranked,
)

ACCOUNTS = [f"account-{number}" for number in range(60)]
names = st.sets(st.text("abcdef", min_size=1, max_size=4), max_size=12)
runs = st.lists(
    st.builds(
        Candidate,
        st.text("xyz", min_size=1, max_size=3),
        st.sampled_from("mno"),
        st.integers(0, 6),
        st.booleans(),
    ),
    max_size=5,
    unique_by=lambda one: one.run,
)


def nodes(*names: str, capacity: int = 50) -> list[Candidate]:
    return [Candidate(f"run of {name}", name, capacity) for name in names]


@settings(max_examples=examples(50))
@given(names, runs)
def test_every_account_has_a_run_as_long_as_one_has_room(accounts: set[str], runs: list[Candidate]) -> None:
    found = assigned(accounts, runs)
    able = {one.run: one.capacity for one in runs if not one.draining and one.capacity > 0}
    assert all(count <= able[run] for run, count in Counter(found.values()).items())
    assert len(found) == min(len(accounts), sum(able.values()))


@settings(max_examples=examples(50))
@given(names, runs, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(
    accounts: set[str], runs: list[Candidate], random: object
) -> None:
    shuffled, others = sorted(accounts), [*runs]
    random.shuffle(shuffled)  # pyright: ignore[reportAttributeAccessIssue]
    random.shuffle(others)  # pyright: ignore[reportAttributeAccessIssue]
    assert assigned(shuffled, others) == assigned(accounts, runs)


def test_accounts_spread_over_the_runs() -> None:
    shares = Counter(assigned(ACCOUNTS, nodes("a", "b", "c")).values())
    assert min(shares.values()) >= 10


def test_a_run_that_goes_moves_its_own_accounts_alone() -> None:
    before = assigned(ACCOUNTS, nodes("a", "b", "c"))
    after = assigned(ACCOUNTS, nodes("a", "b"))
    assert all(after[one] == run for one, run in before.items() if run != "run of c")


def test_the_next_run_of_a_machine_gets_the_same_accounts() -> None:
    before = assigned(ACCOUNTS, nodes("a", "b"))
    restarted = [Candidate("another run", "a", 50), *nodes("b")]
    mine = {one for one, run in before.items() if run == "run of a"}
    assert {one for one, run in assigned(ACCOUNTS, restarted).items() if run == "another run"} == mine


def test_a_run_that_drains_gets_nothing() -> None:
    draining = nodes("a")[0]._replace(draining=True)
    assert set(assigned(ACCOUNTS, [draining, *nodes("b")]).values()) <= {"run of b"}


def test_what_the_run_of_an_account_loses_goes_to_the_next_in_its_order() -> None:
    for account in ACCOUNTS:
        first, second, _ = ranked(account, nodes("a", "b", "c"))
        rest = [one for one in nodes("a", "b", "c") if one != first]
        assert assigned([account], rest) == {account: second.run}


def test_an_account_rests_longer_with_each_failure_and_is_quarantined_in_the_end() -> None:
    outcomes = [after_failure(failures, nodes=2) for failures in range(11)]
    pauses = [one.seconds for one in outcomes if isinstance(one, Pause)]
    assert pauses == sorted(pauses)
    assert pauses[:3] == [0, 0, 0]
    assert pauses[3] > 0
    assert isinstance(outcomes[10], Quarantine)


def test_failures_on_a_single_node_quarantine_nothing() -> None:
    outcome = after_failure(2000, nodes=1)
    assert isinstance(outcome, Pause)
    assert outcome.seconds == 900


def test_a_run_that_has_failed_to_lead_an_account_comes_last_for_it_alone() -> None:
    for account in ACCOUNTS:
        first, *others = ranked(account, nodes("a", "b", "c"))
        assert ranked(account, nodes("a", "b", "c"), [first.run]) == [*others, first]
        found = assigned(ACCOUNTS, nodes("a", "b", "c"), {account: [first.run]})
        assert found == assigned(ACCOUNTS, nodes("a", "b", "c")) | {account: others[0].run}
        assert assigned([account], [first], {account: [first.run]}) == {account: first.run}


def test_a_run_is_ended_early_only_if_its_lock_is_free_and_its_address_refuses_that_was_reached() -> None:
    times, challenge = LeaseTimes(), Challenge(7, since=100, answered=100)
    for lock_held, contact, reached in product((False, True), Contact, (False, True)):
        sighting = Sighting(lock_held, contact, reached)
        early = challenge.may_end(times, 100, sighting)
        assert early == (reached and not lock_held and contact is Contact.REFUSED)
        assert challenge.may_end(times, 112, sighting)
    assert not challenge.may_end(times, 111.9)
