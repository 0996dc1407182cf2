"""Files of messages: fetched when asked for or before they expire, kept within a quota, and read."""

from whatsapp_mcp.device.files.files import Files
from whatsapp_mcp.device.files.readers import NO_READERS, FileReader, Readers, readable

__all__ = ["NO_READERS", "FileReader", "Files", "Readers", "readable"]
