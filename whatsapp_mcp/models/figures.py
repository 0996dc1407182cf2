"""What operators are told of an account: numbers and times, and never who or what."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LeaderFigures:
    """What only the leader of an account knows.

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
