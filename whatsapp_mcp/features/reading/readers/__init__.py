"""Reading files as text: the reading process, and the server's side of it."""

from whatsapp_mcp.features.reading.readers.options import ReaderOptions
from whatsapp_mcp.features.reading.readers.reader import Reader, open_reader
from whatsapp_mcp.features.reading.readers.reading_kinds import WRITING, available, reads_words

__all__ = ["WRITING", "Reader", "ReaderOptions", "available", "open_reader", "reads_words"]
