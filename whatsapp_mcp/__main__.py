"""``python -m whatsapp_mcp`` is the command ``whatsapp-mcp``."""

from whatsapp_mcp.cli import main

if __name__ == "__main__":
    main()
