"""The log of an archive: each operation behind the hash of all before it; where in it the files stand.

A body is the hash of the former body (32 bytes; of the first one, zeros) and the operation as JSON. So the
hash of one body is that of the whole log up to there: two archives of equal hash have applied the same
operations, and one row tells whether an archive belongs to a log.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from typing import Final, NamedTuple

import anyio
from pydantic import ConfigDict, TypeAdapter

from whatsapp_mcp.archive.database import value
from whatsapp_mcp.archive.operations import VERSION, WriteOperation
from whatsapp_mcp.decoding import DecodedEvent, decode_events
from whatsapp_mcp.errors import InvalidArgument, Unsupported
from whatsapp_mcp.storage import JournalReader, JournalRow, OperationLog, Pruned, SnapshotStore

NOTHING: Final = "00" * 32
"""The hash of an empty log."""
_HASH_BYTES: Final = 32
_MOST_ROWS: Final = 1 << 16
"""Most rows of the journal that are read for one operation."""
_MOST_BYTES: Final = 1 << 28
"""Most bytes of journal rows that are read for one operation: its client may have written more between them
since."""
_NAMED: Final = "journal"
"""In the place of an operation's name: `ingest` of rows of the journal, which are not repeated."""
_ENVELOPE: Final = TypeAdapter(tuple[int, str, int, str])


@dataclass(frozen=True, slots=True)
class LogStorage:
    """Storage of an account's operations.

    Attributes:
        log: Every operation, in order.
        journal: The events that `ingest` names; usable from any thread.
        snapshots: Archives as they were at some operation.
        copying: How many archives of a process are copied into snapshots at a time; None: as many as have to
            be.
    """

    log: OperationLog
    journal: JournalReader
    snapshots: SnapshotStore
    copying: anyio.CapacityLimiter | None = None


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
        # Applied as it reads in the log: what JSON changes is changed here as well as elsewhere.
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
        _, _, created_at, rows = _ENVELOPE.validate_json(text)
        named = _ROWS.validate_json(rows)
    except ValueError as error:
        raise Unsupported(
            "An operation in the account's log is of a version that this one does not know.",
            "Upgrade this installation.",
        ) from error
    return WriteOperation("ingest", created_at, {"events": _events(named, journal)})


def _naming_rows(operation: WriteOperation) -> bytes:
    events: Sequence[DecodedEvent] = operation.values["events"]
    # An empty span for no events: whoever applies it reads no row.
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


class LogPosition(NamedTuple):
    """A place in the log: the number of an operation, and the hash of the log up to it."""

    seq: int
    hash: str


class Agreement(Enum):
    """Result of comparing an archive with a log."""

    WHOLE = auto()
    """The archive is what the first operations of the log made of it."""
    DIFFERENT = auto()
    """The archive has applied something else, or more than the log has."""
    TOO_OLD = auto()
    """The log no longer has the operations that follow."""


class Places(NamedTuple):
    """Positions of both files in the log.

    Attributes:
        archive: `archive.db`.
        raw: `raw.db`, at the last operation that wrote there.
        least: Where `raw.db` stood when `archive.db` was last written together with it.
    """

    archive: LogPosition
    raw: LogPosition
    least: LogPosition


def place_of(db: sqlite3.Connection) -> LogPosition:
    """Return the position of `archive.db` in the log.

    Raises:
        Unsupported: It has operations that were never in a log.
    """
    number, mark = int(_meta(db, "operation", "0")), _meta(db, "log_hash", NOTHING)
    if number and mark == NOTHING:
        raise Unsupported(
            "This archive was not made of a log.", "Keep its folder elsewhere, or move the account."
        )
    return LogPosition(number, mark)


def places_of(db: sqlite3.Connection, raw: sqlite3.Connection) -> Places:
    """Return the positions of both files in the log."""
    has_hash = value(raw, "SELECT 1 FROM sqlite_master WHERE name = 'log_hash'")
    return Places(
        place_of(db),
        LogPosition(value(raw, "SELECT number FROM applied") or 0, value(raw, "SELECT hash FROM log_hash"))
        if has_hash
        else LogPosition(0, NOTHING),
        LogPosition(int(_meta(db, "raw_operation", "0")), _meta(db, "raw_log_hash", NOTHING)),
    )


def _meta(db: sqlite3.Connection, key: str, default: str) -> str:
    return value(db, "SELECT value FROM meta WHERE key = ?", (key,)) or default


async def agreement(places: Places, storage: LogStorage) -> Agreement:
    """Compare both files with the log."""
    comparison = await _agreement_of(places.archive, storage)
    if comparison is not Agreement.WHOLE or places.raw == places.least:
        return comparison
    # `raw.db` commits first: it may be ahead, by operations that are applied once more.
    if places.raw.seq <= places.archive.seq:
        return Agreement.DIFFERENT
    return await _agreement_of(places.raw, storage)


async def _agreement_of(place: LogPosition, storage: LogStorage) -> Agreement:
    log = storage.log
    if place.seq > await log.last():
        return Agreement.DIFFERENT
    try:
        if place.seq:
            (row,) = await log.read(place.seq - 1, 1)
            return _equal(hash_of(row.body), place)
        # Raises `Pruned` where the beginning is gone, from which an empty archive would have to start.
        await log.read(0, 1)
    except Pruned:
        return await _agreement_at_the_beginning(place, storage)
    return Agreement.WHOLE


async def _agreement_at_the_beginning(place: LogPosition, storage: LogStorage) -> Agreement:
    """Compare a place with a log that has at most the operations that follow it."""
    try:
        rows = await storage.log.read(place.seq, 1)
    except Pruned:
        return Agreement.TOO_OLD
    if rows:
        return _equal(former_of(rows[0].body), place)
    newest = await storage.snapshots.newest()
    return _equal(newest.hash if newest is not None and newest.seq == place.seq else "", place)


def _equal(log_hash: str, place: LogPosition) -> Agreement:
    return Agreement.WHOLE if log_hash == place.hash else Agreement.DIFFERENT
