"""What the policy is asked about: an act, whom it reaches, what it carries, and what went before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whatsapp_mcp.models import Caller, ChatFacts
from whatsapp_mcp.policy.effects import Audience, Effect


@dataclass(frozen=True, slots=True)
class Act:
    """Something that is about to be done.

    Attributes:
        name: The tool or the operation, as rules and errors name it.
        effect: What it does.
        audience: Who sees it.
        chats: The chats and people that it reaches or is about; none where it is about none.
        concerns: What in its content wants a person's look: sentences of ours, such as "it has a card
            number in it".
        in_chat: A caller that is bound to one chat may do it, if these are that chat.
    """

    name: str
    effect: Effect
    audience: Audience
    chats: Sequence[ChatFacts] = ()
    concerns: Sequence[str] = ()
    in_chat: bool = False

    @property
    def is_seen(self) -> bool:
        """Whether anybody but the owner sees it."""
        if self.audience is Audience.CHAT:
            return not self.chats or not all(chat.is_own for chat in self.chats)
        return self.audience is Audience.EVERYONE


@dataclass(frozen=True, slots=True)
class Situation:
    """Who asks, and what was handed out to them before.

    Attributes:
        caller: Who asks.
        tainted: Words whose author is not trusted were handed out to this principal in the last 24 hours: a
            stranger's, in `lockdown` anybody's.
        is_answer: The caller is bound to a chat to which the person has given an agent.
    """

    caller: Caller
    tainted: bool = False
    is_answer: bool = False
