"""What a digest tells of a time: facts, each with the message that says so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from whatsapp_mcp.models.messages import Chat, Message
from whatsapp_mcp.triage import NamedDay, Side


@dataclass(slots=True)  # as LastMessage: the guard changes it
class Fact:
    """A message that matters.

    Attributes:
        owes: Who owes what it asks for or promises: the owner (`me`) or the other side; None: nobody now.
        promised: It promises something that nothing says was done.
        days: Days to come that it names.
        weight: How much it matters; more is more.
    """

    message: Message
    owes: Side | None = None
    promised: bool = False
    days: tuple[NamedDay, ...] = ()
    weight: int = 0


@dataclass(slots=True)
class ChatNews:
    """What is new in a chat: how many messages, and the facts in them, oldest first."""

    chat: Chat
    new: int
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Digest:
    """A time in all chats, the one with the newest message first.

    Attributes:
        since: From when on; later than asked for, where too much was said to be read.
    """

    since: datetime
    chats: tuple[ChatNews, ...]
