"""Which chats have an agent of their own: those that `[agent.chats]` names, and strangers who were let in."""

from __future__ import annotations

from collections.abc import Callable

from whatsapp_mcp.models import ChatFacts
from whatsapp_mcp.settings import OWN_CHAT, AgentKind, AgentSettings


def agent_of(agent: AgentSettings, chat: ChatFacts, is_paired: Callable[..., bool]) -> AgentKind | None:
    """The agent of a chat; None where it has none.

    Args:
        agent: The section `[agent]`.
        chat: What is known of the chat.
        is_paired: Whether a person has let in whoever has one of these addresses.
    """
    if chat.is_own:
        return agent.chats.get(OWN_CHAT)
    for address in (chat.jid, chat.lid):
        if address in agent.chats:
            return agent.chats[address]
    if chat.is_person and agent.strangers == "pairing" and is_paired(chat.jid, chat.lid):
        return agent.paired
    return None
