"""Natural pacing: sends to different chats leave some time between them, as those of a person do."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta

from whatsapp_mcp.policy import gap
from whatsapp_mcp.settings import CurrentSettings


class Pacer:
    """Says when the next send may go; one to the same chat as the last may at once.

    Args:
        settings: Name the gap; there is none in the mode `open`.
        chance: A number from 0 to 1, for the jitter.
    """

    def __init__(self, settings: CurrentSettings, chance: Callable[[], float] = random.random) -> None:
        self._settings = settings
        self._chance = chance
        self._last: tuple[str, datetime] | None = None
        self._excused: set[str] = set()

    def excuse(self, chat: str) -> None:
        """Let the next send to this chat go at once: a person has just decided about it."""
        self._excused.add(chat)

    def left(self, chat: str, now: datetime) -> float:
        """Seconds until a send to this chat may go."""
        policy = self._settings.now().policy
        if policy.mode == "open" or self._last is None or chat in {self._last[0], *self._excused}:
            return 0.0
        return gap(policy, self._last[1], now, self._chance)

    def take(self, chat: str, now: datetime) -> float:
        """As `left`, for a send that goes then: what comes after it keeps its distance from that."""
        seconds = self.left(chat, now)
        self._excused.discard(chat)
        self._last = (chat, now + timedelta(seconds=seconds))
        return seconds
