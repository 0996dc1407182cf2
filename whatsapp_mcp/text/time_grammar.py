"""The times that people and agents write, wherever one is asked for: tools, search, command line.

| written | names |
| --- | --- |
| `2026`, `2026-11`, `2026-11-24` | the year, month or day; `/` and `.` separate too |
| `2026-11-24T14:03`, `2026-11-24 14:03:05+01:00` | the minute or second; the person's zone if none is given |
| `today`, `yesterday` | the day |
| `friday`, `fri` | the last such day, which may be today |
| `30m`, `6h`, `3d`, `2w`, `5mo`, `1y` | the moment that many minutes, hours, days, weeks, months, years ago |

What is written names a span of time. `since` and `after` begin where it begins, `before` ends where it
begins, and `until` ends where it ends, so it includes the day or month that it names.

Where something is to last (`pause --for 2h`), the forms of the last row count from now on. Where something
is to happen later, a time of day is part of it (`later`).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final, NamedTuple

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.text.zone import local

FORMS: Final = (
    "a date (2026-11-24, 2026-11), a time (2026-11-24T14:03), an age (30m, 6h, 3d, 2w, 5mo, 1y) or a weekday"
)
"""Accepted forms of a time, for descriptions and errors."""
LENGTHS: Final = "a length of time (30m, 6h, 3d, 2w, 5mo, 1y)"
"""Accepted forms of a duration."""
MOMENTS: Final = (
    "a time (2026-11-24T14:03), a day and a time (tomorrow 09:00, friday 18:30) or how far off (30m, 6h, 3d)"
)
"""Accepted forms of a moment in the future."""
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DATE: Final = re.compile(r"(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?")
_TIME: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T\s]\s*(\d{2}:\d{2})(:\d{2}(?:\.\d{1,9})?)?\s*(z|[+-]\d{2}:?\d{2})?", re.IGNORECASE
)
_AGE: Final = re.compile(r"(\d{1,5})\s*(m|h|d|w|mo|y)")
_DAY_AND_TIME: Final = re.compile(r"([a-z]{3,9})\s+(?:at\s+)?(\d{1,2}):(\d{2})")
_SECONDS: Final = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_MONTHS: Final = {"mo": 1, "y": 12}


class Span(NamedTuple):
    """A stretch of time: `start` belongs to it, `end` does not; both have a zone. An age has no length."""

    start: datetime
    end: datetime


def read(text: str, zone: tzinfo, now: datetime) -> Span | None:
    """Parse a written time into the span that it names; None if it is not a time.

    Args:
        text: As the table above says; case and surrounding spaces do not matter.
        zone: The person's time zone.
        now: The moment from which ages and weekdays count.
    """
    given = text.strip().casefold()
    try:
        return (
            _age(given, zone, now) or _named_day(given, zone, now) or _date(given, zone) or _time(given, zone)
        )
    except (ValueError, OverflowError):
        return None


def since(text: str | None, zone: tzinfo, now: datetime) -> datetime | None:
    """The first moment of a written time; None if nothing is written.

    Raises:
        InvalidArgument: It is not a time.
    """
    return _required(text, zone, now).start if text else None


def until(text: str | None, zone: tzinfo, now: datetime) -> datetime | None:
    """The first moment after a written time; None if nothing is written.

    Raises:
        InvalidArgument: It is not a time.
    """
    return _required(text, zone, now).end if text else None


def ahead(text: str, zone: tzinfo, now: datetime) -> datetime:
    """The moment at which a written length of time from now on is over.

    Raises:
        InvalidArgument: It is no length of time, or no time at all.
    """
    try:
        moment = _moved(text.strip().casefold(), zone, now, 1)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment <= now:
        raise InvalidArgument(f"{text[:40]!r} is not a length of time.", f"Give {LENGTHS}.")
    return moment


def coming(text: str, zone: tzinfo, now: datetime) -> datetime:
    """A moment to come: where a written date or time begins, or the end of a written length of time from now.

    Raises:
        InvalidArgument: It is neither, or past.
    """
    given = text.strip().casefold()
    span = None if _AGE.fullmatch(given) else read(text, zone, now)
    if span is None:
        return ahead(text, zone, now)
    if span.start <= now:
        raise InvalidArgument(f"{text[:40]!r} is past.", f"Give a date or time to come, or {LENGTHS}.")
    return span.start


def later(text: str, zone: tzinfo, now: datetime) -> datetime:
    """The moment ahead that is written: `2026-12-01T09:00`, `tomorrow 09:00`, `friday 18:30`, `30m`.

    A weekday is the next such day on which that time is still ahead. What is counted from now on is rounded
    up to a minute.

    Raises:
        InvalidArgument: It is no moment, has passed, or is one that clocks skip or show twice in this zone.
    """
    given = text.strip().casefold()
    try:
        moment = _counted(given, zone, now) or _on_a_day(given, zone, now) or _at_a_time(given, zone)
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise InvalidArgument(f"{text[:40]!r} is not a moment.", f"Give {MOMENTS}.")
    if moment <= now:
        raise InvalidArgument(f"{text[:40]!r} has passed.", "Give a later moment.")
    return moment


def _counted(given: str, zone: tzinfo, now: datetime) -> datetime | None:
    moment = _moved(given, zone, now, 1)
    if moment is None or (moment.second, moment.microsecond) == (0, 0):
        return moment
    return moment.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)


def _on_a_day(given: str, zone: tzinfo, now: datetime) -> datetime | None:
    match = _DAY_AND_TIME.fullmatch(given)
    if match is None:
        return None
    word, clock, today = match[1], time(int(match[2]), int(match[3])), local(now, zone)
    if word in ("today", "tomorrow"):
        ahead = int(word == "tomorrow")
    else:
        day = next((n for n, name in enumerate(WEEKDAYS) if word in (name, name[:3])), None)
        if day is None:
            return None
        ahead = (day - today.weekday()) % 7
        if ahead == 0 and clock <= today.time():
            ahead = 7
    return _shown_once(datetime.combine(today.date() + timedelta(days=ahead), clock), zone)


def _at_a_time(given: str, zone: tzinfo) -> datetime | None:
    span = _time(given, zone)
    if span is None:
        return None
    has_offset = span.start.tzinfo is not zone
    return span.start if has_offset else _shown_once(span.start.replace(tzinfo=None), zone)


def _shown_once(clock: datetime, zone: tzinfo) -> datetime:
    """The moment at which the clocks of a zone show this.

    Raises:
        InvalidArgument: They skip it when they go forward, or show it twice when they go back.
    """
    first, second = (clock.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if local(first.astimezone(UTC), zone).replace(tzinfo=None) != clock:
        raise InvalidArgument(
            f"There is no {clock:%H:%M} on {clock:%Y-%m-%d}: clocks go forward then.", "Give another time."
        )
    if first.utcoffset() != second.utcoffset():
        raise InvalidArgument(
            f"{clock:%H:%M} comes twice on {clock:%Y-%m-%d}: clocks go back then.",
            f"Say which: {first.isoformat(timespec='minutes')} or {second.isoformat(timespec='minutes')}.",
        )
    return first


def _required(text: str, zone: tzinfo, now: datetime) -> Span:
    span = read(text, zone, now)
    if span is None:
        raise InvalidArgument(f"{text[:40]!r} is not a time.", f"Give {FORMS}.")
    return span


def _age(given: str, zone: tzinfo, now: datetime) -> Span | None:
    moment = _moved(given, zone, now, -1)
    return None if moment is None else Span(moment, moment)


def _moved(given: str, zone: tzinfo, now: datetime, sign: int) -> datetime | None:
    """The moment that many units before now (`sign` -1) or after it (1)."""
    match = _AGE.fullmatch(given)
    if match is None:
        return None
    count, unit = sign * int(match[1]), match[2]
    if unit in _SECONDS:
        # In UTC: what is added to a local time moves its clock, whatever hour is skipped or repeated.
        return now.astimezone(UTC) + timedelta(seconds=count * _SECONDS[unit])
    return _months_later(local(now, zone).replace(tzinfo=zone), count * _MONTHS[unit])


def _months_later(moment: datetime, count: int) -> datetime:
    """The same day of another month, or its last day where the month is shorter; before, if negative."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + count, 12)
    # Every month has 28 days, so no other day needs to be tried.
    for day in range(moment.day, 27, -1):
        try:
            return moment.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    return moment.replace(year=year, month=month + 1)


