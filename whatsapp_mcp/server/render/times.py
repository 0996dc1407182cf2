"""Times as people of one zone say them; what they write is read by `time_grammar`."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from typing import Any, Final

from whatsapp_mcp.text.time_grammar import WEEKDAYS
from whatsapp_mcp.text.zone import local

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MILLISECONDS: Final = 10**11
"""A larger number is one of milliseconds: in seconds it would lie behind the year 5000."""
DAY: Final = slice(10)
"""Slice of the day in an RFC 3339 time."""
TIME: Final = slice(11, 16)
"""Slice of the hours and minutes in an RFC 3339 time."""


def stamp(moment: datetime, zone: tzinfo) -> str:
    """`2026-11-24T14:03:05+01:00`, RFC 3339 in the person's zone."""
    there = local(moment, zone)
    # Without a fraction the default form is the same and a quarter cheaper; lists write one for each message.
    return there.isoformat(timespec="seconds") if there.microsecond else there.isoformat()


def stamp_of_number(value: Any, zone: tzinfo) -> str | None:
    """Return the `stamp` of seconds since 1970, or of milliseconds if seconds would be millennia ahead."""
    try:
        seconds = value / 1000 if value > _MILLISECONDS else value
        return stamp(datetime.fromtimestamp(seconds, UTC), zone) if seconds > 0 else None
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def rfc3339(moment: datetime | None, zone: tzinfo) -> str | None:
    """Return the `stamp` of a moment; None stays None."""
    return None if moment is None else stamp(moment, zone)


def day_of(stamped: str) -> str:
    """`Tue 2026-11-24` of a time in RFC 3339."""
    day = stamped[DAY]
    return f"{WEEKDAYS[date.fromisoformat(day).weekday()][:3].title()} {day}"


def time_of_day(stamped: str) -> str:
    """`14:03` of a time in RFC 3339."""
    return stamped[TIME]


def clock(moment: datetime, zone: tzinfo) -> str:
    """`14:03`."""
    return time_of_day(stamp(moment, zone))


def when(moment: datetime, zone: tzinfo) -> str:
    """`Tue 2026-11-24 14:03 (+01:00)`: a moment ahead, which may be in another half of the year."""
    stamped = stamp(moment, zone)
    return f"{day_of(stamped)} {time_of_day(stamped)} ({stamped[-6:]})"


def short(moment: datetime, zone: tzinfo, now: datetime) -> str:
    """Format a moment briefly: `14:03` today, `24 Nov 14:03` this year, else `2025-11-24`."""
    return short_stamp(stamp(moment, zone), stamp(now, zone))


def short_stamp(then: str, now: str) -> str:
    """Format a time as `short` does, with times in RFC 3339."""
    if then[DAY] == now[DAY]:
        return time_of_day(then)
    year, month, day = then[DAY].split("-")
    if year == now[:4]:
        return f"{int(day)} {_MONTHS[int(month) - 1]} {time_of_day(then)}"
    return then[DAY]
