"""Where connections lead: which addresses are public, near, or the machine's own."""

from whatsapp_mcp.network.addresses import Address, address_of, is_near, is_public, leads_here

__all__ = ["Address", "address_of", "is_near", "is_public", "leads_here"]
