"""A message that somebody passed on, and one that was changed."""

from __future__ import annotations

from datetime import datetime

from tests.server.conftest import ME, Event, incoming
from whatsapp_mcp.protobufs import Common, Neonize
from whatsapp_simulator import kinds


def forwarded(seq: int, chat: str, text: str, at: datetime) -> Event:
    """A text that the owner has forwarded to a chat; its id is `M<seq>`."""
    message = Neonize.Message.FromString(incoming(seq, chat, chat, "", at, from_me=True).payload)
    message.Message.ClearField("conversation")
    message.Message.extendedTextMessage.text = text
    message.Message.extendedTextMessage.contextInfo.isForwarded = True
    return Event(seq, message.SerializePartialToString())


def edited(seq: int, message_id: str, text: str, at: datetime) -> Event:
    """A new text for what the owner wrote in the chat with oneself, from any of their devices."""
    message = Neonize.Message.FromString(incoming(seq, ME, ME, "", at, from_me=True).payload)
    key = Common.MessageKey(remoteJID=ME, fromMe=True, ID=message_id)
    message.Message.CopyFrom(kinds.edit(key, kinds.text(text), at.timestamp()))
    return Event(seq, message.SerializePartialToString())
