"""The archive as far as the rules depend on it: what the log's operations make of nothing."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from tests.fleet.simulation.rows import Row
from tests.fleet.simulation.world import Violation
from whatsapp_fleet.protocol import Position, Stamp


class Operation(NamedTuple):
    """An operation of the log.

    Attributes:
        id: Unique among all operations that anybody ever wants to append.
        name: ingest, accept, sending, sent, requeue or unknown.
        send: The send that it concerns.
        first: The first row of the journal that an `ingest` names; the last is `last`.
        keys: How many messages the keys had encrypted, when a send was handed to a client.
    """

    id: str
    name: str
    send: str = ""
    first: int = 1
    last: int = 0
    keys: int = 0


class TailRow(NamedTuple):
    """A row of the log, its number, and the messages of the journal that it names."""

    seq: int
    row: Row
    messages: list[int]


class Tail(NamedTuple):
    """What the log has after a number.

    Attributes:
        there: The stamp of the row with that number.
    """

    head: Position
    there: Stamp | None
    rows: list[TailRow]


class Archive:
    """A projection of the log.

    Attributes:
        outbox: The state of each send; with how far the keys were when it was handed over last.
    """

    def __init__(self) -> None:
        self.seq = 0
        self.stamp: Stamp | None = None
        self.journal = 0
        self.messages: list[int] = []
        self.outbox: dict[str, tuple[str, int]] = {}
        self._digest = hashlib.sha256()

    def follow(self, tail: Tail) -> bool:
        """Apply what the log has beyond this archive; False if it holds what the log does not."""
        if self.seq and tail.there != self.stamp:
            return False
        for each in tail.rows:
            self.apply(each)
        return True

    def apply(self, each: TailRow) -> None:
        """Apply one operation. What becomes of it is decided here, in the order of the log."""
        if each.seq != self.seq + 1:
            raise Violation("a leader's archive lacks a row of the log")
        self.seq, self.stamp = each.seq, each.row.stamp
        operation: Operation = each.row.body
        if operation.name == "ingest":
            fresh = max(0, self.journal + 1 - operation.first)
            self.messages += each.messages[fresh:]
            self.journal = max(self.journal, operation.last)
        else:
            state, keys = self.outbox.get(operation.send, ("", 0))
            match operation.name, state:
                case "accept", "":
                    self.outbox[operation.send] = ("queued", 0)
                case "sending", "queued":
                    self.outbox[operation.send] = ("sending", operation.keys)
                case "sent" | "unknown", "sending":
                    self.outbox[operation.send] = (operation.name, keys)
                case "requeue", "sending":
                    self.outbox[operation.send] = ("queued", 0)
                case _:
                    pass
        self._digest.update(repr((each.row.body, each.messages, self.outbox.get(operation.send))).encode())

    def digest(self) -> str:
        """A digest of all that it holds and of the order in which it came."""
        return self._digest.hexdigest()
