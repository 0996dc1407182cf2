"""The change feed: one row for each thing that happened, numbered, so that a reader resumes without a gap."""

from __future__ import annotations

import sqlite3
from typing import Final

KEPT_DAYS: Final = 30
_NOW: Final = "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'operation_at'"


def add_change(
    db: sqlite3.Connection,
    kind: str,
    *,
    chat: int | None = None,
    wa_id: str | None = None,
    ref: int | None = None,
    actor: int | None = None,
    detail: str | None = None,
) -> None:
    """Add an entry to the feed, with the time of the operation that is being applied (`applying.begin`)."""
    db.execute(
        f"""INSERT INTO events (at, kind, chat_id, wa_id, ref, actor_id, detail)
        VALUES (({_NOW}), ?, ?, ?, ?, ?, ?)""",  # noqa: S608
        (kind, chat, wa_id, ref, actor, detail),
    )


def last_change(db: sqlite3.Connection) -> int:
    """Newest number of the change feed; 0 when nothing ever changed."""
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
    return int(row[0]) if row else 0


def prune_changes(db: sqlite3.Connection) -> None:
    """Drop entries thirty days older than the operation that is being applied, a thousand at most."""
    db.execute(
        f"""DELETE FROM events WHERE at < ({_NOW}) - ?
        AND seq IN (SELECT seq FROM events ORDER BY seq LIMIT 1000)""",  # noqa: S608
        (KEPT_DAYS * 86_400_000,),
    )
