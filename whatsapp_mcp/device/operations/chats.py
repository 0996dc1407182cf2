"""Whole chats.

Archiving, pinning, muting, marking unread and deleting on the phone are not here: they are app state, and the
library sends it without the name of its collection (neonize 0.5.2), so WhatsApp refuses every such change.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Final, Literal

from whatsapp_mcp.archive import recording
from whatsapp_mcp.device.operations.whatsapp import WhatsApp
from whatsapp_mcp.models import MessageFilter
from whatsapp_mcp.policy import Audience, Effect, has_effect

_PAGE: Final = 200
"""Messages that are read at once, and receipts in one call."""


@has_effect(Effect.ACT, Audience.CHAT, "chat")
async def set_timer(whatsapp: WhatsApp, chat: str, seconds: int) -> None:
    """Let new messages of a chat disappear after so many seconds; 0 is never."""
    await whatsapp.call("set_disappearing_timer", {"chat": chat, "seconds": seconds})
    await whatsapp.archive.write(recording.record_timer, chat, seconds)


@has_effect(Effect.ACT, Audience.ONESELF, "chat")
async def set_aside(whatsapp: WhatsApp, chat: str, until: datetime | None = None, aside: bool = True) -> None:
    """Put a chat off until a time, or (None) until more is said there; `aside` False takes that back.

    It is kept here alone: the phone knows nothing of it.
    """
    await whatsapp.archive.write(recording.record_aside, chat, until, aside)


@has_effect(Effect.ACT, Audience.CHAT, "chat", in_chat=True)
async def mark_read(whatsapp: WhatsApp, chat: str) -> int:
    """Send read receipts for everything in this chat; answers for how many messages."""
    where = MessageFilter(chat=chat, unreceipted=True)
    by_sender: dict[str, list[str]] = defaultdict(list)
    count, newest, cursor = 0, None, None
    while count == 0 or cursor is not None:
        page = await whatsapp.archive.messages(where, oldest_first=True, limit=_PAGE, cursor=cursor)
        if not page.items:
            break
        for message in page.items:
            by_sender[message.sender].append(message.message_id)
        count, newest, cursor = count + len(page.items), page.items[-1].ref, page.next_cursor
    # WhatsApp takes one sender's ids in a receipt. None goes out before all pages are read.
    for sender, ids in by_sender.items():
        for first in range(0, len(ids), _PAGE):
            part = {"ids": ids[first : first + _PAGE], "sender": sender}
            await whatsapp.call("mark_read", {**part, "chat": chat, "receipt": "read"})
    if newest is not None:
        # Last: what failed half way leaves the chat unread here, and is sent once more by the next call.
        await whatsapp.archive.write(recording.record_read, chat, newest)
    return count


@has_effect(Effect.ACT, Audience.CHAT, "chat", in_chat=True)
async def typing(whatsapp: WhatsApp, chat: str, state: Literal["composing", "recording", "paused"]) -> None:
    """Show (or stop showing) that the account's owner is writing or recording."""
    await whatsapp.call("send_chat_presence", {"chat": chat, "state": state})
