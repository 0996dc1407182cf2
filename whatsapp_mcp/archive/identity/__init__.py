"""Which addresses are one person, and which chat and author a message therefore has."""

from whatsapp_mcp.archive.identity.attribution import attribute_messages, numbers_of
from whatsapp_mcp.archive.identity.identities import Identities, Lookups, chat_kind
from whatsapp_mcp.archive.identity.merge import message_worth, refresh_chat, retime_message

__all__ = [
    "Identities",
    "Lookups",
    "attribute_messages",
    "chat_kind",
    "message_worth",
    "numbers_of",
    "refresh_chat",
    "retime_message",
]
