"""WhatsApp on an iPhone: its databases, and the local backups of the phone that hold them."""

from whatsapp_mcp.features.imports.foreign.iphone.messages import SOURCE, fits, page, tables, total

__all__ = ["SOURCE", "fits", "page", "tables", "total"]
