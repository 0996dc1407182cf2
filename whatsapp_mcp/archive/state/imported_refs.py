"""Which import has which message: ranges of refs, since what a file brings gets refs one after the other."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

from whatsapp_mcp.archive.database import column, value
from whatsapp_mcp.decoding import Flag


def add_refs(db: sqlite3.Connection, number: int, refs: Iterable[int]) -> None:
    """Note that an import has these messages."""
    for first, last in _ranges(sorted({*refs})):
        before = db.execute(
            """SELECT first, last FROM imported_refs WHERE import_id = ? AND first <= ?
            ORDER BY first DESC LIMIT 1""",
            (number, first),
        ).fetchone()
        if before is not None and before[1] >= first - 1:
            db.execute(
                "UPDATE imported_refs SET last = max(last, ?) WHERE (import_id, first) = (?, ?)",
                (last, number, before[0]),
            )
        else:
            db.execute("INSERT INTO imported_refs VALUES (?, ?, ?)", (number, first, last))


def _ranges(refs: list[int]) -> Iterator[tuple[int, int]]:
    start = 0
    for place in range(1, len(refs) + 1):
        if place == len(refs) or refs[place] != refs[place - 1] + 1:
            yield refs[start], refs[place - 1]
            start = place


def has_ref(db: sqlite3.Connection, number: int, ref: int) -> bool:
    """Whether an import has a message."""
    last = value(
        db,
        "SELECT last FROM imported_refs WHERE import_id = ? AND first <= ? ORDER BY first DESC LIMIT 1",
        (number, ref),
    )
    return last is not None and last >= ref


def imports_with(db: sqlite3.Connection, message: int, ref: int, flags: int) -> set[int]:
    """The imports that have a message: one that was two may have several refs."""
    refs = [ref]
    if flags & Flag.TWICE:
        refs = column(db, "SELECT ref FROM refs WHERE message_id = ?", (message,))
    numbers = column(db, "SELECT id FROM imports WHERE state != 'undone'")
    return {number for number in numbers for each in refs if has_ref(db, number, each)}
