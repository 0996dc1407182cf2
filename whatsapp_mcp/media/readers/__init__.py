"""What is in a file, as text: the reading process, and the server's side of it."""

from whatsapp_mcp.media.readers.options import ReaderOptions
from whatsapp_mcp.media.readers.reader import Reader, open_reader
from whatsapp_mcp.media.readers.reading_kinds import WRITING, available, readable, reads_words

__all__ = [
    "WRITING",
    "Reader",
    "ReaderOptions",
    "available",
    "open_reader",
    "readable",
    "reads_words",
]
