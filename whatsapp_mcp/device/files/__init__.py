"""Files of messages: fetched when asked for or before they expire, kept within a quota, and read."""

from whatsapp_mcp.device.files.files import FileOperations, Files
from whatsapp_mcp.device.files.readers import FileReader, Readers, readers_of

__all__ = ["FileOperations", "FileReader", "Files", "Readers", "readers_of"]
