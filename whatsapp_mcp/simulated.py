"""`python -m whatsapp_mcp.simulated …`: `whatsapp-mcp` on a simulated WhatsApp.

The variables of `WhatsApp.environment` say on which. Without this program they say nothing: a server passes
none of them on to its client process but those that name a proxy.
"""

from __future__ import annotations

import os
import sys

from whatsapp_mcp.child_process import client_program
from whatsapp_mcp.cli import main
from whatsapp_mcp.simulator import launcher

if __name__ == "__main__":
    client_program.set(launcher.client_program(os.environ))
    sys.argv[0] = "whatsapp-mcp"
    main()
