"""In which chats somebody is typing at the moment, as far as WhatsApp says.

WhatsApp sends this only to a companion that is shown as online, which this one is not unless somebody asked
for it (`set_presence`).
"""

from __future__ import annotations

from typing import Final

from google.protobuf.message import DecodeError

from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.device.operations.whatsapp import jid_text
from whatsapp_mcp.protobufs.bounded import parsed

LASTS: Final = 15.0
"""Seconds after which somebody who was writing no longer counts: WhatsApp repeats it every ten."""
_MOST: Final = 100
"""Chats that are remembered; strangers may write in any number."""


class TypingPeople:
    """Takes typing notices."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def hear(self, payload: bytes) -> None:
        """Take a typing notice: the protobuf of a `CHAT_PRESENCE` event."""
        from whatsapp_mcp.protobufs import Neonize

        try:
            presence = parsed(Neonize.ChatPresence, payload)
        except DecodeError:
            return
        chat = jid_text(presence.MessageSource.Chat)
        # Taken out first, since a dictionary keeps the place of a key: the oldest stand at its beginning.
        self._until.pop(chat, None)
        if presence.State == Neonize.ChatPresence.COMPOSING and not presence.MessageSource.IsFromMe:
            self._until[chat] = self._clock.monotonic() + LASTS
            while len(self._until) > _MOST:
                del self._until[next(iter(self._until))]

    def chats(self) -> tuple[str, ...]:
        """Jids of the chats in which somebody is writing, as WhatsApp names them."""
        now = self._clock.monotonic()
        return tuple(chat for chat, until in self._until.items() if until > now)
