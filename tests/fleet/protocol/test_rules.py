"""The rules of leases, appends and takeovers, each by itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whatsapp_fleet.protocol import (
    TAKEOVER,
    Append,
    AppendOutcome,
    Challenge,
    Durability,
    EpochRaise,
    Lease,
    LeaseTimes,
    NextMove,
    OwnLease,
    Position,
    Reconnect,
    Stamp,
    StayDisconnected,
    Step,
    after_replaced,
    is_rewound,
    may_raise,
)

TIMES = LeaseTimes(ttl=10, margin=2, interval=2.5)
SAFE = Durability("on", "ANY 1 (a, b)", "on", "on", 1)


def test_a_lease_counts_from_before_its_renewal_was_asked_for() -> None:
    lease = OwnLease(TIMES).ask(100).renewed()
    assert lease.holds(109.9)
    assert not lease.holds(110)


def test_a_renewal_without_an_answer_gains_nothing() -> None:
    lease = OwnLease(TIMES).ask(100).renewed().ask(105).unanswered()
    assert not lease.holds(110)


def test_a_run_goes_on_after_an_outage_that_nobody_has_used() -> None:
    lease = OwnLease(TIMES).ask(100).renewed().ask(150).renewed()
    assert lease.holds(155)


def test_a_run_that_was_ended_never_acts_again() -> None:
    lease = OwnLease(TIMES).ask(100).renewed().ask(105).lost()
    assert not lease.holds(106)
    assert not lease.ask(107).renewed().holds(108)


def test_a_lease_is_renewed_an_interval_after_the_last_renewal_was_begun() -> None:
    assert OwnLease(TIMES).ask(100).renewed().next_renewal() == 102.5
    assert OwnLease(TIMES).next_renewal() < 0


def test_a_counter_that_moves_starts_the_challenge_again() -> None:
    first = Challenge.observed(None, 7, 100, TIMES)
    again = Challenge.observed(first, 7, 105, TIMES)
    assert again.may_end(TIMES, 112)
    moved = Challenge.observed(again, 8, 109, TIMES)
    assert not moved.may_end(TIMES, 120.9)


def test_a_challenger_that_was_cut_off_itself_starts_again() -> None:
    before = Challenge.observed(None, 7, 100, TIMES)
    after = Challenge.observed(before, 7, 113, TIMES)
    assert not after.may_end(TIMES, 113)
    assert not after.may_end(TIMES, 124.9)
    assert Challenge.observed(after, 7, 118, TIMES).may_end(TIMES, 125)


def test_a_counter_below_what_was_confirmed_shows_a_database_that_was_rewound() -> None:
    lease = OwnLease(TIMES).ask(100).renewed().ask(102).unanswered().ask(103)
    assert not lease.is_rewound(1)
    assert not lease.is_rewound(2)
    assert lease.is_rewound(0)
    assert lease.renewed().is_rewound(2)
    assert OwnLease(TIMES).is_rewound(None)


@settings(max_examples=50)
@given(
    committed=st.floats(0, 100), asked=st.floats(0, 5), answered=st.floats(0, 50), read=st.floats(0, 50)
)  # Times of one clock: the renewal is asked for, committed and answered; a challenger reads it later.
def test_an_owner_has_stopped_when_its_run_may_be_ended(
    committed: float, asked: float, answered: float, read: float
) -> None:
    lease = OwnLease(TIMES).ask(committed - asked).renewed()
    challenge = Challenge.observed(None, 1, committed + read, TIMES)
    earliest = challenge.since + TIMES.ttl + TIMES.margin
    assert challenge.may_end(TIMES, earliest)
    assert not lease.holds(earliest - TIMES.margin / 2)
    assert not lease.holds(max(earliest, committed + answered))


@pytest.mark.parametrize(("margin", "interval"), [(0, 2), (1, 0), (1, 6)])
def test_a_lease_without_margin_or_with_too_few_renewals_is_refused(margin: float, interval: float) -> None:
    with pytest.raises(ValueError, match="two renewals"):
        LeaseTimes(ttl=10, margin=margin, interval=interval)


def test_an_append_is_handed_over_once_it_is_committed() -> None:
    assert Append().after(AppendOutcome.COMMITTED).move is NextMove.HAND_OVER


def test_an_append_whose_answer_is_lost_is_repeated() -> None:
    assert Append().after(AppendOutcome.UNANSWERED).move is NextMove.APPEND


@pytest.mark.parametrize("outcome", [AppendOutcome.DUPLICATE, AppendOutcome.WARNED])
def test_a_row_that_no_standby_may_have_is_confirmed_by_a_later_commit(outcome: AppendOutcome) -> None:
    found = Append().after(outcome)
    assert found.move is NextMove.CONFIRM
    assert found.after(AppendOutcome.UNANSWERED).move is NextMove.CONFIRM
    assert found.after(AppendOutcome.WARNED).move is NextMove.CONFIRM
    assert found.after(AppendOutcome.COMMITTED).move is NextMove.HAND_OVER


def test_a_row_that_a_failover_has_taken_away_is_appended_again() -> None:
    assert Append(NextMove.CONFIRM).after(AppendOutcome.ABSENT).move is NextMove.APPEND


@pytest.mark.parametrize("move", [NextMove.APPEND, NextMove.CONFIRM])
def test_a_fenced_writer_ends_its_leadership(move: NextMove) -> None:
    assert Append(move).after(AppendOutcome.FENCED).move is NextMove.END


def test_writers_of_one_epoch_share_no_stamps() -> None:
    first, second = Stamp.first(3, 0), Stamp.first(3, 1)
    assert first.following() == Stamp(3, 1)
    assert second.n - first.n > 10**12
    assert Stamp.first(3, (1 << 23) - 1).n < 1 << 63


@pytest.mark.parametrize(
    ("head", "there", "rewound"),
    [
        (Position(4, 9), Stamp(4, 9), False),
        (Position(5, 12), Stamp(4, 9), False),
        (Position(5, 12), None, False),
        (Position(4, 8), None, True),
        (Position(3, 9), None, True),
        (Position(5, 12), Stamp(5, 1), True),
    ],
)
def test_a_database_that_lacks_a_confirmed_row_is_noticed(
    head: Position, there: Stamp | None, rewound: bool
) -> None:
    assert is_rewound(Position(4, 9), Stamp(4, 9), head, there) is rewound


def test_the_epoch_is_raised_before_the_login_changes_and_keys_are_read_last() -> None:
    order = [TAKEOVER.index(step) for step in Step]
    assert order == sorted(order)
    assert TAKEOVER[0] is Step.RAISE_EPOCH
    assert TAKEOVER[-1] is Step.START_CLIENT


@pytest.mark.parametrize(
    ("lease", "ended", "answer"),
    [
        (Lease("old", 4), True, EpochRaise.WRITE),
        (Lease("old", 4), False, EpochRaise.REFUSE),
        (Lease("me", 5), False, EpochRaise.DONE),
        (Lease("other", 5), True, EpochRaise.REFUSE),
        (Lease("other", 5), False, EpochRaise.REFUSE),
        (Lease("old", 6), True, EpochRaise.REFUSE),
    ],
)
def test_an_account_is_taken_only_from_the_ended_run_that_was_seen(
    lease: Lease, ended: bool, answer: EpochRaise
) -> None:
    assert may_raise(lease, Lease("old", 4), "me", ended=ended) is answer


def test_an_account_that_was_given_up_is_free() -> None:
    free = Lease(None, 4)
    assert may_raise(free, free, "me", ended=False) is EpochRaise.WRITE


def test_a_run_takes_an_account_that_a_request_of_its_own_has_given_it_unnoticed() -> None:
    own = Lease("me", 5)
    assert may_raise(own, own, "me", ended=False) is EpochRaise.WRITE
    assert may_raise(Lease("me", 6), own, "me", ended=False) is EpochRaise.DONE


def test_a_leader_that_is_replaced_comes_back_once_and_then_rests() -> None:
    assert after_replaced(TIMES, 1, 100) == Reconnect(110)
    assert after_replaced(TIMES, 2, 130) == StayDisconnected()


def test_a_server_with_a_synchronous_standby_is_durable() -> None:
    assert SAFE.weaknesses() == ()


@pytest.mark.parametrize(
    "weak",
    [
        SAFE._replace(synchronous_commit="local"),
        SAFE._replace(synchronous_commit="remote_write"),
        SAFE._replace(synchronous_standby_names=" "),
        SAFE._replace(fsync="off"),
        SAFE._replace(full_page_writes="off"),
        SAFE._replace(synchronous=0),
    ],
)
def test_what_could_lose_a_confirmed_row_is_named(weak: Durability) -> None:
    assert len(weak.weaknesses()) == 1
