"""`python -m tests.fleet.simulated …`: `whatsapp-mcp-fleet` on the simulated WhatsApp of its environment."""

from __future__ import annotations

import os

from whatsapp_fleet.cli import CLIENT, main
from whatsapp_simulator import launcher

if __name__ == "__main__":
    main(launcher.client_program(os.environ, CLIENT))
