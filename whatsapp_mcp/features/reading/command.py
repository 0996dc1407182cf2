"""How the command `voice` is listed; its module is loaded when it is meant."""

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
