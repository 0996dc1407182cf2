"""Reading the change feed."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Final

from whatsapp_mcp.archive.read.message_rows import moment
from whatsapp_mcp.models import Change

_RECENT: Final = 10_000
"""Entries, counted from the newest, among which a recent one is looked for."""


def last_send(db: sqlite3.Connection, since: datetime, *, chat: str | None = None) -> int | None:
    """The change that accepted the newest send since a time, to this chat if one is given; else None."""
    row = db.execute(
        """SELECT max(e.seq) FROM events AS e LEFT JOIN chat_aliases AS ca ON ca.old_id = e.chat_id
        LEFT JOIN chats AS c ON c.id = coalesce(ca.chat_id, e.chat_id)
        WHERE e.seq > (SELECT max(seq) FROM events) - ?1
        AND e.kind = 'send' AND e.detail LIKE '% queued' AND e.at >= ?2 AND (?3 IS NULL OR c.jid = ?3)""",
        (_RECENT, int(since.timestamp() * 1000), chat),
    ).fetchone()
    return row[0]


def changes(db: sqlite3.Connection, after: int, *, limit: int = 100) -> tuple[Change, ...]:
    """The change feed after a number, oldest first. Old entries are dropped after some weeks."""
    found = db.execute(
        """SELECT e.seq, e.at, e.kind, c.jid, e.ref, e.wa_id, coalesce(s.pn, s.lid), e.detail FROM events AS e
        LEFT JOIN chat_aliases AS ca ON ca.old_id = e.chat_id
        LEFT JOIN contact_aliases AS sa ON sa.old_id = e.actor_id
        LEFT JOIN chats AS c ON c.id = coalesce(ca.chat_id, e.chat_id)
        LEFT JOIN contacts AS s ON s.id = coalesce(sa.contact_id, e.actor_id)
        WHERE e.seq > ? ORDER BY e.seq LIMIT ?""",
        (after, limit),
    ).fetchall()
    return tuple(
        Change(number, when, kind, chat, ref, wa_id, actor, detail)
        for number, at, kind, chat, ref, wa_id, actor, detail in found
        if (when := moment(at // 1000)) is not None
    )
