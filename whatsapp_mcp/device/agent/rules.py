"""When messages that are handed on may go to their agent: pure rules over times and counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from whatsapp_mcp.models import HandOn, HandOnState
from whatsapp_mcp.settings import AgentSettings

PAUSE: Final = timedelta(minutes=2)
"""Silence that a person makes now and then; two programs that answer each other do not."""
MOST_TRIES: Final = 2
"""Runs of a command for the same messages; of more, each was cut short."""
UNHEARD: Final = timedelta(seconds=30)
"""Time that a channel may leave messages before it counts as not listening."""
KEPT: Final = timedelta(days=1)
"""Time that messages wait for an agent."""
_HOUR: Final = timedelta(hours=1)


def is_settled(
    hand_on: HandOn, settle: float, now: datetime, *, transcripts_wait: bool, patience: float
) -> bool:
    """Return whether a burst of messages is over.

    Args:
        hand_on: What settles.
        settle: Seconds of quiet after it.
        now: The time.
        transcripts_wait: Whether a voice note of it is not transcribed yet.
        patience: Seconds that a transcript is waited for.
    """
    quiet = (now - hand_on.at).total_seconds()
    return quiet >= (max(settle, patience) if transcripts_wait else settle)


def is_loop(hand_on: HandOn, before: Sequence[HandOn], agent: AgentSettings) -> bool:
    """Return whether two programs answer each other: more turns than allowed without a pause.

    Args:
        hand_on: What is to be handed on.
        before: What was handed on in the same chat before, the newest first.
        agent: With the limits.
    """
    turns, later = 1, hand_on
    for earlier in before:
        if later.began_at - (earlier.done_at or earlier.at) >= PAUSE:
            break
        turns, later = turns + 1, earlier
    return turns > agent.limits.turns


def full_until(answered: Sequence[HandOn], agent: AgentSettings, now: datetime) -> datetime | None:
    """When there is room for another answer to a chat; None if there is.

    Args:
        answered: What was answered there in the last hour, the oldest first.
        agent: With the limits.
        now: The time.
    """
    times = [each.done_at for each in answered if each.done_at is not None and each.done_at > now - _HOUR]
    return None if len(times) < agent.limits.per_hour else times[-agent.limits.per_hour] + _HOUR


def is_unheard(hand_on: HandOn, now: datetime) -> bool:
    """Return whether a channel leaves messages waiting."""
    waits = hand_on.agent == "channel" and hand_on.state is HandOnState.WAITING
    return waits and now - hand_on.at >= UNHEARD
