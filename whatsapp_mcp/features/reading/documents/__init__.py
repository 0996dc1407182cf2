"""Documents as text, page by page; used in the reading process alone."""

from whatsapp_mcp.features.reading.documents.document import Document
from whatsapp_mcp.features.reading.documents.opening import open_document
from whatsapp_mcp.features.reading.documents.pdf import Words

__all__ = ["Document", "Words", "open_document"]
