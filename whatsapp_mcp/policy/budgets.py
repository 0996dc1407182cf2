"""Budgets: how much others see of an account in a while, so that WhatsApp does not take it for a machine.

Pure: what was done lately comes from the audit (`PastAct`), what WhatsApp has imposed from the ledger
(`Pauses`). Each refusal says when to try again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, time, timedelta
from typing import Final

from whatsapp_mcp.errors import RateLimited
from whatsapp_mcp.models import PastAct, Pauses
from whatsapp_mcp.settings import PolicySettings, QuietHours

WARM_UP: Final = timedelta(days=7)
"""Time after linking in which the hourly and the daily budgets grow to their full size."""
_AT_FIRST: Final = 0.2
"""The share of a budget right after linking."""
_FEWEST_NEW: Final = 3
"""New chats a day that a warm-up leaves."""
_DAY: Final = timedelta(days=1)
_WAIT: Final = "Wait until then, or tell the user; do not work around it."


def check_budgets(policy: PolicySettings, pauses: Pauses, past: Sequence[PastAct], planned: PastAct) -> None:
    """Let an act that others see pass, or say when it may be tried again.

    Args:
        policy: With the limits.
        pauses: What WhatsApp has imposed on the account.
        past: What was done in the last day, the oldest first.
        planned: What is about to be done, at its time.

    Raises:
        RateLimited: It is too much, or a pause is on; `retry_after` says when to try again.
    """
    for until, sentence in _obstacles(policy, pauses, past, planned):
        if until > planned.at:
            raise _limited(sentence, until - planned.at)


def check_quiet(policy: PolicySettings, now: datetime) -> None:
    """Refuse what others see in quiet hours.

    Args:
        policy: With the quiet hours, if there are any.
        now: With the person's time zone.

    Raises:
        RateLimited: It is within them; `retry_after` says when they end.
    """
    end = None if policy.quiet_hours is None else _end_of_quiet(policy.quiet_hours, now)
    if end is not None:
        # Of one zone, datetimes are subtracted as the clock shows them.
        left = timedelta(seconds=end.timestamp() - now.timestamp())
        raise _limited(f"Quiet hours (policy.quiet_hours) last until {end:%H:%M}", left)


def check_pauses(pauses: Pauses, planned: PastAct) -> None:
    """Refuse what WhatsApp does not allow now; in every mode, since it is WhatsApp that forbids it.

    Raises:
        RateLimited: A pause is on; `retry_after` says when it ends.
    """
    for until, sentence in _pauses(pauses, planned):
        if until > planned.at:
            raise _limited(sentence, until - planned.at)


def gap(policy: PolicySettings, last: datetime | None, now: datetime, chance: Callable[[], float]) -> float:
    """Seconds to wait before a send to another chat than the last one, as a person would need.

    Args:
        policy: With the mean gap.
        last: When the last send to another chat went out, or will; None if there was none.
        now: The time.
        chance: A number from 0 to 1, for the jitter: half to one and a half of the mean.
    """
    if last is None or policy.budgets.gap_seconds == 0:
        return 0.0
    wanted = policy.budgets.gap_seconds * (0.5 + chance())
    return max(0.0, wanted - (now - last).total_seconds())


def _obstacles(
    policy: PolicySettings, pauses: Pauses, past: Sequence[PastAct], planned: PastAct
) -> Iterator[tuple[datetime, str]]:
    """Until when something stands in the way, and what."""
    yield from _pauses(pauses, planned)
    now, share = planned.at, _share(pauses.linked_at, planned.at)
    for name, length, most in (
        ("minute", timedelta(minutes=1), policy.budgets.per_minute),
        ("hour", timedelta(hours=1), _part(policy.budgets.per_hour, share, 1)),
        ("day", _DAY, _part(policy.budgets.per_day, share, 1)),
    ):
        if (until := _full_until([one.at for one in past], length, most, now)) is not None:
            yield until, f"{most} acts a {name} that others see are the limit (policy.budgets.per_{name})"
    if planned.is_new_chat:
        most = _part(policy.budgets.new_chats_per_day, share, _FEWEST_NEW)
        # The limit is one of chats: each counts once, and the planned one takes no second place.
        new = {one.chats: one.at for one in past if one.is_new_chat and one.chats != planned.chats}
        if (until := _full_until(sorted(new.values()), _DAY, most, now)) is not None:
            yield until, f"{most} new chats a day are the limit (policy.budgets.new_chats_per_day)"
    if planned.text is not None:
        most = policy.budgets.same_text_per_day
        same = {one.chats: one.at for one in past if one.text == planned.text and one.chats != planned.chats}
        if (until := _full_until(sorted(same.values()), _DAY, most, now)) is not None:
            yield until, f"One text to {most} chats a day is the limit (policy.budgets.same_text_per_day)"


def _pauses(pauses: Pauses, planned: PastAct) -> Iterator[tuple[datetime, str]]:
    if pauses.banned_until is not None:
        yield pauses.banned_until, "WhatsApp has banned this account for a time, so nothing is sent"
    if planned.is_new_chat and pauses.timelocked_until is not None:
        yield pauses.timelocked_until, "WhatsApp does not let this account write to new people now (463)"


def _full_until(times: Sequence[datetime], length: timedelta, most: int, now: datetime) -> datetime | None:
    """When there is room again in a window of this length; None if there is.

    Args:
        times: When something was done, the oldest first.
        length: Of the window.
        most: How often it may be done within one.
        now: The end of the window.
    """
    within = [at for at in times if at > now - length]
    if len(within) < most:
        return None
    # `within[-0]` is the oldest act, or an error where there is none.
    if most == 0:
        return now + length
    # A clock that was set back leaves acts in the future: none keeps anybody longer than a window.
    return min(within[-most], now) + length


def _share(linked_at: datetime | None, now: datetime) -> float:
    """The share of its budgets that an account has so long after linking."""
    if linked_at is None:
        return 1.0
    return _AT_FIRST + (1 - _AT_FIRST) * min(1.0, max(0.0, (now - linked_at) / WARM_UP))


def _part(most: int, share: float, least: int) -> int:
    # Rounded up, and not below `least`: the share of a small budget must not be 0 for days.
    return max(min(least, most), math.ceil(most * share))


def _end_of_quiet(hours: QuietHours, now: datetime) -> datetime | None:
    """When quiet hours end; None outside of them."""
    clock = now.time()
    if hours.start < hours.end:
        return _at(now, hours.end) if hours.start <= clock < hours.end else None
    if clock >= hours.start:
        return _at(now + _DAY, hours.end)
    return _at(now, hours.end) if clock < hours.end else None


def _at(day: datetime, clock: time) -> datetime:
    return datetime.combine(day.date(), clock, day.tzinfo)


def _limited(sentence: str, left: timedelta) -> RateLimited:
    seconds = max(1.0, math.ceil(left.total_seconds()))
    return RateLimited(f"{sentence}; it ends in {_length(seconds)}.", _WAIT, retry_after=seconds)


def _length(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
