"""WhatsApp on loopback: speaks the real wire to the real client, for tests and the demo."""

from whatsapp_mcp.simulator.whatsapp import WhatsApp

__all__ = ["WhatsApp"]
