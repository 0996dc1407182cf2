"""Moments in a person's time zone, and the machine's own zone as an object like `ZoneInfo`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

_reread: Callable[[], None] = getattr(time, "tzset", lambda: None)
"""Makes the C library read the zone again, tzset(3); Windows has no such call."""


class SystemZoneFile:
    """The file that says in which zone the machine is; who travels changes it.

    The C library reads it once: its `localtime_r`, which Python uses, never looks again by itself. Where
    the variable `TZ` names the zone, and on Windows, nothing is read again.

    Args:
        path: The file, which may be a link.
        reread: Lets this process read it again.
    """

    def __init__(
        self,
        path: Path = Path("/etc/localtime"),
        reread: Callable[[], None] = _reread,
    ) -> None:
        self._path = path
        self._reread = reread
        self._seen = self._look()

    def refresh(self) -> None:
        """Read it again if it has changed; takes microseconds."""
        seen = self._look()
        if seen != self._seen:
            self._seen = seen
            self._reread()

    def _look(self) -> tuple[int, ...]:
        seen: list[int] = []
        # A link may be replaced, and so may the file that it leads to.
        for look in (os.lstat, os.stat):
            with suppress(OSError):
                status = look(self._path)
                seen += [status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size]
        return tuple(seen)


class SystemZone(tzinfo):
    """The zone that this machine is set to, with its summer and winter time.

    `datetime.astimezone()` would set a zone of one fixed offset: half a year away it is wrong by an hour.
    """

    def utcoffset(self, when: datetime | None, /) -> timedelta | None:
        """Return the offset of local clocks from UTC at this local time; None for no time."""
        return None if when is None else _with_offset(when).utcoffset()

    def dst(self, when: datetime | None, /) -> None:
        """Not known: the system tells the offset alone."""

    def tzname(self, when: datetime | None, /) -> str | None:
        """The system's abbreviation at this local time; None for no time."""
        return None if when is None else _with_offset(when).tzname()

    def fromutc(self, when: datetime, /) -> datetime:
        """The local time of a moment in UTC; the second of two equal ones has `fold` set.

        Raises:
            OverflowError: It is beyond the last or the first year.
        """
        there = when.replace(tzinfo=UTC).astimezone()
        first = there.replace(tzinfo=self, fold=0)
        return first if first.utcoffset() == there.utcoffset() else first.replace(fold=1)


def _with_offset(when: datetime) -> datetime:
    return when.replace(tzinfo=None).astimezone()


def local(moment: datetime, zone: tzinfo) -> datetime:
    """The moment in the person's zone; in UTC where the zone's calendar ends.

    A chat that is muted for ever is muted until the last second of the year 9999, UTC.
    """
    try:
        # Of the system's zone only the offset at this moment is told: it is asked of the system at once.
        return moment.astimezone(None if isinstance(zone, SystemZone) else zone)
    except OverflowError:
        return moment.astimezone(UTC)
