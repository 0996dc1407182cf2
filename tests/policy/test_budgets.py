"""Budgets refuse what is too much for a person's own pace, and say when to try again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tables import for_each
from whatsapp_mcp.errors import RateLimited
from whatsapp_mcp.models import PastAct, Pauses
from whatsapp_mcp.policy.budgets import WARM_UP, check_budgets, check_pauses, check_quiet, gap
from whatsapp_mcp.settings import BudgetSettings, PolicySettings, QuietHours

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LIMITS = PolicySettings(
    budgets=BudgetSettings(per_minute=3, per_hour=5, per_day=8, new_chats_per_day=4, same_text_per_day=2)
)
PLANNED = PastAct(NOW, ("ann",))


def ago(*seconds: float, chat: str = "ann", new: bool = False, text: str | None = None) -> list[PastAct]:
    return [
        PastAct(NOW - timedelta(seconds=one), (chat,), new, text) for one in sorted(seconds, reverse=True)
    ]


def wait(past: list[PastAct], planned: PastAct = PLANNED, pauses: Pauses = Pauses()) -> float | None:  # noqa: B008
    """Seconds after which it may be tried again; None if it passes."""
    try:
        check_budgets(LIMITS, pauses, past, planned)
    except RateLimited as error:
        return error.retry_after or -1
    return None


@for_each(
    ("past", "seconds"),
    [
        ([], None),
        (ago(10, 20), None),
        (ago(10, 20, 30), 30),
        (ago(10, 20, 59.5), 1),
        (ago(10, 20, 61), None),
        (ago(100, 200, 300, 400, 3000), 600),
        (ago(*range(4000, 4700, 100), 50_000), 86_400 - 50_000),
    ],
)
def test_a_minute_an_hour_and_a_day_have_their_budgets(past: list[PastAct], seconds: float | None) -> None:
    assert wait(past) == seconds


def test_a_new_chat_counts_once_however_often_it_is_written_to() -> None:
    past = [one for n in range(3) for one in ago(7000 + n * 4000, 6990 + n * 4000, chat=f"new {n}", new=True)]
    assert wait(past[:6], PastAct(NOW, ("new 9",), True)) is None
    past += ago(20_000, chat="new 3", new=True)
    past.sort(key=lambda one: one.at)
    assert wait(past, PastAct(NOW, ("new 9",), True)) == 86_400 - 20_000
    assert wait(past, PastAct(NOW, ("new 3",), True)) is None
    assert wait(past, PLANNED) is None


def test_a_budget_of_none_is_never_free() -> None:
    with pytest.raises(RateLimited, match="0 new chats"):
        check_budgets(
            PolicySettings(budgets=BudgetSettings(new_chats_per_day=0)),
            Pauses(),
            [],
            PastAct(NOW, ("x",), True),
        )


def test_one_text_goes_to_few_chats_a_day() -> None:
    past = [*ago(5000, chat="bob", text="t"), *ago(4000, chat="eve", text="t")]
    assert wait(past, PastAct(NOW, ("ann",), text="t")) == 86_400 - 5000
    assert wait(past, PastAct(NOW, ("eve",), text="t")) is None
    assert wait(past, PastAct(NOW, ("ann",), text="other")) is None


@pytest.mark.parametrize(("days", "most"), [(0, 2), (3.5, 5), (7, 8), (400, 8)])
def test_budgets_grow_in_the_first_week_after_linking(days: float, most: int) -> None:
    pauses = Pauses(linked_at=NOW - timedelta(days=days))
    times = [4000.0 + n for n in range(most)]
    assert wait(ago(*times[1:]), pauses=pauses) is None
    assert wait(ago(*times), pauses=pauses) is not None
    assert timedelta(days=7) == WARM_UP


def test_a_timelock_keeps_from_new_people_alone_and_a_ban_from_all() -> None:
    locked = Pauses(timelocked_until=NOW + timedelta(hours=3))
    assert wait([], PastAct(NOW, ("eve",), True), locked) == 3 * 3600
    assert wait([], PLANNED, locked) is None
    banned = Pauses(banned_until=NOW + timedelta(hours=1))
    assert wait([], PLANNED, banned) == 3600
    with pytest.raises(RateLimited, match="banned"):
        check_pauses(banned, PLANNED)
    over = Pauses(timelocked_until=NOW, banned_until=NOW)
    assert wait([], PastAct(NOW, ("eve",), True), over) is None


@given(st.lists(st.floats(-1000, 90_000), max_size=30), st.booleans())
def test_after_the_time_that_is_told_it_passes_or_another_budget_tells_its_own(
    seconds: list[float], is_new: bool
) -> None:
    past = [PastAct(NOW - timedelta(seconds=one), ("x",), is_new) for one in sorted(seconds, reverse=True)]
    left = wait(past, PastAct(NOW, ("ann",), is_new))
    for _ in range(100):
        if left is None:
            return
        assert 0 < left <= 86_400
        later = NOW + timedelta(seconds=left)
        if later >= NOW + timedelta(days=1, seconds=1000):
            return
        again = wait(past, PastAct(later, ("ann",), is_new))
        assert again is None or again + left > left
        left = None if again is None else left + again
    raise AssertionError("it never ends")


@for_each(
    ("hours", "clock", "end"),
    [
        ("22:00-07:00", "23:30", 7.5),
        ("22:00-07:00", "22:00", 9),
        ("22:00-07:00", "06:59", 1 / 60),
        ("22:00-07:00", "07:00", None),
        ("22:00-07:00", "12:00", None),
        ("12:00-14:00", "13:00", 1),
        ("12:00-14:00", "11:59", None),
    ],
)
def test_quiet_hours_refuse_until_they_end(hours: str, clock: str, end: float | None) -> None:
    hour, minute = map(int, clock.split(":"))
    now = datetime(2026, 11, 24, hour, minute, tzinfo=ZoneInfo("Europe/Berlin"))
    quiet = PolicySettings(quiet_hours=QuietHours.parse(hours))
    if end is None:
        check_quiet(quiet, now)
    else:
        with pytest.raises(RateLimited) as refused:
            check_quiet(quiet, now)
        assert refused.value.retry_after == pytest.approx(end * 3600, abs=1)
    check_quiet(PolicySettings(), now)


def test_quiet_hours_end_by_the_clock_when_summer_time_begins() -> None:
    before = datetime(2026, 3, 28, 23, tzinfo=ZoneInfo("Europe/Berlin"))
    with pytest.raises(RateLimited) as refused:
        check_quiet(PolicySettings(quiet_hours=QuietHours.parse("22:00-07:00")), before)
    assert refused.value.retry_after == 7 * 3600


@for_each("given_", ["22-7", "22:00", "25:00-07:00", "07:00-07:00", "night", "22:00-07:00-08:00"])
def test_what_is_no_span_of_the_clock_is_refused(given_: str) -> None:
    with pytest.raises(ValueError, match="22:00-07:00"):
        QuietHours.parse(given_)


@given(st.floats(0, 1), st.floats(0, 100))
def test_sends_to_different_chats_are_apart_by_about_the_mean_gap(chance: float, passed: float) -> None:
    policy = PolicySettings(budgets=BudgetSettings(gap_seconds=2))
    left = gap(policy, NOW - timedelta(seconds=passed), NOW, lambda: chance)
    assert left == pytest.approx(max(0, 1 + 2 * chance - passed), abs=1e-5)
    assert gap(policy, None, NOW, lambda: chance) == 0
    assert gap(PolicySettings(budgets=BudgetSettings(gap_seconds=0)), NOW, NOW, lambda: chance) == 0


def test_the_default_budgets_leave_room_for_a_persons_pace() -> None:
    talk = [PastAct(NOW - timedelta(seconds=30 * n), ("ann",)) for n in range(50)][::-1]
    check_budgets(PolicySettings(), Pauses(), talk, PLANNED)
    greetings = [PastAct(NOW - timedelta(seconds=60 * n), (f"friend {n}",), text="t") for n in range(1, 10)][
        ::-1
    ]
    check_budgets(PolicySettings(), Pauses(), greetings, PastAct(NOW, ("ann",), text="t"))
