"""The command line of a fleet: `whatsapp-mcp-fleet`, which has all commands of `whatsapp-mcp` and its own."""

from __future__ import annotations

from typing import Final

from whatsapp_fleet.settings import FleetSettings
from whatsapp_mcp.cli.outcome import program_name, write_utf8
from whatsapp_mcp.processes.child_process import client_program, module_command
from whatsapp_mcp.processes.system_calls import forbid_core_dumps
from whatsapp_mcp.settings import settings_model

CLIENT: Final = module_command("whatsapp_fleet.client")
"""The command of client processes."""


def main(client: tuple[str, ...] = CLIENT) -> None:
    """Run `whatsapp-mcp-fleet` with the process's arguments; without a command it serves over stdio.

    Args:
        client: The command of client processes.
    """
    forbid_core_dumps()
    write_utf8()
    settings_model.set(FleetSettings)
    client_program.set(client)
    program_name.set("whatsapp-mcp-fleet")
    from whatsapp_fleet.cli.app import app

    app(prog_name="whatsapp-mcp-fleet")
