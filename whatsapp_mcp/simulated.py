"""`python -m whatsapp_mcp.simulated …`: `whatsapp-mcp` on a simulated WhatsApp.

The variables of `WhatsApp.environment` say on which. Without this program they say nothing: a server passes
none of them on to its client process but those that name a proxy.
"""

import os
import sys

if __name__ == "__main__":
    # As in `__main__.py`: the current folder may hold a stranger's modules.
    if not sys.flags.safe_path:
        del sys.path[0]
    from whatsapp_mcp.cli import main
    from whatsapp_mcp.processes.child_process import client_program
    from whatsapp_simulator import launcher

    client_program.set(launcher.client_program(os.environ))
    sys.argv[0] = "whatsapp-mcp"
    main()
