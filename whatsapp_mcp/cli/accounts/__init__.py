"""`whatsapp-mcp accounts`: the accounts of this home, what they are called, and their removal."""

from whatsapp_mcp.cli.accounts.commands import app

__all__ = ["app"]
