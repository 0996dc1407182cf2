"""The change feed: one row for each thing that happened, numbered, so that a reader resumes without a gap.

And stretches of time in which messages may be missing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

from whatsapp_mcp.archive.database import value
from whatsapp_mcp.models import Change

KEPT_DAYS: Final = 30
"""Days after which entries are dropped; who was away for longer begins anew (`resume`)."""
_RECENT: Final = 10_000
"""Entries, counted from the newest, among which a recent one is looked for."""
_MANY: Final = 20
"""Contacts that changed at once, beyond which they are not named."""
_NOW: Final = "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'operation_at'"
"""SQL for the time of the operation that is being applied, in milliseconds."""


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
    """Add an entry to the feed, with the time of the operation that is being applied (`begin_operation`)."""
    db.execute(
        f"""INSERT INTO events (at, kind, chat_id, wa_id, ref, actor_id, detail)
        VALUES (({_NOW}), ?, ?, ?, ?, ?, ?)""",  # noqa: S608
        (kind, chat, wa_id, ref, actor, detail),
    )


def add_contact_changes(db: sqlite3.Connection, contacts: Collection[int]) -> None:
    """Add that what is known of these contacts changed; of many (an address book came) one entry for all."""
    if len(contacts) > _MANY:
        add_change(db, "contact")
    else:
        # In a fixed order: the same operations give the same feed.
        for contact in sorted(contacts):
            add_change(db, "contact", actor=contact)


def add_file_change(db: sqlite3.Connection, message: int) -> None:
    """Add that the file of a message (its id) was fetched or read."""
    chat, wa_id, ref = db.execute(
        """SELECT m.chat_id, m.wa_id, r.ref FROM messages AS m JOIN refs AS r ON r.message_id = m.id
        WHERE m.id = ?""",
        (message,),
    ).fetchone()
    add_change(db, "file", chat=chat, wa_id=wa_id, ref=ref)


def last_change(db: sqlite3.Connection) -> int:
    """Newest number of the change feed; 0 when nothing ever changed."""
    # Not the greatest that is there: entries are dropped, and the number must never fall.
    return value(db, "SELECT seq FROM sqlite_sequence WHERE name = 'events'") or 0


def resume(db: sqlite3.Connection, after: int) -> int:
    """Return the number at which a reader that has seen everything up to another one continues.

    That is the number itself; or the number before the oldest entry, if entries after it are no longer
    kept, or if it is a number of another archive (this one was recreated since).
    """
    last = last_change(db)
    oldest = value(db, "SELECT min(seq) FROM events")
    kept = last if oldest is None else oldest - 1
    return after if kept <= after <= last else kept


def prune_changes(db: sqlite3.Connection) -> None:
    """Drop entries thirty days older than the operation that is being applied, a thousand at most."""
    db.execute(
        f"""DELETE FROM events WHERE at < ({_NOW}) - ?
        AND seq IN (SELECT seq FROM events ORDER BY seq LIMIT 1000)""",  # noqa: S608
        (KEPT_DAYS * 86_400_000,),
    )


def last_send(db: sqlite3.Connection, since: datetime, *, chat: str | None = None) -> int | None:
    """The change that accepted the newest send since a time, to this chat if one is given; else None."""
    return value(
        db,
        """SELECT max(e.seq) FROM events AS e LEFT JOIN chat_aliases AS ca ON ca.old_id = e.chat_id
        LEFT JOIN chats AS c ON c.id = coalesce(ca.chat_id, e.chat_id)
        WHERE e.seq > (SELECT max(seq) FROM events) - ?1
        AND e.kind = 'send' AND e.detail LIKE '% queued' AND e.at >= ?2 AND (?3 IS NULL OR c.jid = ?3)""",
        (_RECENT, int(since.timestamp() * 1000), chat),
    )


def changes(db: sqlite3.Connection, after: int, *, limit: int = 100) -> tuple[Change, ...]:
    """The change feed after a number, oldest first. Old entries are dropped after some weeks."""
    rows = db.execute(
        """SELECT e.seq, e.at, e.kind, c.jid, e.ref, e.wa_id, coalesce(s.pn, s.lid), e.detail FROM events AS e
        LEFT JOIN chat_aliases AS ca ON ca.old_id = e.chat_id
        LEFT JOIN contact_aliases AS sa ON sa.old_id = e.actor_id
        LEFT JOIN chats AS c ON c.id = coalesce(ca.chat_id, e.chat_id)
        LEFT JOIN contacts AS s ON s.id = coalesce(sa.contact_id, e.actor_id)
        WHERE e.seq > ? ORDER BY e.seq LIMIT ?""",
        (after, limit),
    ).fetchall()
    return tuple(
        Change(number, datetime.fromtimestamp(at // 1000, UTC), kind, chat, ref, wa_id, actor, detail)
        for number, at, kind, chat, ref, wa_id, actor, detail in rows
    )


def store_gap(db: sqlite3.Connection, since: int, until: int | None, reason: str) -> None:
    """Remember one, in seconds since 1970; one that is known already gets its end rather than a duplicate."""
    known = db.execute(
        "UPDATE gaps SET until = ? WHERE since = ? AND reason = ?", (until, since, reason)
    ).rowcount
    if not known:
        db.execute("INSERT INTO gaps (since, until, reason) VALUES (?, ?, ?)", (since, until, reason))
