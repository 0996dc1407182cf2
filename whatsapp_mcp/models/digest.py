"""Who wrote last, and what was written since a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from whatsapp_mcp.models.messages import Message

Side = Literal["me", "them"]
"""Whose turn it is after the last message of a chat: the owner's, or the other side's."""
NEW_COUNTED: Final = 1000
"""New messages of a chat that a digest counts."""


@dataclass(frozen=True, slots=True)
class Digest:
    """What was written since a time.

    Attributes:
        messages: The newest of each chat, oldest first; the chat with the newest message first.
        new: How many are new in each of these chats, by jid, at most `NEW_COUNTED`.
        others: Jids of further chats.
    """

    messages: tuple[Message, ...]
    new: Mapping[str, int]
    others: tuple[str, ...] = ()
