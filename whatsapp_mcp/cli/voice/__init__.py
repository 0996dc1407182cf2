"""`whatsapp-mcp voice`: the models that transcribe voice notes."""

from whatsapp_mcp.cli.voice.commands import app

__all__ = ["app"]
