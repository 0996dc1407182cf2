"""Days and times that a text names, in four languages: "friday at 7", "am 5. März", "mañana a las 10".

A day is one of the future as seen from the message: a weekday is the next one, a date without a year the next
such date. A time of day alone names none.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta
from itertools import islice
from typing import Final

from whatsapp_mcp.triage.speech import folded_ends

MOST: Final = 3
"""Days of one text."""
_LOOKED_AT: Final = 16
"""Places of one text that name a day: more of them are no appointment."""
_DAYS_AHEAD: Final = 400
"""What is further away is no appointment."""
_TIME_AROUND: Final = 24
"""Characters between a day and its time of day."""
_NOON: Final = 12

_WEEKDAYS: Final = {
    name: number
    for number, names in enumerate(
        (
            "monday montag lunes segunda segunda-feira",
            "tuesday dienstag martes terca terca-feira",
            "wednesday mittwoch miercoles quarta quarta-feira",
            "thursday donnerstag jueves quinta quinta-feira",
            "friday freitag viernes sexta sexta-feira",
            "saturday samstag sonnabend sabado",
            "sunday sonntag domingo",
        )
    )
    for name in names.split()
}
_SHORT_WEEKDAYS: Final = {
    name: number
    for number, names in enumerate(("mon", "tue tues", "wed", "thu thur thurs", "fri", "sat", "sun"))
    for name in names.split()
}
"""Taken behind a word that announces a day, or before a time: `sun` and `sat` mean other things too."""
_RELATIVE: Final = {
    "day after tomorrow": 2, "ubermorgen": 2, "pasado manana": 2, "depois de amanha": 2,
    "tomorrow": 1, "tmrw": 1, "tmr": 1, "tomoz": 1, "morgen": 1, "manana": 1, "amanha": 1, "amnh": 1,
    "today": 0, "tonight": 0, "heute": 0, "heut": 0, "hoy": 0, "hoje": 0, "hj": 0, "esta noche": 0,
}  # fmt: skip
_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar enero janeiro",
            "february feb februar febrero fevereiro",
            "march mar marz maerz marzo marco",
            "april apr abril",
            "may mai mayo maio",
            "june jun juni junio junho",
            "july jul juli julio julho",
            "august aug agosto",
            "september sep sept septiembre setembro",
            "october oct oktober okt octubre outubro",
            "november nov noviembre novembro",
            "december dec dezember dez diciembre dezembro",
        ),
        1,
    )
    for name in names.split()
}


def _any(names: dict[str, int]) -> str:
    return "|".join(sorted(map(re.escape, names), key=len, reverse=True))


_ANNOUNCES: Final = (
    r"(?:on|this|next|by|until|til|till|before|am|bis|kommenden|nachsten|diesen|el|este|proximo|na|no|ate|nesta"
    r"|u|you|free|for|about|from|after)"
)
_DAY: Final = re.compile(
    rf"""\b(?:
    (?P<iso>20\d\d-\d\d-\d\d)
    |(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.|º|o)?\s(?:de\s|of\s)?(?P<month>{_any(_MONTHS)})\b
    |(?P<month2>{_any(_MONTHS)})\s(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?\b(?!:)
    |(?P<day3>\d{{1,2}})(?:/|\.)(?P<month3>\d{{1,2}})\b(?:[/.](?:20)?\d\d\b|\.(?!\d))
    |{_ANNOUNCES}\s(?P<day5>\d{{1,2}})/(?P<month5>\d{{1,2}})\b(?!/)
    |(?:the|zum|am|den)\s(?P<day4>\d{{1,2}})(?:st|nd|rd|th|\.(?!\d))(?!\s(?:of\s)?(?:{_any(_MONTHS)})\b)
    |dia\s(?P<day6>\d{{1,2}})\b
    |(?<!guten\s)(?<!buena\s)(?<!por\sla\s)(?<!de\sla\s)(?<!am\s)(?P<relative>{_any(_RELATIVE)})\b
    |(?<!last\s)(?<!past\s)(?<!letzten\s)(?P<weekday>{_any(_WEEKDAYS)})\b(?!\s(?:pasado|passad))
        (?!,?\s(?:the\s|den\s|dem\s)?\d{{1,2}}(?:\.(?!\d)|\sde\s|st\b|nd\b|rd\b|th\b|\s(?:{_any(_MONTHS)})\b))
    |{_ANNOUNCES}\s(?P<short>{_any(_SHORT_WEEKDAYS)})\b
    )""",
    re.VERBOSE,
)
_TIME: Final = re.compile(
    r"""\b(?:
    (?P<h>[01]?\d|2[0-3])[:.h](?P<m>[0-5]\d)(?:\s?(?P<half>am|pm)\b|\s?uhr)?(?![\d.])
    |(?P<h2>1[0-2]|0?[1-9])\s?(?P<half2>am|pm)\b
    |(?P<h3>[01]?\d|2[0-3])\s?(?:uhr|h(?:rs?|oras)?)\b
    |(?:um|gegen|at|around|by|bis|a\slas?|as|sobre\slas|la|las)\s(?:halb\s(?P<halb>\d{1,2})|(?P<h4>[01]?\d|2[0-3])(?:\s(?:y|e)\s(?P<m4>media|meia|cuarto))?)\b(?![.:/]\d|%)
    )""",
    re.VERBOSE,
)
_MAY_NAME: Final = re.compile(rf"\d|{_any(_RELATIVE)}|{_any(_WEEKDAYS)}|{_any(_SHORT_WEEKDAYS)}")
_EVENING: Final = re.compile(
    r"\b(?:tonight|evening|night|abends?|noche|tarde|noite|afternoon|nachmittags?|dinner|abendessen|cena\w*|jant\w+)\b"
)


@dataclass(frozen=True, slots=True)
class NamedDay:
    """A day that a text names, and the time of day if it names one; `at` is its place in what is read."""

    day: date
    at: int
    time: time | None = None


def named_days(text: str, said: date) -> tuple[NamedDay, ...]:
    """The days that a message names, at most `MOST`, each once; of a long one its ends count.

    Args:
        text: What it says.
        said: The day on which it was said, in the person's zone.
    """
    if _MAY_NAME.search(folded := folded_ends(text)) is None:
        return ()
    found: dict[date, NamedDay] = {}
    for match, day in islice(_days(folded, said), _LOOKED_AT):
        one = NamedDay(day, match.start(), _time_beside(folded, match))
        if day not in found or found[day].time is None:
            found[day] = one
        if len(found) == MOST:
            break
    return tuple(found.values())


def _days(folded: str, said: date) -> Iterator[tuple[re.Match[str], date]]:
    for match in _DAY.finditer(folded):
        day = _day(match, said)
        if day is not None and timedelta(0) <= day - said <= timedelta(_DAYS_AHEAD):
            yield match, day


def _day(match: re.Match[str], said: date) -> date | None:
    """What a match names."""
    parts = match.groupdict()
    if (relative := parts["relative"]) is not None:
        return said + timedelta(_RELATIVE[relative])
    if (name := parts["weekday"] or parts["short"]) is not None:
        number = _WEEKDAYS[name] if parts["weekday"] else _SHORT_WEEKDAYS[name]
        return said + timedelta((number - said.weekday() - 1) % 7 + 1)
    try:
        if (iso := parts["iso"]) is not None:
            return date.fromisoformat(iso)
        month = parts["month"] or parts["month2"]
        number = _MONTHS[month] if month else int(parts["month3"] or parts["month5"] or 0)
        day = next(int(parts[f"day{which}"]) for which in ("", 2, 3, 4, 5, 6) if parts[f"day{which}"])
        return _next(day, number, said)
    except ValueError:
        return None


def _next(day: int, month: int, said: date) -> date | None:
    """The next such date; `month` 0: of this month or the next one."""
    for ahead in range(13):
        year, number = divmod(said.year * 12 + said.month - 1 + ahead, 12)
        if month not in (0, number + 1):
            continue
        if day <= monthrange(year, number + 1)[1] and (found := date(year, number + 1, day)) >= said:
            return found
    return None


def _time_beside(folded: str, day: re.Match[str]) -> time | None:
    """The time of day that stands next to a day."""
    before = max(0, day.start() - _TIME_AROUND)
    behind = _TIME.search(folded, day.end(), day.end() + _TIME_AROUND)
    ahead = None if behind else _last(_TIME.finditer(folded, before, day.start()))
    return _time(behind or ahead, folded)


def _last(matches: Iterator[re.Match[str]]) -> re.Match[str] | None:
    found = None
    for found in matches:  # noqa: B007
        pass
    return found


def _time(match: re.Match[str] | None, folded: str) -> time | None:
    if match is None:
        return None
    parts = match.groupdict()
    if parts["halb"]:  # "halb 8" is half past seven
        hour, minute = int(parts["halb"]) - 1, 30
    else:
        hour = next(int(parts[name]) for name in ("h", "h2", "h3", "h4") if parts[name])
        minute = int(parts["m"] or {"media": 30, "meia": 30, "cuarto": 15}.get(parts["m4"] or "", 0))
    half = parts["half"] or parts["half2"]
    later = half == "pm" or (half is None and hour < _NOON and _EVENING.search(folded) is not None)
    if (later and hour < _NOON) or (half == "am" and hour == _NOON):
        hour = (hour + _NOON) % 24
    return time(hour, minute) if 0 <= hour < 24 else None
