"""The databases of a local backup of an iPhone, made ready to be read in the process of an archive."""

from whatsapp_mcp.features.imports.foreign.phone_files.keys import rehearse
from whatsapp_mcp.features.imports.foreign.phone_files.unpacking import PhoneBackup

__all__ = ["PhoneBackup", "rehearse"]
