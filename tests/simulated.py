"""The product on a simulated WhatsApp: in this process, or in one of its own."""

from __future__ import annotations

from contextvars import ContextVar

import pytest

from whatsapp_mcp.device.connection import client_process
from whatsapp_mcp.processes.child_process import module_command
from whatsapp_simulator import WhatsApp, launcher

PROGRAM = "whatsapp_mcp.simulated"
"""The module that is `whatsapp-mcp` on the simulated WhatsApp of its environment."""


def use(whatsapp: WhatsApp, patch: pytest.MonkeyPatch, client: str = "whatsapp_mcp.client") -> None:
    """Let the devices of this process, and programs that it starts, use this WhatsApp.

    Args:
        whatsapp: Which.
        patch: Undoes it.
        client: The module that client processes of this process run.
    """
    for name, value in whatsapp.environment().items():
        patch.setenv(name, value)
    use_program(launcher.client_program(whatsapp.environment(), module_command(client)), patch)


def use_program(program: tuple[str, ...], patch: pytest.MonkeyPatch) -> None:
    """Let the devices of this process start this command as their client."""
    patch.setattr(client_process, "client_program", ContextVar("client_program", default=program))
