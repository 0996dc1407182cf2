"""Whether the files of an archive belong to a log, and where in it they stand."""

from __future__ import annotations

import sqlite3
from enum import Enum, auto
from typing import NamedTuple

from whatsapp_mcp.archive.database import value
from whatsapp_mcp.archive.projection.bodies import NOTHING, former_of, hash_of
from whatsapp_mcp.archive.projection.log_storage import LogStorage
from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.storage import Pruned


class Place(NamedTuple):
    """A place in the log: the number of an operation, and the hash of the log up to it."""

    seq: int
    hash: str


class Agreement(Enum):
    """How an archive and a log agree."""

    WHOLE = auto()
    """It is what the first operations of the log made of it."""
    DIFFERENT = auto()
    """It has applied something else, or more than the log has."""
    TOO_OLD = auto()
    """The log no longer has the operations that follow."""


class Places(NamedTuple):
    """Where both files stand.

    Attributes:
        archive: `archive.db`.
        raw: `raw.db`, at the last operation that wrote there.
        least: Where `raw.db` stood when `archive.db` was last written together with it.
    """

    archive: Place
    raw: Place
    least: Place


def place_of(db: sqlite3.Connection) -> Place:
    """Where `archive.db` stands.

    Raises:
        Unsupported: It has operations that were never in a log.
    """
    number, mark = int(_meta(db, "operation", "0")), _meta(db, "log_hash", NOTHING)
    if number and mark == NOTHING:
        raise Unsupported(
            "This archive was not made of a log.", "Keep its folder elsewhere, or move the account."
        )
    return Place(number, mark)


def places_of(db: sqlite3.Connection, raw: sqlite3.Connection) -> Places:
    """Where both files stand."""
    has_hash = value(raw, "SELECT 1 FROM sqlite_master WHERE name = 'log_hash'")
    return Places(
        place_of(db),
        Place(value(raw, "SELECT number FROM applied") or 0, value(raw, "SELECT hash FROM log_hash"))
        if has_hash
        else Place(0, NOTHING),
        Place(int(_meta(db, "raw_operation", "0")), _meta(db, "raw_log_hash", NOTHING)),
    )


def _meta(db: sqlite3.Connection, key: str, default: str) -> str:
    return value(db, "SELECT value FROM meta WHERE key = ?", (key,)) or default


async def agreement(places: Places, storage: LogStorage) -> Agreement:
    """How both files agree with the log."""
    found = await _agreement_of(places.archive, storage)
    if found is not Agreement.WHOLE or places.raw == places.least:
        return found
    # `raw.db` commits first: it may be ahead, by operations that are applied once more.
    if places.raw.seq <= places.archive.seq:
        return Agreement.DIFFERENT
    return await _agreement_of(places.raw, storage)


async def _agreement_of(place: Place, storage: LogStorage) -> Agreement:
    log = storage.log
    if place.seq > await log.last():
        return Agreement.DIFFERENT
    try:
        if place.seq:
            (row,) = await log.read(place.seq - 1, 1)
            return _equal(hash_of(row.body), place)
        await log.read(0, 1)
    except Pruned:
        return await _agreement_at_the_beginning(place, storage)
    return Agreement.WHOLE


async def _agreement_at_the_beginning(place: Place, storage: LogStorage) -> Agreement:
    """As above, where the log has only what follows the place, at most."""
    try:
        rows = await storage.log.read(place.seq, 1)
    except Pruned:
        return Agreement.TOO_OLD
    if rows:
        return _equal(former_of(rows[0].body), place)
    newest = await storage.snapshots.newest()
    return _equal(newest.hash if newest is not None and newest.seq == place.seq else "", place)


def _equal(found: str, place: Place) -> Agreement:
    return Agreement.WHOLE if found == place.hash else Agreement.DIFFERENT
