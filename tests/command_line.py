"""Every command of `whatsapp-mcp`, loaded."""

from __future__ import annotations

from typing import Any

import typer.main

from whatsapp_mcp.cli.app import app
from whatsapp_mcp.cli.command_line import Later

LISTED: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
"""As the first list of them shows them."""
COMMANDS: dict[str, Any] = {
    name: each.load() if isinstance(each, Later) else each for name, each in LISTED.items()
}
