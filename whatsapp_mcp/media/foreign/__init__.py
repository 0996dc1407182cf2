"""Archives of messages that other programs wrote, read page by page in a confined process of their own."""

from whatsapp_mcp.media.foreign.reader import ForeignArchive, UnknownForeignVersion, open_foreign

__all__ = ["ForeignArchive", "UnknownForeignVersion", "open_foreign"]
