"""Times as the two SQLite drivers for Go write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.tables import for_each
from whatsapp_mcp.features.imports.foreign.servers.go_times import millis_of, seconds_of


@for_each(
    "text",
    [
        "2023-11-14 22:13:20+00:00",
        "2023-11-14T22:13:20Z",
        "2023-11-14 22:13:20",
        "2023-11-14 19:13:20.999999999-03:00",
        "2023-11-15 03:43:20 +0530 IST",
        "2023-11-14 19:13:20.123 -0300 -03 m=+0.000012345",
        "2023-11-14 22:13:20 +0000 UTC",
    ],
)
def test_a_time_is_read_in_each_form(text: str) -> None:
    assert seconds_of(text) == 1_700_000_000


@for_each(
    "value", ["soon", "", None, 1_700_000_000, b"2023-11-14 22:13:20", "2023-13-14 22:13:20", "9" * 500]
)
def test_what_is_no_time_is_none(value: Any) -> None:
    assert millis_of(value) is None


@given(
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),
    st.integers(-23 * 60, 23 * 60),
)
def test_milliseconds_are_those_of_the_moment(at: datetime, ahead: int) -> None:
    zoned = at.replace(tzinfo=timezone(timedelta(minutes=ahead)))
    expected = (zoned - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert millis_of(zoned.isoformat(" ")) == expected
