"""`whatsapp-mcp webhooks`: how webhooks are doing, and what they could not deliver."""

from whatsapp_mcp.cli.webhooks.commands import app

__all__ = ["app"]
