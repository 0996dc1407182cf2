"""Approvals: what a person is asked before an act, and what deciding it rests on.

That is who asks, which chats it reaches, and what was done lately.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from whatsapp_mcp.models.messages import ChatKind

PERSON_PRINCIPAL: Final = "person"
SYSTEM_PRINCIPAL: Final = "system"
UNKNOWN_PRINCIPAL: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Caller:
    """The principal that makes a call, and the tool it uses.

    Attributes:
        principal: `stdio:CLIENT`, `token:NAME/HASH` or `oauth:SUBJECT` of an MCP client, `token:NAME` where a
            database says who may come in; `chat:JID` of an agent that answers a chat; `person` at a terminal
            or on a page; `system` for the leader itself; `unknown` for whatever does not say. Words that were
            handed out, approvals and the audit are kept by it.
        client: The name by which the MCP client introduced itself; it proves nothing.
        tool: The tool that asks; empty where none does.
        asks: The server asks the person itself, through its host: the leader need not, unless it is told to.
        hinted: The host was told that the tool is destructive, on which it asks the person.
        approval: The question whose yes the call goes on with.
        chat: Jid of the one chat that it may read and act in; empty for all. Its principal is `chat:JID`.
    """

    principal: str
    client: str = ""
    tool: str = ""
    asks: bool = False
    hinted: bool = False
    approval: str = ""
    chat: str = ""

    @property
    def is_person(self) -> bool:
        """True if a person acts directly, at a terminal or on a page."""
        return self.principal == PERSON_PRINCIPAL and not self.chat

    @property
    def is_unknown(self) -> bool:
        """True if nothing is known of the caller."""
        return self.principal == UNKNOWN_PRINCIPAL

    @property
    def is_trusted(self) -> bool:
        """True if no model is behind the caller: a person, or the leader itself."""
        return self.principal in {PERSON_PRINCIPAL, SYSTEM_PRINCIPAL} and not self.chat


def chat_principal(jid: str) -> str:
    """The principal of an agent that answers a chat."""
    return f"chat:{jid}"


PERSON: Final = Caller(PERSON_PRINCIPAL)
"""A person at the terminal or on a page."""
SYSTEM: Final = Caller(SYSTEM_PRINCIPAL)
"""The leader, for what it does by itself."""
UNKNOWN: Final = Caller(UNKNOWN_PRINCIPAL)
"""A program at the socket that does not say for whom it asks; it counts as tainted."""


@dataclass(frozen=True, slots=True)
class ChatFacts:
    """Facts about a chat that the rules depend on.

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
        """True if the chat is with a person, not a group, a channel or the status."""
        return self.kind is ChatKind.DIRECT

    @property
    def addresses(self) -> frozenset[str]:
        """The jids that it is known by."""
        return frozenset({self.jid, self.lid or self.jid})


@dataclass(frozen=True, slots=True)
class PastAct:
    """An act that others see, done or about to be.

    Attributes:
        at: When.
        chats: Jids of whom it reached.
        is_new_chat: Whether this account had never written there before.
        text: Stands for its text: equal for texts that differ in case and spaces at most. None without one.
    """

    at: datetime
    chats: tuple[str, ...] = ()
    is_new_chat: bool = False
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Pauses:
    """Restrictions that WhatsApp has imposed on this account, and when the account was linked.

    Attributes:
        linked_at: When the phone was linked; None if that was before it was written down.
        timelocked_until: Until when nobody new is written to, after WhatsApp has refused that (463).
        banned_until: Until when nothing is sent, after a temporary ban.
    """

    linked_at: datetime | None = None
    timelocked_until: datetime | None = None
    banned_until: datetime | None = None


ApprovalWay = Literal["elicitation", "phone", "page", "terminal", "host"]
"""By which way a person decided."""


class ApprovalState(StrEnum):
    """State of a question.

    `open` nobody has decided; `approved` a person said yes and the act has not been done yet; `used` it has;
    `denied` a person said no; `expired` nobody decided in time; `void` the act is no longer what was asked
    about.
    """

    OPEN = "open"
    APPROVED = "approved"
    USED = "used"
    DENIED = "denied"
    EXPIRED = "expired"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Approval:
    """One act that waits, or waited, for a person.

    Attributes:
        id: Names it; short, and not to be guessed.
        state: What became of it.
        tool: The tool that would do it.
        client: The application that asked, by its own name.
        question: What would be done, line by line, for a person to read; empty once it is decided.
        reason: Why it is asked, as a clause.
        created_at: When it was asked.
        expires_at: Until when a person may decide.
        decided_at: When it was decided.
        way: How the person decided.
        send_id: The send that is held meanwhile, if it is one.
        pictures: Paths of the pictures and videos that it is about, until it is decided.
    """

    id: str
    state: ApprovalState
    tool: str
    client: str
    question: tuple[str, ...]
    reason: str
    created_at: datetime
    expires_at: datetime
    decided_at: datetime | None = None
    way: ApprovalWay | None = None
    send_id: int | None = None
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Permit:
    """Something that a server does itself and asks the leader about first.

    Attributes:
        wants: `fetch` a URL, `export` messages, `reveal` a masked code, `release` words that are withheld; or
            `host_tool`: the agent wants to use a tool of its own, about which its host asks the owner.
        chats: Jids of the chats that it is about.
        details: What exactly: the URL, the refs; lines of ours with what the caller gave.
    """

    wants: Literal["fetch", "export", "reveal", "release", "host_tool"]
    chats: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
