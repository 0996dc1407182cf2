"""Completes the addresses in URIs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from whatsapp_mcp.server.calls import Call

_MOST: Final = 50


async def chat_jids(call: Call, typed: str) -> Sequence[str]:
    """The jids of chats that a part of a name, number or jid means; of the newest chats for none."""
    archive = (await call.services()).archive
    if not typed.strip():
        return [chat.jid for chat in (await archive.chats(limit=_MOST)).items]
    return [found.chat.jid for found in await archive.resolve_chat(typed, limit=_MOST)]


async def person_jids(call: Call, typed: str) -> Sequence[str]:
    """The jids of people whom a part of a name or number means."""
    archive = (await call.services()).archive
    return [person.jid for person in (await archive.contacts(typed.strip() or None, limit=_MOST)).items]
