"""What a list of messages is of: the filters that were given, in words."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from whatsapp_mcp.server.render.times import day_of, stamp, time_of_day
from whatsapp_mcp.text.zone import local

if TYPE_CHECKING:
    from whatsapp_mcp.models import MessageFilter


def narrowed(where: MessageFilter, zone: tzinfo, *, sender: str | None = None) -> str:
    """` (image or video, from Bob, unread, since Tue 2026-11-24)`; nothing where no filter was given.

    Args:
        where: The filters; the chat stands elsewhere.
        zone: The person's time zone.
        sender: What the sender is called.
    """
    words = [" or ".join(where.kinds)] if where.kinds else []
    words += [f"from {sender}"] if sender else []
    for given, true, false in (
        (where.from_me, "from me", "from others"),
        (where.unread, "unread", "read"),
        (where.mentions_me, "mentioning me", "not mentioning me"),
    ):
        words += [] if given is None else [true if given else false]
    words += [f"since {_moment(where.since, zone)}"] if where.since else []
    words += [_until(where.until, zone)] if where.until else []
    return f" ({', '.join(words)})" if words else ""


def _moment(when: datetime, zone: tzinfo) -> str:
    """`Tue 2026-11-24 14:03`; without the time where the day begins."""
    stamped = stamp(when, zone)
    return day_of(stamped) if _begins_a_day(when, zone) else f"{day_of(stamped)} {time_of_day(stamped)}"


def _until(end: datetime, zone: tzinfo) -> str:
    """Whether the last day is among them is said."""
    if _begins_a_day(end, zone):
        return f"until {day_of(stamp(end - timedelta(seconds=1), zone))} inclusive"
    return f"before {_moment(end, zone)}"


def _begins_a_day(when: datetime, zone: tzinfo) -> bool:
    return f"{local(when, zone):%H%M%S}" == "000000"
