"""`whatsapp-mcp demo`: a scripted agent uses a real server over a simulated WhatsApp."""

from whatsapp_mcp.cli.demo.story import run_demo

__all__ = ["run_demo"]
