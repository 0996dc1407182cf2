"""Polls, and posts of channels, for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typing_extensions import TypedDict

from whatsapp_mcp.models import Actor, Message
from whatsapp_mcp.policy import clean
from whatsapp_mcp.server.fencing import full_name, spoken_of


class PollData(TypedDict):
    """Votes of a poll; of those in `missing` no vote has come."""

    ref: str
    question: str
    options: list[dict[str, Any]]
    missing: list[str]


class PostData(TypedDict):
    """A post of a channel, as WhatsApp has it now; `reactions` counts each emoji."""

    ref: str
    number: int
    text: str
    views: int
    reactions: dict[str, int]


def voters_data(voters: Sequence[Actor]) -> list[str]:
    """`me` and what others are called."""
    return [spoken_of(voter.name, voter.from_me, voter.stranger) for voter in voters]


def poll_data(message: Message, missing: Sequence[Actor]) -> PollData:
    """Votes of a poll, and who of its group has not voted."""
    options = [
        {
            "name": full_name(option.name),
            "votes": len(option.voters),
            "voters": voters_data(option.voters),
        }
        for option in message.poll
    ]
    return PollData(
        ref=f"#{message.ref}", question=clean(message.text), options=options, missing=voters_data(missing)
    )
