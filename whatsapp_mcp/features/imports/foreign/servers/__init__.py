"""Stores of other servers for WhatsApp; each module reads those of one, as `Source` says."""

from whatsapp_mcp.features.imports.foreign.servers import gowa, lharries, wacli

__all__ = ["gowa", "lharries", "wacli"]
