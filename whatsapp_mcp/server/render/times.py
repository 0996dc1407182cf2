"""Times as people of one zone say them, and as they give them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.zone import SystemZone

_AGE: Final = re.compile(r"(\d{1,4})\s*(m|h|d|w)")
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DAY: Final = slice(10)
"""Where the day stands in a time in RFC 3339."""
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def local(moment: datetime, zone: tzinfo) -> datetime:
    """The moment in the person's zone; in UTC where the zone's calendar ends.

    A chat that is muted for ever is muted until the last second of the year 9999, UTC.
    """
    try:
        # Of the system's zone only the offset at this moment is told: it is asked of the system at once.
        return moment.astimezone(None if isinstance(zone, SystemZone) else zone)
    except OverflowError:
        return moment.astimezone(UTC)


def stamp(moment: datetime, zone: tzinfo) -> str:
    """`2026-11-24T14:03:05+01:00`, RFC 3339 in the person's zone."""
    return local(moment, zone).isoformat(timespec="seconds")


def rfc3339(moment: datetime | None, zone: tzinfo) -> str | None:
    """As `stamp`; None stays None."""
    return None if moment is None else stamp(moment, zone)


def day_of(stamped: str) -> str:
    """`Tue 2026-11-24` of a time in RFC 3339."""
    day = stamped[DAY]
    return f"{_WEEKDAYS[date.fromisoformat(day).weekday()][:3].title()} {day}"


def time_of_day(stamped: str) -> str:
    """`14:03` of a time in RFC 3339."""
    return stamped[11:16]


def clock(moment: datetime, zone: tzinfo) -> str:
    """`14:03`."""
    return time_of_day(stamp(moment, zone))


def short(moment: datetime, zone: tzinfo, now: datetime) -> str:
    """As short as it stays clear: `14:03` today, `24 Nov 14:03` this year, else `2025-11-24`."""
    return short_stamp(stamp(moment, zone), stamp(now, zone))


def short_stamp(then: str, now: str) -> str:
    """As `short`, of times in RFC 3339."""
    if then[DAY] == now[DAY]:
        return time_of_day(then)
    year, month, day = then[DAY].split("-")
    if year == now[:4]:
        return f"{int(day)} {_MONTHS[int(month) - 1]} {time_of_day(then)}"
    return then[DAY]


def parse(text: str, zone: tzinfo, now: datetime) -> datetime:
    """Read `2026-11-24`, `2026-11-24T14:03[+01:00]`, an age (`30m`, `6h`, `3d`), or a day by its name.

    That is `today`, `yesterday` or a day of the week (`friday`, `Fri`): the last one, which may be today.

    Raises:
        InvalidArgument: It is none of these.
    """
    given = text.strip()
    midnight = local(now, zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    if given.casefold() in {"today", "yesterday"}:
        days = 0 if given.casefold() == "today" else 1
        return (midnight - timedelta(days=days)).replace(tzinfo=zone)
    for number, name in enumerate(_WEEKDAYS):
        if given.casefold() in {name, name[:3]}:
            days = (midnight.weekday() - number) % 7
            return (midnight - timedelta(days=days)).replace(tzinfo=zone)
    age = _AGE.fullmatch(given.casefold())
    if age:
        return now - timedelta(**{_UNITS[age[2]]: int(age[1])})
    try:
        moment = datetime.fromisoformat(given)
        return moment if moment.tzinfo else moment.replace(tzinfo=zone)
    except (ValueError, OverflowError) as error:
        raise InvalidArgument(
            f"{text!r} is not a time.",
            "Give a date (2026-11-24), a time (2026-11-24T14:03), an age (3d, 6h) or a weekday.",
        ) from error


def parse_some(text: str | None, zone: tzinfo, now: datetime) -> datetime | None:
    """As `parse`; nothing stays None."""
    return parse(text, zone, now) if text else None
