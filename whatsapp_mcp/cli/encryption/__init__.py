"""`whatsapp-mcp encryption`: what is done about the encryption of an account."""

from whatsapp_mcp.cli.encryption.commands import app

__all__ = ["app"]
