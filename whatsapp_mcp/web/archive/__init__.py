"""The archive as a person reads it: chats, messages with their files, search."""

from whatsapp_mcp.web.archive.chats import chat_routes
from whatsapp_mcp.web.archive.files import file_routes
from whatsapp_mcp.web.archive.search import search_routes

__all__ = ["chat_routes", "file_routes", "search_routes"]
