"""How numbers and times read on a page."""

from __future__ import annotations

from datetime import datetime, tzinfo

from whatsapp_mcp.zone import local


def count(number: int) -> str:
    """A number with thousands apart: `12,345`."""
    return f"{number:,}"


def size(number: int | None) -> str:
    """Bytes as people read them: `1.2 MB`."""
    if number is None:
        return ""
    if number < 1000:
        return f"{number} bytes"
    amount = float(number)
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 999.5 or unit == "GB":
            return f"{amount:.0f} {unit}" if amount >= 99.5 else f"{amount:.1f} {unit}"
    raise AssertionError("the last unit takes everything")


def span(seconds: float) -> str:
    """A stretch of time: `1:05` minutes below an hour, `2 h 5 min` and `3 d 4 h` above."""
    whole = int(seconds)
    minutes, second = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{second:02}"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def clock(moment: datetime, zone: tzinfo) -> str:
    """The time of day in the person's zone: `14:05`."""
    return f"{local(moment, zone):%H:%M}"


def day(moment: datetime, zone: tzinfo) -> str:
    """The day in the person's zone: `Tuesday, 24 November 2026`."""
    there = local(moment, zone)
    return f"{there:%A}, {there.day} {there:%B %Y}"


def when(moment: datetime, zone: tzinfo) -> str:
    """The minute in the person's zone: `2026-11-24 14:05`."""
    return f"{local(moment, zone):%Y-%m-%d %H:%M}"
