"""Reading the change feed."""

from __future__ import annotations

import sqlite3

from whatsapp_mcp.archive import rows
from whatsapp_mcp.archive.records import (
    Change,
)


def after(db: sqlite3.Connection, seq: int, limit: int) -> tuple[Change, ...]:
    """Entries after a number, oldest first."""
    found = db.execute(
        """SELECT e.seq, e.at, e.kind, c.jid, e.ref, e.wa_id, coalesce(s.pn, s.lid), e.detail FROM events AS e
        LEFT JOIN chat_aliases AS ca ON ca.old_id = e.chat_id
        LEFT JOIN contact_aliases AS sa ON sa.old_id = e.actor_id
        LEFT JOIN chats AS c ON c.id = coalesce(ca.chat_id, e.chat_id)
        LEFT JOIN contacts AS s ON s.id = coalesce(sa.contact_id, e.actor_id)
        WHERE e.seq > ? ORDER BY e.seq LIMIT ?""",
        (seq, limit),
    ).fetchall()
    return tuple(
        Change(number, when, kind, chat, ref, wa_id, actor, detail)
        for number, at, kind, chat, ref, wa_id, actor, detail in found
        if (when := rows.moment(at // 1000)) is not None
    )
