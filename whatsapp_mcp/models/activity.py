"""What goes on in an account: what changes, who writes, and what is handed on to the agents of chats."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Activity:
    """How far the archive's change feed is, and in which chats (jids) somebody is writing now."""

    last_change: int
    typing: tuple[str, ...] = ()


class HandOnState(StrEnum):
    """How far messages that are handed on have come."""

    SETTLING = "settling"
    """More may come, or the transcript of a voice note."""
    WAITING = "waiting"
    """For their agent."""
    TAKEN = "taken"
    """An agent has them."""
    ANSWERING = "answering"
    """Its answer is going out."""
    ANSWERED = "answered"
    """The agent is done with them; it may have said nothing."""
    DROPPED = "dropped"
    """Nobody answers them; the reason is kept."""


@dataclass(frozen=True, slots=True)
class HandOn:
    """A burst of messages of one chat, which goes to its agent once.

    Attributes:
        id: Its number; it grows, and is never used again.
        chat: Jid of the chat.
        agent: `command` or `channel`.
        refs: The messages, in the order in which they came.
        order_ref: The last of them that is more than material (what was forwarded); None until there is one.
        began_at: When the first of them came.
        at: When the last of them came.
        tries: How often a command was run for them.
        parts: The answer, while it goes out.
        reason: Why it was dropped.
        done_at: When it was answered or dropped.
    """

    id: int
    chat: str
    agent: str
    refs: tuple[int, ...]
    order_ref: int | None
    began_at: datetime
    at: datetime
    state: HandOnState
    tries: int = 0
    parts: tuple[str, ...] = ()
    reason: str = ""
    done_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pairing:
    """A stranger who asks to be let in to an agent, or was.

    Attributes:
        chat: Jid of the chat with them.
        code: What they were told.
        given_at: When; it is valid for an hour.
        paired_at: When a person let them in; None while nobody has.
        name: What they call themselves.
    """

    chat: str
    code: str
    given_at: datetime
    paired_at: datetime | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class AgentChat:
    """A chat that has an agent.

    Attributes:
        chat: Its jid; `self` for the chat with oneself while its address is not known.
        name: What it is called.
        agent: `command`, `channel` or `clients`.
        open: Hand-ons that are not answered yet.
        last: The newest hand-on, answered or not.
    """

    chat: str
    name: str
    agent: str
    open: int = 0
    last: HandOn | None = None


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """What a person is told of the agents of an account.

    Attributes:
        chats: The chats that have one.
        pairings: Those who ask to be let in, and those who were.
        cost: What the runs of the last 24 hours reported.
    """

    chats: tuple[AgentChat, ...] = ()
    pairings: tuple[Pairing, ...] = ()
    cost: float = 0.0
