"""A node of a fleet: it leads accounts whose truth is in a database, and keeps copies of others."""

from whatsapp_mcp.node.following import Following, following

__all__ = ["Following", "following"]
