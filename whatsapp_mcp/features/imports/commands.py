"""The command of imports, as the list of all commands has it: its module is loaded when it is meant."""

from __future__ import annotations

from typing import Final

from whatsapp_mcp.cli.command_line import Later

IMPORT: Final = Later(
    "import",
    "whatsapp_mcp.features.imports.command_line",
    "app",
    "Import backups, exported chats, contacts.",
    below="archive",
)
