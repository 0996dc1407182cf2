"""Whole chats.

Archiving, pinning, muting, marking unread and deleting on the phone are not here: they are app state, and the
library sends it without the name of its collection (neonize 0.5.2), so WhatsApp refuses every such change.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from whatsapp_mcp.device.operations.base import Topic
from whatsapp_mcp.models import PurgeReport
from whatsapp_mcp.policy import Audience, Effect, has_effect


class ChatOperations(Protocol):
    """What can be done to whole chats. Every method may raise the errors of `LocalDevice.call`."""

    @has_effect(Effect.ACT, Audience.CHAT, "chat")
    async def set_timer(self, chat: str, seconds: int) -> None:
        """Let new messages of a chat disappear after so many seconds; 0 is never."""
        ...

    @has_effect(Effect.ACT, Audience.ONESELF, "chat")
    async def set_aside(self, chat: str, until: datetime | None = None, aside: bool = True) -> None:
        """Put a chat off until a time, or (None) until more is said there; `aside` False takes that back.

        It is kept here alone: the phone knows nothing of it.
        """
        ...

    @has_effect(Effect.DESTROY, Audience.NOBODY, "chat")
    async def forget_chat(self, chat: str) -> PurgeReport:
        """Delete the messages of a chat here, for good, and cancel what waits to be sent there."""
        ...


class Chats(Topic):
    """`ChatOperations` through the client and the archive."""

    async def set_timer(self, chat: str, seconds: int) -> None:
        """See `ChatOperations.set_timer`."""
        await self.call("set_disappearing_timer", {"chat": chat, "seconds": seconds})
        await self._archive.record_timer(chat, seconds)

    async def set_aside(self, chat: str, until: datetime | None = None, aside: bool = True) -> None:
        """See `ChatOperations.set_aside`."""
        await self._archive.record_aside(chat, until, aside)
