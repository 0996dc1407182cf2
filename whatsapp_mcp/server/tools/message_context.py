"""Lists of messages: each may follow its context, and voice notes say that nobody transcribes them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from whatsapp_mcp.models import MessageKind
from whatsapp_mcp.server.render import CONTEXT, MessageData, MessagesData, messages_data

if TYPE_CHECKING:
    from whatsapp_mcp.models import Message, Page
    from whatsapp_mcp.server.calls import Services
    from whatsapp_mcp.server.reading import GuardedArchive


def page_data(services: Services, page: Page[Message], *, of_one_chat: bool) -> MessagesData:
    """A page as structured content; where nothing transcribes, its voice notes and a note say so."""
    data = messages_data(page, services.zone, of_one_chat=of_one_chat)
    silent = [one for one in data["messages"] if one["kind"] == MessageKind.VOICE and _is_unread(one)]
    if silent and (why := services.settings.speech_missing) is not None:
        for one in silent:
            one["problem"] = "not transcribed"
        data["notes"] = [*data.get("notes", ()), why]
    return data


def _is_unread(message: MessageData) -> bool:
    return message.keys().isdisjoint({"reading", "problem", "withheld", "revoked_at"})


async def with_context(
    services: Services, archive: GuardedArchive, page: Page[Message], count: int, *, of_one_chat: bool
) -> MessagesData:
    """A page as structured content, with up to `count` messages before each that are not on it themselves.

    What stands before more than one is told once, before the oldest of these; each is marked as context.
    """
    if not count:
        return page_data(services, page, of_one_chat=of_one_chat)
    before = await archive.preceding([f"#{hit.ref}" for hit in page.items], count)
    shown = replace(page, items=tuple(one for hit in page.items for one in (*before[hit.ref], hit)))
    data = page_data(services, shown, of_one_chat=of_one_chat)
    hits = {hit.ref for hit in page.items}
    for message, one in zip(shown.items, data["messages"], strict=True):
        if message.ref not in hits:
            one["context"] = True
    return data


def after_context(count: int) -> str:
    """What the heading of such a list says of it; nothing where there is no context."""
    return f", each after up to {count} before it ({CONTEXT.strip()})" if count else ""
