"""A simulated WhatsApp on loopback, which speaks the real wire protocol to the real client."""

from whatsapp_mcp.simulator.whatsapp import WhatsApp

__all__ = ["WhatsApp"]
