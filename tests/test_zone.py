"""The machine's own time zone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp_mcp.text.zone import SystemZone, SystemZoneFile

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


def test_the_zone_that_a_traveller_sets_is_seen_without_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "localtime"
    moment = datetime(2026, 7, 1, 12, tzinfo=UTC)

    with pytest.MonkeyPatch.context() as environment:

        def reread() -> None:
            environment.setenv("TZ", file.readlink().as_posix().removeprefix("/zones/"))
            time.tzset()

        file.symlink_to("/zones/Europe/Berlin")
        zone_file = SystemZoneFile(file, reread)
        zone_file.refresh()
        assert moment.astimezone(SystemZone()).hour == 14
        file.unlink()
        file.symlink_to("/zones/Asia/Tokyo")
        zone_file.refresh()
        assert moment.astimezone(SystemZone()).hour == 21
    time.tzset()


@pytest.mark.parametrize("change", ["written", "gone", "unchanged"])
def test_the_zone_is_read_again_only_when_its_file_has_changed(change: str, tmp_path: Path) -> None:
    file, times = tmp_path / "localtime", list[str]()
    file.write_bytes(b"TZif2")
    zone_file = SystemZoneFile(file, lambda: times.append("read"))
    if change == "written":
        file.write_bytes(b"TZif2 of another zone")
    if change == "gone":
        file.unlink()
    zone_file.refresh()
    zone_file.refresh()
    assert times == ([] if change == "unchanged" else ["read"])


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
