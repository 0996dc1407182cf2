"""The chats in which somebody waits, as their last messages say."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from whatsapp_mcp.archive import read
from whatsapp_mcp.archive.database import ID_BITS, placeholders
from whatsapp_mcp.archive.pending.turns import said_rows, who_waits
from whatsapp_mcp.models import Chat, ChatKind, Page
from whatsapp_mcp.triage import READ, Side

WAITING_DAYS: Final = 60
"""Where nothing was said for so long, nobody waits any more."""
_SCANNED: Final = 400
"""Chats that are looked at for one page."""
_ONE_PAGE: Final = 50


class Aside(NamedTuple):
    """Until when a chat was put off, and up to what it is dealt with, in seconds since 1970."""

    handled_to: int
    until: int

    def hides(self, message: int, now: datetime) -> bool:
        """Whether nobody waits for an answer to a message at present."""
        return self.until > now.timestamp() or message >> ID_BITS <= self.handled_to


NOT_ASIDE: Final = Aside(0, 0)


def asides(db: sqlite3.Connection, chats: Collection[int]) -> dict[int, Aside]:
    """Which of these chats were set aside."""
    return {
        chat: Aside(*aside)
        for chat, *aside in db.execute(
            f"""SELECT v.chat_id, s.handled_to, s.until FROM set_aside AS s
            JOIN chat_addresses AS v ON v.address_id = s.address_id
            WHERE v.chat_id IN ({placeholders(chats)}) ORDER BY s.at""",  # noqa: S608
            [*chats],
        ).fetchall()
    }


def waiting_chats(
    db: sqlite3.Connection,
    waiting_for: Side,
    *,
    now: datetime,
    query: str | None = None,
    kind: ChatKind | None = None,
    unread: bool | None = None,
    unanswered: bool | None = None,
    jid: str | None = None,
    limit: int = 20,
    cursor: str | None = None,
) -> Page[Chat]:
    """Those of `read.chats` in which the owner owes an answer or a promise (`me`), or is owed it (`them`).

    Chats that were set aside are left out, and those in which nothing was said for `WAITING_DAYS`.

    Raises:
        InvalidArgument: As `read.chats`.
    """
    oldest, found, scanned = now - timedelta(WAITING_DAYS), list[Chat](), 0
    while True:
        # No more than are still wanted, so that the cursor behind the page is that behind the last one.
        wanted = min(limit - len(found), _ONE_PAGE)
        page = read.chats(
            db,
            query=query,
            kind=kind,
            unread=unread,
            unanswered=unanswered,
            jid=jid,
            limit=wanted,
            cursor=cursor,
        )
        recent = [chat for chat in page.items if chat.last_message_at and chat.last_message_at >= oldest]
        found += [chat for chat in recent if _waits(db, chat, waiting_for, now)]
        scanned, cursor = scanned + len(page.items), page.next_cursor
        if len(recent) < len(page.items):
            return Page(tuple(found))
        if cursor is None or len(found) == limit or scanned >= _SCANNED:
            return replace(page, items=tuple(found))


def _waits(db: sqlite3.Connection, chat: Chat, side: Side, now: datetime) -> bool:
    number = read.chat_id(db, chat.jid)
    if number is None or chat.kind not in (ChatKind.DIRECT, ChatKind.GROUP):
        return False
    said = said_rows(db, f"WHERE m.chat_id = ? ORDER BY m.id DESC LIMIT {READ}", (number,))[::-1]
    found = who_waits(db, said, group=chat.kind is ChatKind.GROUP)
    place = found.for_me if side == "me" else found.for_them
    return place is not None and not asides(db, [number]).get(number, NOT_ASIDE).hides(said[place].id, now)
