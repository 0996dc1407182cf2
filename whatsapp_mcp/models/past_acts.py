"""What was done lately, as the budgets count it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class PastAct:
    """An act that others see, done or about to be.

    Attributes:
        at: When.
        chats: Jids of whom it reached.
        is_new_chat: Whether this account had never written there before.
        text: Stands for its text: equal for texts that differ in case and spaces at most. None without one.
    """

    at: datetime
    chats: tuple[str, ...] = ()
    is_new_chat: bool = False
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Pauses:
    """What WhatsApp has imposed on this account, and how long the account is linked.

    Attributes:
        linked_at: When the phone was linked; None if that was before it was written down.
        timelocked_until: Until when nobody new is written to, after WhatsApp has refused that (463).
        banned_until: Until when nothing is sent, after a temporary ban.
    """

    linked_at: datetime | None = None
    timelocked_until: datetime | None = None
    banned_until: datetime | None = None
