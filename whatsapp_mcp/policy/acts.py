"""What the policy is asked about: an act, whom it reaches, what it carries, and what went before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whatsapp_mcp.models import Caller, ChatKind
from whatsapp_mcp.policy.effects import Audience, Effect


@dataclass(frozen=True, slots=True)
class ChatFacts:
    """What the rules ask about a chat.

    Attributes:
        jid: Its address.
        kind: What it is.
        number: E.164, of a person whose number is known.
        lid: The LID, of a person whose LID is known.
        name: The name in the owner's address book, or a group's subject; None where there is neither.
        is_own: It is the chat with oneself.
        is_known: It is with somebody in the phone's address book, or whom a person confirmed.
        has_strangers: Of a group: somebody in it is not known, or it is not known who is in it.
        owner_wrote: The owner wrote there with another device than this one.
    """

    jid: str
    kind: ChatKind = ChatKind.DIRECT
    number: str | None = None
    lid: str | None = None
    name: str | None = None
    is_own: bool = False
    is_known: bool = False
    has_strangers: bool = False
    owner_wrote: bool = False

    @property
    def is_person(self) -> bool:
        """Whether it is a person rather than a group, a channel or the status."""
        return self.kind is ChatKind.DIRECT


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
    """

    name: str
    effect: Effect
    audience: Audience
    chats: Sequence[ChatFacts] = ()
    concerns: Sequence[str] = ()

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
    """

    caller: Caller
    tainted: bool = False
