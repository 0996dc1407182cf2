"""``python -m whatsapp_fleet`` is the command ``whatsapp-mcp-fleet``."""

import sys

if __name__ == "__main__":
    # Without -P, `python -m` looks for modules in the current folder first, which may hold a stranger's.
    if not sys.flags.safe_path:
        del sys.path[0]
    from whatsapp_fleet.cli import main

    main()
