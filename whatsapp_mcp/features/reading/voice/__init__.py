"""`whatsapp-mcp voice`: the models that transcribe voice notes."""

from whatsapp_mcp.features.reading.voice.commands import app

__all__ = ["app"]
