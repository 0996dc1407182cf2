"""``python -m whatsapp_mcp`` is the command ``whatsapp-mcp``."""

import sys

if __name__ == "__main__":
    # Without -P, `python -m` looks for modules in the current folder first, which may hold a stranger's.
    if not sys.flags.safe_path:
        del sys.path[0]
    from whatsapp_mcp.cli import main

    main()
