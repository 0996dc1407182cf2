"""Local backups of an iPhone, as Finder, iTunes and Apple Devices make them: where WhatsApp's files lie."""

from whatsapp_mcp.features.imports.foreign.phone_backup.cipher import Decrypted
from whatsapp_mcp.features.imports.foreign.phone_backup.layout import (
    LOG,
    MANIFEST,
    PROPERTIES,
    Layout,
    databases_of_backup,
    find,
    is_phone_backup,
)

__all__ = [
    "LOG",
    "MANIFEST",
    "PROPERTIES",
    "Decrypted",
    "Layout",
    "databases_of_backup",
    "find",
    "is_phone_backup",
]
