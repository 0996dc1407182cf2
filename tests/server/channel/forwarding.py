"""A message that somebody passed on."""

from __future__ import annotations

from datetime import datetime

from tests.server.conftest import Event, incoming
from whatsapp_mcp.protobufs import Neonize


def forwarded(seq: int, chat: str, text: str, at: datetime) -> Event:
    """A text that the owner has forwarded to a chat; its id is `M<seq>`."""
    message = Neonize.Message.FromString(incoming(seq, chat, chat, "", at, from_me=True).payload)
    message.Message.ClearField("conversation")
    message.Message.extendedTextMessage.text = text
    message.Message.extendedTextMessage.contextInfo.isForwarded = True
    return Event(seq, message.SerializePartialToString())
