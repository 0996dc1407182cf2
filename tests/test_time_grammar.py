"""One grammar for the times that people and agents write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tables import for_each
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.text.time_grammar import ahead, later, read, since, until

NOW = datetime(2026, 11, 26, 19, 45, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def test_m_is_minutes_and_mo_is_months() -> None:
    assert since("30m", UTC, NOW) == NOW - timedelta(minutes=30)
    assert since("30mo", UTC, NOW) == datetime(2024, 5, 26, 19, 45, tzinfo=UTC)


def test_a_month_before_the_31st_ends_on_the_last_day_of_a_shorter_month() -> None:
    assert since("1mo", UTC, datetime(2026, 3, 31, tzinfo=UTC)) == datetime(2026, 2, 28, tzinfo=UTC)
    assert since("1y", UTC, datetime(2024, 2, 29, tzinfo=UTC)) == datetime(2023, 2, 28, tzinfo=UTC)


def test_months_ago_keep_the_time_of_day_when_clocks_have_changed_since() -> None:
    assert since("3mo", BERLIN, datetime(2026, 11, 26, 12, tzinfo=BERLIN)) == datetime(
        2026, 8, 26, 12, tzinfo=BERLIN
    )


def test_hours_are_counted_as_they_pass_when_clocks_change_meanwhile() -> None:
    before = datetime(2026, 10, 25, 0, 30, tzinfo=BERLIN)
    assert (later("6h", BERLIN, before) - before.astimezone(UTC)) == timedelta(hours=6)


def test_until_includes_what_it_names() -> None:
    assert until("2026-11-24", UTC, NOW) == datetime(2026, 11, 25, tzinfo=UTC)
    assert until("2026-12", UTC, NOW) == datetime(2027, 1, 1, tzinfo=UTC)
    assert until("2026-11-24T14:03", UTC, NOW) == datetime(2026, 11, 24, 14, 4, tzinfo=UTC)
    assert until("6h", UTC, NOW) == NOW - timedelta(hours=6)


def test_a_weekday_is_the_last_one_and_may_be_today() -> None:
    assert since("Thursday", UTC, NOW) == datetime(2026, 11, 26, tzinfo=UTC)
    assert since("fri", UTC, NOW) == datetime(2026, 11, 20, tzinfo=UTC)


def test_today_is_the_day_of_the_persons_zone() -> None:
    late = datetime(2026, 11, 26, 23, 30, tzinfo=UTC)
    assert since("today", BERLIN, late) == datetime(2026, 11, 27, tzinfo=BERLIN)


def test_a_day_on_which_clocks_change_is_as_long_as_it_is() -> None:
    span = read("2026-03-29", BERLIN, NOW)
    assert span is not None
    assert span.end.astimezone(UTC) - span.start.astimezone(UTC) == timedelta(hours=23)


def test_a_time_with_a_zone_of_its_own_keeps_it() -> None:
    assert since("2026-11-24T14:03Z", BERLIN, NOW) == datetime(2026, 11, 24, 14, 3, tzinfo=UTC)
    assert since("2026-11-24 14:03:05+0530", UTC, NOW) == datetime(2026, 11, 24, 8, 33, 5, tzinfo=UTC)


@for_each("text", ["soon", "2026-13", "2026-02-30", "14:03", "3", "-3d", "9999", "99999y", "m", "2026-W05"])
def test_what_is_not_a_time_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        since(text, UTC, NOW)
    assert "6h" in refused.value.action


def test_nothing_written_bounds_nothing() -> None:
    assert since(None, UTC, NOW) is None
    assert until("", UTC, NOW) is None


@given(
    st.text(max_size=30)
    | st.from_regex(r"[0-9]{1,5} ?(m|h|d|w|mo|y)|[0-9]{4}[-/.][0-9]{1,2}([-/.][0-9]{1,2})?", fullmatch=True)
)
def test_whatever_is_written_is_a_span_or_no_time(text: str) -> None:
    span = read(text, BERLIN, NOW)
    assert span is None or span.start.astimezone(UTC) <= span.end.astimezone(UTC)


@for_each(
    ("written", "expected"),
    [
        ("30m", NOW + timedelta(minutes=30)),
        (" 2H ", NOW + timedelta(hours=2)),
        ("3d", NOW + timedelta(days=3)),
        ("2w", NOW + timedelta(weeks=2)),
        ("3mo", datetime(2027, 2, 26, 19, 45, tzinfo=UTC)),
        ("1y", datetime(2027, 11, 26, 19, 45, tzinfo=UTC)),
    ],
)
def test_a_length_of_time_counts_from_now_on(written: str, expected: datetime) -> None:
    assert ahead(written, UTC, NOW) == expected


@for_each("written", ["", "2", "h", "0m", "-2h", "1.5h", "tomorrow", "2026-12-01", "99999y"])
def test_what_is_no_length_of_time_is_refused_with_the_forms(written: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        ahead(written, UTC, NOW)
    assert "2w" in refused.value.action


@given(st.integers(1, 999), st.sampled_from(["m", "h", "d", "w"]))
def test_ahead_and_ago_are_equally_far(count: int, unit: str) -> None:
    ago = since(f"{count}{unit}", UTC, NOW)
    assert ago is not None
    assert ahead(f"{count}{unit}", UTC, NOW) - NOW == NOW - ago


# What is to happen later.

NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")


@for_each(
    ("written", "expected"),
    [
        ("2026-12-01T09:00", "2026-12-01T09:00+01:00"),
        ("2026-12-01 09:00:30", "2026-12-01T09:00:30+01:00"),
        ("2027-07-01T09:00", "2027-07-01T09:00+02:00"),
        ("2026-12-01T09:00Z", "2026-12-01T09:00+00:00"),
        ("today 23:10", "2026-11-26T23:10+01:00"),
        ("Tomorrow 9:05", "2026-11-27T09:05+01:00"),
        ("tomorrow at 09:05", "2026-11-27T09:05+01:00"),
        ("thursday 22:00", "2026-11-26T22:00+01:00"),
        ("thursday 20:00", "2026-12-03T20:00+01:00"),
        ("fri 08:00", "2026-11-27T08:00+01:00"),
        ("30m", "2026-11-26T20:15+00:00"),
        ("3mo", "2027-02-26T20:45+01:00"),
    ],
)
def test_a_moment_ahead_is_of_the_persons_zone(written: str, expected: str) -> None:
    assert later(written, BERLIN, NOW) == datetime.fromisoformat(expected)


def test_what_counts_from_now_is_rounded_up_to_a_minute() -> None:
    assert later("30m", UTC, NOW + timedelta(seconds=1)) == NOW + timedelta(minutes=31)


@pytest.mark.parametrize("written", ["2027-03-28T02:30", "2027-03-28 02:00"])
def test_a_time_that_clocks_skip_is_refused(written: str) -> None:
    with pytest.raises(InvalidArgument, match="clocks go forward"):
        later(written, BERLIN, NOW)


def test_a_time_that_comes_twice_is_refused_and_both_are_offered() -> None:
    with pytest.raises(InvalidArgument, match="comes twice") as refused:
        later("2027-10-31T02:30", BERLIN, NOW)
    assert "2027-10-31T02:30+02:00 or 2027-10-31T02:30+01:00" in refused.value.action
    for offset, hours in (("+02:00", 0), ("+01:00", 1)):
        moment = later(f"2027-10-31T02:30{offset}", BERLIN, NOW)
        assert moment.astimezone(UTC) == datetime(2027, 10, 31, hours, 30, tzinfo=UTC)


@for_each(
    "written",
    ["", "soon", "2026-12-01", "yesterday 09:00", "today 25:00", "may 09:00", "14:03", "99999y"],
)
def test_what_is_no_moment_is_refused(written: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        later(written, BERLIN, NOW)
    assert "tomorrow 09:00" in refused.value.action


@for_each("written", ["2026-11-26T20:44", "today 09:00", "2020-01-01T00:00Z", "0m"])
def test_a_moment_that_has_passed_is_refused(written: str) -> None:
    with pytest.raises(InvalidArgument, match="has passed"):
        later(written, BERLIN, NOW)


@given(
    st.datetimes(datetime(2026, 11, 28), datetime(2028, 12, 31)).map(lambda at: at.replace(microsecond=0)),
    st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, UTC]),
)
def test_a_local_time_is_the_one_moment_at_which_clocks_show_it_or_refused(
    clock: datetime, zone: tzinfo
) -> None:
    shown = [
        moment
        for hours in range(-26, 27)
        for half in (0, 30)
        if (moment := (clock + timedelta(hours=hours, minutes=half)).replace(tzinfo=UTC))
        .astimezone(zone)
        .replace(tzinfo=None)
        == clock
    ]
    written = clock.isoformat(sep=" ")
    if len(shown) == 1:
        assert [later(written, zone, NOW)] == shown
    else:
        with pytest.raises(InvalidArgument, match="clocks go"):
            later(written, zone, NOW)
