"""Activity of an account: what changes, who writes and wrote last, what is handed on to the agents of chats.

Operators are told of it in figures: numbers and times, and never who or what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from whatsapp_mcp.models.messages import Message

NEW_COUNTED: Final = 1000
"""New messages of a chat that a digest counts."""


@dataclass(frozen=True, slots=True)
class Activity:
    """The last number of the archive's change feed, and the chats (jids) in which somebody is typing."""

    last_change: int
    typing: tuple[str, ...] = ()


class HandOnState(StrEnum):
    """State of messages that are handed on."""

    SETTLING = "settling"
    """More may come, or the transcript of a voice note."""
    WAITING = "waiting"
    """The messages wait for their agent."""
    TAKEN = "taken"
    """An agent has them."""
    ANSWERING = "answering"
    """The agent's answer is being sent."""
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
    """Status of an account's agents, for a person.

    Attributes:
        chats: The chats that have one.
        pairings: Those who ask to be let in, and those who were.
        cost: What the runs of the last 24 hours reported.
    """

    chats: tuple[AgentChat, ...] = ()
    pairings: tuple[Pairing, ...] = ()
    cost: float = 0.0


Side = Literal["me", "them"]
"""The side whose turn it is after the last message of a chat: the owner's, or the other side's."""


@dataclass(frozen=True, slots=True)
class Digest:
    """Summary of the messages since a time.

    Attributes:
        messages: The newest of each chat, oldest first; the chat with the newest message first.
        new: How many are new in each of these chats, by jid, at most `NEW_COUNTED`.
        others: Jids of further chats.
    """

    messages: tuple[Message, ...]
    new: Mapping[str, int]
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LeaderFigures:
    """Figures that only the leader of an account knows.

    Attributes:
        leading_since: When it began to lead.
        logins: How often a client has logged in since the account was made.
        client_pid: Process id of the client; None while none runs.
        client_memory: Bytes of memory that the client takes; None while none runs, and on all systems but
            Linux.
        client_seconds: Processor time that the client has taken, in seconds; None as above.
        journaled: Number of the newest event that the client has reported.
        archived: Number of the newest event that is in the archive.
        journal_stalled: Seconds for which events have waited and none was archived; 0 while none waits.
        sends: How many sends ended how since then, by their state: `sent`, `failed` or `unknown`.
        refusals: How often this leader has refused an operation, or asked a person about it first, by the
            code of the error.
    """

    leading_since: datetime
    logins: int = 0
    client_pid: int | None = None
    client_memory: int | None = None
    client_seconds: float | None = None
    journaled: int = 0
    archived: int = 0
    journal_stalled: float = 0.0
    sends: dict[str, int] = field(default_factory=dict[str, int])
    refusals: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class OpenSends:
    """Sends in one state that is not the last.

    Attributes:
        status: The state, a `SendStatus`.
        count: How many there are.
        oldest_at: When the oldest of them was accepted.
    """

    status: str
    count: int
    oldest_at: datetime
