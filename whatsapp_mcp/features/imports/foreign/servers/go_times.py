"""Times as programs written in Go leave them in SQLite.

Two drivers are in use. mattn/go-sqlite3 writes `2023-11-14 22:13:20.5-03:00`; modernc.org/sqlite writes what
`time.Time.String` returns, `2023-11-14 22:13:20.5 -0300 -03 m=+0.1`. Both take a time without a zone for UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

_TIME: Final = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[ T](?P<clock>\d\d:\d\d:\d\d)(?:\.(?P<part>\d{1,9}))?"
    r"(?: ?(?:Z|(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d)))?(?: .{1,40})?",
    re.ASCII,
)


def millis_of(value: Any) -> int | None:
    """Milliseconds since 1970; None for what is no such time."""
    match = _TIME.fullmatch(value) if isinstance(value, str) and len(value) <= 100 else None
    if match is None:
        return None
    try:
        ahead = timedelta(hours=int(match["hours"] or 0), minutes=int(match["minutes"] or 0))
        zone = timezone(-ahead if match["sign"] == "-" else ahead)
        moment = datetime.fromisoformat(f"{match['date']} {match['clock']}").replace(tzinfo=zone)
        whole = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    except (OverflowError, ValueError):
        return None
    return whole * 1000 + int((match["part"] or "").ljust(3, "0")[:3])


def seconds_of(value: Any) -> int | None:
    """Seconds since 1970; None for what is no such time."""
    millis = millis_of(value)
    return None if millis is None else millis // 1000
