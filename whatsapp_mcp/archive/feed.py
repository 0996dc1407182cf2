"""The change feed: one row for each thing that happened, numbered, so that a reader resumes without a gap."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

KEPT_DAYS: Final = 30


def tell(
    db: sqlite3.Connection,
    kind: str,
    *,
    chat: int | None = None,
    wa_id: str | None = None,
    ref: int | None = None,
    actor: int | None = None,
    detail: str | None = None,
) -> None:
    """Add an entry to the feed."""
    db.execute(
        "INSERT INTO events (at, kind, chat_id, wa_id, ref, actor_id, detail) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (time.time_ns() // 1_000_000, kind, chat, wa_id, ref, actor, detail),
    )


def last(db: sqlite3.Connection) -> int:
    """Newest number of the feed; pruning does not set it back."""
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
    return int(row[0]) if row else 0


def prune(db: sqlite3.Connection) -> None:
    """Drop entries older than thirty days, the oldest thousand of them."""
    oldest = (time.time_ns() // 1_000_000) - KEPT_DAYS * 86_400_000
    db.execute(
        "DELETE FROM events WHERE at < ? AND seq IN (SELECT seq FROM events ORDER BY seq LIMIT 1000)",
        (oldest,),
    )
