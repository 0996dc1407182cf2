"""Stretches of time in which messages may be missing."""

from __future__ import annotations

import sqlite3


def store_gap(db: sqlite3.Connection, since: int, until: int | None, reason: str) -> None:
    """Remember one, in seconds since 1970; one that is known already gets its end rather than a duplicate."""
    known = db.execute(
        "UPDATE gaps SET until = ? WHERE since = ? AND reason = ?", (until, since, reason)
    ).rowcount
    if not known:
        db.execute("INSERT INTO gaps (since, until, reason) VALUES (?, ?, ?)", (since, until, reason))
