"""Messages that come to an agent, and who may write to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsapp_mcp.device.operations.operation import DIRECT, Invocation
from whatsapp_mcp.models import (
    AgentStatus,
    HandOn,
    Pairing,
)
from whatsapp_mcp.policy import Audience, Effect, has_effect

if TYPE_CHECKING:
    from whatsapp_mcp.device.agent import Agents


@has_effect(Effect.READ, Audience.NOBODY, "chat", in_chat=True)
async def handed_on(
    agents: Agents,
    chat: str,
    after: int = 0,
    wait: float = 0.0,
    *,
    invocation: Invocation = DIRECT,
) -> tuple[HandOn, ...]:
    """Return the message bursts that wait for a chat's channel, after a number; wait up to `wait` seconds.

    What a channel has got and not called done is given again once its process is gone, or after a minute.
    Only refs are told: words are read from the archive, through its guard.

    Raises:
        InvalidArgument: `config.toml` gives this chat to no channel.
    """
    return await agents.handed_on(chat, after, wait, invocation.has_ended)


@has_effect(Effect.READ, Audience.NOBODY, "chat", in_chat=True)
async def handed_on_done(agents: Agents, chat: str, number: int) -> None:
    """The channel of a chat has passed these messages on: they are not given again.

    Raises:
        InvalidArgument: There are none of this number in the chat.
    """
    await agents.handed_on_done(chat, number)


@has_effect(Effect.PERSON)
async def agent_status(agents: Agents) -> AgentStatus:
    """Which chats have an agent, what waits there, and who asks to be let in."""
    return await agents.agent_status()


@has_effect(Effect.PERSON)
async def pair(agents: Agents, code: str) -> Pairing:
    """Let in the stranger who was told this code.

    Raises:
        InvalidArgument: No such code is valid.
    """
    return await agents.pair(code)


@has_effect(Effect.PERSON)
async def drop_pairing(agents: Agents, chat: str) -> None:
    """Let a stranger out again.

    Raises:
        InvalidArgument: They were not in.
    """
    await agents.drop_pairing(chat)
