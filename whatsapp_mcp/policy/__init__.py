"""What may be done on WhatsApp, decided without touching it: pure rules over plain values."""

from whatsapp_mcp.policy.rules import Effect, Policy

__all__ = ["Effect", "Policy"]
