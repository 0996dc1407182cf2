"""Webhooks: what happens in the account is posted to the URLs that the person names, signed and in order."""

from whatsapp_mcp.server.webhooks.sender import Event, Failure, open_sender
from whatsapp_mcp.server.webhooks.signing import find_secret, new_secret
from whatsapp_mcp.server.webhooks.webhooks import Webhooks

__all__ = ["Event", "Failure", "Webhooks", "find_secret", "new_secret", "open_sender"]
