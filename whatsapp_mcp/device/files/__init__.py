"""Files of messages: fetched when asked for or before they expire, kept within a quota, and read."""

from whatsapp_mcp.device.files.files import FileOperations, Files
from whatsapp_mcp.device.files.readers import NO_READERS, FileReader, Readers, readable

__all__ = ["NO_READERS", "FileOperations", "FileReader", "Files", "Readers", "readable"]
