"""Whether a send may be scheduled for a moment, said when it is asked for and not only when it is due."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from whatsapp_mcp.errors import InvalidArgument, RateLimited, WhatsAppError
from whatsapp_mcp.models import Caller
from whatsapp_mcp.policy import check_quiet
from whatsapp_mcp.settings import Settings
from whatsapp_mcp.text.zone import local

MOST_SCHEDULED: Final = 200
"""Sends that may wait for their moment at a time."""
FARTHEST: Final = timedelta(days=366)
"""How far ahead a send may be scheduled."""


def obstacle(
    at: datetime, now: datetime, scheduled: int, settings: Settings, caller: Caller
) -> WhatsAppError | None:
    """Why nothing can be scheduled for a moment; None if it can.

    Args:
        at: The moment.
        now: The time.
        scheduled: How many sends are scheduled already.
        settings: With the quiet hours.
        caller: For whom; a person may write in quiet hours.
    """
    if at <= now:
        return InvalidArgument("That moment has passed.", "Give a later one, or send it now without `at`.")
    if at - now > FARTHEST:
        return InvalidArgument("That moment is more than a year away.", "Give an earlier one.")
    if scheduled >= MOST_SCHEDULED:
        return RateLimited(f"{scheduled} sends are scheduled already.", "Tell the user; cancel some first.")
    if not caller.is_trusted:
        try:
            check_quiet(settings.policy, local(at, settings.zone))
        except RateLimited:
            hours = "That moment is in the user's quiet hours (policy.quiet_hours)."
            return InvalidArgument(hours, "Give a moment outside of them, or tell the user.")
    return None
