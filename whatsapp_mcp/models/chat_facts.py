"""What rules and questions to a person ask about a chat."""

from __future__ import annotations

from dataclasses import dataclass

from whatsapp_mcp.models.messages import ChatKind


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
        members: Of a group: the jids of those who are known to be in it, sorted.
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
    members: tuple[str, ...] = ()
    owner_wrote: bool = False

    @property
    def is_person(self) -> bool:
        """Whether it is a person rather than a group, a channel or the status."""
        return self.kind is ChatKind.DIRECT

    @property
    def addresses(self) -> frozenset[str]:
        """The jids that it is known by."""
        return frozenset({self.jid, self.lid or self.jid})
