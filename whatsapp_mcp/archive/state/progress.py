"""How far own messages have come, by the read watermarks of their chats."""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections.abc import Iterable

from whatsapp_mcp.archive.state import members, receipts
from whatsapp_mcp.decoding import OWNER, ReceiptKind
from whatsapp_mcp.models import SendStatus


class ChatProgress:
    """The watermarks of one chat: a group's message has come as far as with all its known members.

    Args:
        watermarks: (contact, kind of receipt, newest message it covers) of everybody but the owner.
        members: How many known members the chat has, the owner aside.
    """

    def __init__(self, watermarks: Iterable[tuple[int, int, int]], members: int) -> None:
        delivered: dict[int, int] = {}
        read: dict[int, int] = {}
        for contact, kind, up_to in watermarks:
            delivered[contact] = max(up_to, delivered.get(contact, 0))
            if kind >= ReceiptKind.READ:
                read[contact] = max(up_to, read.get(contact, 0))
        self._all_delivered = delivered.pop(receipts.EVERYONE, 0)
        self._all_read = read.pop(receipts.EVERYONE, 0)
        self._delivered = sorted(delivered.values())
        self._read = sorted(read.values())
        self._needed = max(1, members)

    def status(self, message: int) -> SendStatus:
        """`sent`, `delivered` or `read`."""
        if self._all_read >= message or self._come(self._read, message) >= self._needed:
            return SendStatus.READ
        if self._all_delivered >= message or self._come(self._delivered, message) >= self._needed:
            return SendStatus.DELIVERED
        return SendStatus.SENT

    def _come(self, up_to: list[int], message: int) -> int:
        return len(up_to) - bisect_left(up_to, message)


def send_progress(
    db: sqlite3.Connection, chats: Iterable[int], *, imported: bool = False
) -> dict[int, ChatProgress]:
    """The progress in each of these chats; `imported`: of messages that files brought."""
    found = {
        chat: [(contact, kind, up_to) for (contact, kind), (up_to, _) in marks.items()]
        for chat, marks in receipts.watermarks(db, [*chats], imported=imported).items()
    }
    roles = members.current_members(db, [chat for chat, marks in found.items() if marks])
    return {
        chat: ChatProgress(marks, len(roles.get(chat, {}).keys() - {OWNER})) for chat, marks in found.items()
    }