def _named_day(given: str, zone: tzinfo, now: datetime) -> Span | None:
    today = local(now, zone)
    if given in ("today", "yesterday"):
        back = int(given == "yesterday")
    else:
        day = next((n for n, name in enumerate(WEEKDAYS) if given in (name, name[:3])), None)
        if day is None:
            return None
        back = (today.weekday() - day) % 7
    date = today.date() - timedelta(days=back)
    return _day(datetime(date.year, date.month, date.day, tzinfo=zone))


def _date(given: str, zone: tzinfo) -> Span | None:
    match = _DATE.fullmatch(given)
    if match is None:
        return None
    year, month, day = int(match[1]), int(match[2] or 1), int(match[3] or 1)
    start = datetime(year, month, day, tzinfo=zone)
    if match[3]:
        return _day(start)
    years, following = divmod(month - 1 + (1 if match[2] else 12), 12)
    return Span(start, datetime(year + years, following + 1, 1, tzinfo=zone))


def _day(start: datetime) -> Span:
    # By the calendar: the day on which clocks change has 23 or 25 hours.
    return Span(start, start + timedelta(days=1))


def _time(given: str, zone: tzinfo) -> Span | None:
    match = _TIME.fullmatch(given)
    if match is None:
        return None
    date, minute, second, offset = match.groups()
    moment = datetime.fromisoformat(f"{date}T{minute}{second or ''}{(offset or '').upper()}")
    moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    # In UTC, since adding to a local time would skip the hour that is repeated when clocks go back.
    length = timedelta(seconds=1) if second else timedelta(minutes=1)
    return Span(moment, moment.astimezone(UTC) + length)
