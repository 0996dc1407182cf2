"""`whatsapp-mcp node`, and `whatsapp-mcp fleet`: what operators do with accounts that machines share."""

from whatsapp_mcp.cli.fleet.commands import app
from whatsapp_mcp.cli.fleet.running import node

__all__ = ["app", "node"]
