"""What stands in the log: each operation behind the hash of all before it.

A body is the hash of the former body (32 bytes; of the first one, zeros) and the operation as JSON. So the
hash of one body is that of the whole log up to there: two archives of equal hash have applied the same
operations, and one row tells whether an archive belongs to a log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from pydantic import ConfigDict, TypeAdapter

from whatsapp_mcp.archive.operations import VERSION, WriteOperation
from whatsapp_mcp.decoding import DecodedEvent, decode_events
from whatsapp_mcp.errors import InvalidArgument, Unsupported
from whatsapp_mcp.storage import JournalReader, JournalRow

NOTHING: Final = "00" * 32
"""The hash of an empty log."""
_HASH_BYTES: Final = 32
_MOST_ROWS: Final = 1 << 16
_MOST_BYTES: Final = 1 << 28
"""Of what one operation names: its client may have written more between since."""

_NAMED: Final = "journal"
"""In the place of an operation's name: `ingest` of rows of the journal, which are not repeated."""


@dataclass(frozen=True, slots=True)
class JournalRows:
    """Rows of the journal, and what they say.

    Attributes:
        first: Number of the first.
        last: Number of the last.
        digest: Of what they were decoded to: another version may decode them otherwise, and must not.
    """

    first: int
    last: int
    digest: str


_ROWS: Final = TypeAdapter(JournalRows)
_ENVELOPE: Final = TypeAdapter(tuple[int, str, int, str])


@cache
def _as_json() -> TypeAdapter[tuple[DecodedEvent, ...]]:
    # Made where it is used: it takes 20 ms, and most servers have no log.
    return TypeAdapter(tuple[DecodedEvent, ...], config=ConfigDict(ser_json_bytes="base64"))


def hash_of(body: bytes) -> str:
    """The hash of the log up to a body, as hexadecimal digits."""
    return hashlib.sha256(body).hexdigest()


def body_of(former: str, operation: WriteOperation) -> tuple[bytes, WriteOperation]:
    """An operation as it stands in the log, and as whoever reads it there applies it.

    Args:
        former: The hash of the log before it.
        operation: Which; the events of an `ingest` are rows of the journal.

    Raises:
        InvalidArgument: A value has no JSON that gives it back: half of a character, an infinite number.
    """
    if operation.name == "ingest":
        return bytes.fromhex(former) + _naming_rows(operation), operation
    try:
        text = operation.to_json()
        return bytes.fromhex(former) + text, WriteOperation.from_json(text)
    except ValueError as error:  # whose text may repeat what was said
        raise InvalidArgument("A value cannot be stored.", "Give whole characters and numbers.") from error


def former_of(body: bytes) -> str:
    """The hash of the log before a body."""
    return body[:_HASH_BYTES].hex()


def operation_of(body: bytes, journal: JournalReader) -> WriteOperation:
    """The operation that a body holds.

    Args:
        body: As it stands in the log.
        journal: Holds the rows that it may name.

    Raises:
        Unsupported: This version cannot apply it as the one that wrote it did.
    """
    try:
        text = body[_HASH_BYTES:]
        if not text.startswith(b'[%d,"%s",' % (VERSION, _NAMED.encode())):
            return WriteOperation.from_json(text)
        _, _, at, rows = _ENVELOPE.validate_json(text)
        named = _ROWS.validate_json(rows)
    except ValueError as error:
        raise Unsupported(
            "An operation in the account's log is of a version that this one does not know.",
            "Upgrade this installation.",
        ) from error
    return WriteOperation("ingest", at, {"events": _events(named, journal)})


def _naming_rows(operation: WriteOperation) -> bytes:
    events: Sequence[DecodedEvent] = operation.values["events"]
    first, last = (events[0].seq, events[-1].seq) if events else (1, 0)
    named = JournalRows(first, last, _digest(events))
    return _ENVELOPE.dump_json((VERSION, _NAMED, operation.at, _ROWS.dump_json(named).decode()))


def _events(named: JournalRows, journal: JournalReader) -> Sequence[DecodedEvent]:
    rows: list[JournalRow] = []
    after, left = named.first - 1, _MOST_BYTES
    while after < named.last and left > 0 and len(rows) < _MOST_ROWS:
        if not (more := journal.read(after, min(_MOST_ROWS, named.last - after))):
            break
        rows += [row for row in more if row.seq <= named.last]
        after, left = more[-1].seq, left - sum(len(row.payload) for row in more)
    events = decode_events(rows, after=0)
    if _digest(events) != named.digest:
        raise Unsupported(
            "Events that the account's log names are missing, or were decoded by a version that reads them "
            "otherwise.",
            "Let the version that wrote them lead the account until it has made a snapshot.",
        )
    return events


def _digest(events: Sequence[DecodedEvent]) -> str:
    # What has its default is left out, so a version that only knows more fields says the same.
    return hashlib.sha256(_as_json().dump_json(tuple(events), exclude_defaults=True)).hexdigest()[:32]
