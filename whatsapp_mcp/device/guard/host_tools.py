"""Tools that an agent has on its own computer: its application asks, and the owner answers."""

from __future__ import annotations

from whatsapp_mcp.errors import Denied
from whatsapp_mcp.policy import Decision
from whatsapp_mcp.settings import OWN_CHAT, AgentSettings


def decision_about(agent: AgentSettings) -> Decision:
    """That the owner is asked, whatever the mode: this policy is about WhatsApp, and cannot tell.

    Raises:
        Denied: The chat with oneself is given to no channel, so nobody relays questions to it.
    """
    if agent.chats.get(OWN_CHAT) != "channel":
        raise Denied(
            "config.toml gives the chat with yourself to no channel.",
            'Set self = "channel" in [agent.chats].',
        )
    return Decision("ask", "agent.chats", "its application asks before it uses this tool")
