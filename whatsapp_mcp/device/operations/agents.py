"""What is handed on to agents; done beside the device, in its leader (`device/agent/`)."""

from __future__ import annotations

from typing import Protocol

from whatsapp_mcp.models import AgentStatus, HandOn, Pairing
from whatsapp_mcp.policy import Audience, Effect, has_effect


class AgentOperations(Protocol):
    """Messages that come to an agent, and who may write to it."""

    @has_effect(Effect.READ, Audience.NOBODY, "chat", in_chat=True)
    async def handed_on(self, chat: str, after: int = 0, wait: float = 0.0) -> tuple[HandOn, ...]:
        """What waits for the channel of a chat, after a number; waits up to `wait` seconds for it.

        What a channel has got and not called done is given again once its process is gone, or after a minute.
        Only refs are told: words are read from the archive, through its guard.

        Raises:
            InvalidArgument: `config.toml` gives this chat to no channel.
        """
        ...

    @has_effect(Effect.READ, Audience.NOBODY, "chat", in_chat=True)
    async def handed_on_done(self, chat: str, number: int) -> None:
        """The channel of a chat has passed these messages on: they are not given again.

        Raises:
            InvalidArgument: There are none of this number in the chat.
        """
        ...

    @has_effect(Effect.PERSON)
    async def agent_status(self) -> AgentStatus:
        """Which chats have an agent, what waits there, and who asks to be let in."""
        ...

    @has_effect(Effect.PERSON)
    async def pair(self, code: str) -> Pairing:
        """Let in the stranger who was told this code.

        Raises:
            InvalidArgument: No such code is valid.
        """
        ...

    @has_effect(Effect.PERSON)
    async def drop_pairing(self, chat: str) -> None:
        """Let a stranger out again.

        Raises:
            InvalidArgument: They were not in.
        """
        ...
