"""Archives of messages that other programs wrote, read page by page in a confined process of their own."""

from whatsapp_mcp.features.imports.foreign.phone_backup import databases_of_backup, is_phone_backup
from whatsapp_mcp.features.imports.foreign.reader import ForeignArchive, UnknownForeignVersion, open_foreign

__all__ = [
    "ForeignArchive",
    "UnknownForeignVersion",
    "databases_of_backup",
    "is_phone_backup",
    "open_foreign",
]
