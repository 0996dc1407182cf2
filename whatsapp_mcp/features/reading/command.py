"""Entry of the command `voice`; its module is loaded only when the command is used."""

from __future__ import annotations

from typing import Final

from whatsapp_mcp.cli.command_line import Later

VOICE: Final = Later(
    "voice",
    "whatsapp_mcp.features.reading.voice",
    "app",
    "Manage models for voice notes.",
    section="Operate",
)
