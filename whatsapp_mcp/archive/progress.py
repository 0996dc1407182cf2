"""How far an own message has come, by the marks of its chat."""

from __future__ import annotations

import sqlite3
from bisect import bisect_left

from whatsapp_mcp.archive.facts import Mark
from whatsapp_mcp.archive.receipts import EVERYONE
from whatsapp_mcp.models import SendStatus


class ChatProgress:
    """The marks of one chat, read once: a group's message has come as far as with all its known members."""

    def __init__(self, db: sqlite3.Connection, chat: int) -> None:
        delivered: dict[int, int] = {}
        read: dict[int, int] = {}
        for contact, kind, up_to in db.execute(
            "SELECT contact_id, kind, up_to FROM read_marks WHERE chat_id = ? AND contact_id != 0", (chat,)
        ).fetchall():
            delivered[contact] = max(up_to, delivered.get(contact, 0))
            if kind >= Mark.READ:
                read[contact] = max(up_to, read.get(contact, 0))
        self._all_delivered = delivered.pop(EVERYONE, 0)
        self._all_read = read.pop(EVERYONE, 0)
        self._delivered = sorted(delivered.values())
        self._read = sorted(read.values())
        self._needed = 1
        if delivered:
            members = (
                "SELECT count(*) FROM members WHERE chat_id = ? AND contact_id != 0 AND role IS NOT NULL"
            )
            self._needed = max(1, db.execute(members, (chat,)).fetchone()[0])

    def status(self, message: int) -> SendStatus:
        """`sent`, `delivered` or `read`."""
        if self._all_read >= message or self._come(self._read, message) >= self._needed:
            return SendStatus.READ
        if self._all_delivered >= message or self._come(self._delivered, message) >= self._needed:
            return SendStatus.DELIVERED
        return SendStatus.SENT

    def _come(self, marks: list[int], message: int) -> int:
        return len(marks) - bisect_left(marks, message)
