"""Chats that WhatsApp exported: the jobs that read them in the decoding process, and the server's side."""

from whatsapp_mcp.features.imports.exports.jobs import EXPORT_JOBS, chat_authors, chat_export, exported_file
from whatsapp_mcp.features.imports.exports.reader import (
    read_chat_authors,
    read_chat_export,
    read_exported_file,
)

__all__ = [
    "EXPORT_JOBS",
    "chat_authors",
    "chat_export",
    "exported_file",
    "read_chat_authors",
    "read_chat_export",
    "read_exported_file",
]
