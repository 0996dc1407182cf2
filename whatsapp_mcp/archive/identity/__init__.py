"""Which addresses are one person, and which chat and author a message therefore has."""

from whatsapp_mcp.archive.identity.identities import Identities, Lookups, chat_kind
from whatsapp_mcp.archive.identity.merge import message_worth, refresh_chat, retime_message
from whatsapp_mcp.archive.identity.placing import numbers_of, place_messages

__all__ = [
    "Identities",
    "Lookups",
    "chat_kind",
    "message_worth",
    "numbers_of",
    "place_messages",
    "refresh_chat",
    "retime_message",
]
