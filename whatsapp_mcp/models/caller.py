"""Who asks for something: the principal to whom words are handed out and for whom acts are decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PERSON_PRINCIPAL: Final = "person"
SYSTEM_PRINCIPAL: Final = "system"
UNKNOWN_PRINCIPAL: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and with which tool.

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
        """Whether a person acts directly, at a terminal or on a page."""
        return self.principal == PERSON_PRINCIPAL and not self.chat

    @property
    def is_unknown(self) -> bool:
        """Whether nothing is known of it."""
        return self.principal == UNKNOWN_PRINCIPAL

    @property
    def is_trusted(self) -> bool:
        """Whether no model stands behind it: a person, or the leader itself."""
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
