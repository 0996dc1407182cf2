"""The machine's own time zone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp_mcp.zone import SystemZone

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(autouse=True, scope="module")
def machine_in_berlin() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@given(st.datetimes(datetime(1980, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)))
def test_every_moment_is_what_the_zone_of_that_name_says_and_comes_back(moment: datetime):
    local = moment.astimezone(SystemZone())

    assert local.replace(tzinfo=None) == moment.astimezone(BERLIN).replace(tzinfo=None)
    assert local.astimezone(UTC) == moment
    assert (local.utcoffset(), local.tzname()) == (
        moment.astimezone(BERLIN).utcoffset(),
        moment.astimezone(BERLIN).tzname(),
    )


def test_a_day_begins_at_midnight_in_summer_and_in_winter():
    offsets = [datetime(2026, month, 1, tzinfo=SystemZone()).utcoffset() for month in (1, 7)]

    assert offsets == [timedelta(hours=1), timedelta(hours=2)]


def test_the_hour_that_comes_twice_is_told_apart():
    moments = [datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1)]

    local = [moment.astimezone(SystemZone()) for moment in moments]

    assert [(each.hour, each.fold) for each in local] == [(2, 0), (2, 1)]
    assert [each.astimezone(UTC) for each in local] == moments


def test_what_no_calendar_holds_overflows():
    with pytest.raises(OverflowError):
        datetime.max.replace(tzinfo=UTC).astimezone(SystemZone())
