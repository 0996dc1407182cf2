"""The cards that hosts with MCP Apps draw beside the result of a tool: one HTML file each.

A card takes nothing from outside: what it knows its host tells it, or a tool or a resource of this server
that it asks for through its host. Whatever a host lets a card call a model may call as well, so a card can do
no more than an agent: that of an approval shows what is asked and has no button that answers.
"""

from whatsapp_mcp.server.cards.catalogue import APPROVAL, CARDS, LINK, Card

__all__ = ["APPROVAL", "CARDS", "LINK", "Card"]
