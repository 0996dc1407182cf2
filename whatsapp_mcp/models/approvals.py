"""What a person is asked before an act, and what became of the question."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

ApprovalWay = Literal["elicitation", "phone", "page", "terminal", "host"]
"""By which way a person decided."""


class ApprovalState(StrEnum):
    """What became of a question.

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
