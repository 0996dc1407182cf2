"""The journal: raw events of the client library in the order of their arrival."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One row of the journal: an event as the library gave it (a `models.JournalEvent`).

    Attributes:
        seq: Its place; grows by every event and is never used twice.
        generation: The client process that received it.
        received_at: When, in milliseconds since 1970.
        code: The library's number of the event kind (`EventCode`, or one that is newer).
        payload: The event's protobuf.
    """

    seq: int
    generation: int
    received_at: int
    code: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class JournalAddress:
    """A journal in PostgreSQL, as a client process is told of it.

    Attributes:
        location: Of the database, with the password of a role. So it is in no repr, and is passed over pipes.
        account: Whose.
        epoch: Of the leader that starts the client.
        allow_asynchronous: Whether that database may lose what it confirms.
    """

    location: str = field(repr=False)
    account: str
    epoch: int
    allow_asynchronous: bool = False


class JournalWriter(Protocol):
    """Access of the client process to the journal; usable from any thread.

    Each method may raise `sqlite3.Error` where the journal is a file, and else `Unavailable`.
    """

    def append(self, generation: int, code: int, payload: bytes) -> int:
        """Commit one event and return its `seq`; it is durable when this returns.

        Raises:
            Fenced: A newer writer has opened the journal; nothing was written.
            Rewound: Nothing was written, and events that were are missing.
        """
        ...

    def close(self) -> None:
        """Close the connection; the journal stays."""
        ...


READ_BYTES: Final = 1 << 26
"""Number of bytes read at a time, unless the reader gives another number."""
EVENT_BYTES: Final = 48 << 20
"""Most bytes of one event. A larger event is neither kept nor read, and is recorded as `TOO_LARGE` without a
payload."""
TOO_LARGE: Final = -1
"""The code of such an event."""


class JournalReader(Protocol):
    """Access of the leader to the journal; usable from any thread.

    Each method may raise `sqlite3.Error` where the journal is a file, and else `Unavailable`.
    """

    def read(self, after_seq: int, limit: int, size: int = ...) -> Sequence[JournalRow]:
        """Up to `limit` events with a `seq` above `after_seq`, oldest first.

        Args:
            after_seq: Below all that are read.
            limit: Most events.
            size: No further event is read once their payloads have this many bytes together.
        """
        ...

    def last_seq(self) -> int:
        """The highest `seq` ever used, pruned or not; 0 when there has been none."""
        ...

    def prune(self, up_to_seq: int) -> int:
        """Delete the events up to and including `up_to_seq`; returns how many there were.

        Raises:
            Fenced: A newer leader has taken over; nothing was deleted.
        """
        ...

    def continue_after(self, seq: int) -> None:
        """Number the next events above `seq`; nothing changes where they are already.

        Raises:
            Fenced: A newer leader has taken over.
        """
        ...

    def close(self) -> None:
        """Close the connection; the journal stays."""
        ...


class JournalStore(JournalWriter, JournalReader, Protocol):
    """A journal as a whole, as files have it: `client.journal.Journal`."""
