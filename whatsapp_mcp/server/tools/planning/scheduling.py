"""Planning: what is to be sent later, and reminders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsapp_mcp.errors import InvalidArgument, MessageNotFound
from whatsapp_mcp.models import (
    OutboxEntry,
    SendRequest,
    SendResult,
    TextContent,
)
from whatsapp_mcp.policy import Audience, Effect, clean_line
from whatsapp_mcp.server.calls import Call, Result, Services, ToolFunction, tool
from whatsapp_mcp.server.render import SentData, sent_data, when
from whatsapp_mcp.server.tools.pending import name_of
from whatsapp_mcp.server.tools.sending import check_text, send
from whatsapp_mcp.text import time_grammar

if TYPE_CHECKING:
    from collections.abc import Sequence


@tool("planning", Effect.ACT, Audience.CHAT, destructive=True, idempotent=True, result=SentData)
async def change_scheduled(
    call: Call,
    send_id: int,
    at: str | None = None,
    text: str | None = None,
) -> Result:
    """Change a scheduled message."""
    if at is None and text is None:
        raise InvalidArgument("Nothing is to change.", "Give at, text or both. delete_message cancels it.")
    services = await call.services()
    changed = None if text is None else check_text(text)
    moment = None if at is None else time_grammar.later(at, services.zone, services.now())
    entry = await _waiting(services, send_id)
    content = entry.request.content
    if changed is not None:
        if not isinstance(content, TextContent):
            raise InvalidArgument(f"Send {send_id} is no text.", "Cancel it with delete_message.")
        content = TextContent(changed, link_preview=content.link_preview)
    request = SendRequest(
        entry.request.chat,
        content,
        entry.request.reply_to,
        entry.request.reply_chat,
        at=moment or entry.due_at,
        unless_reply=entry.request.unless_reply,
        replaces=send_id,
    )
    return _planned(await send(services, request), await name_of(services, request.chat), services)


def _planned(result: SendResult, name: str, services: Services) -> Result:
    """What is told of a send for later."""
    told = f"{result.status.value} to {name} (send_id {result.send_id})"
    if result.due_at is not None:
        told += f" for {when(result.due_at, services.zone)}"
    reason = f": {clean_line(result.reason, 300)}" if result.reason else "."
    return Result(f"{told}{reason}", sent_data(result, services.zone))


async def _waiting(services: Services, send_id: int) -> OutboxEntry:
    """The scheduled send of this number, as far as the caller may read its chat.

    Raises:
        MessageNotFound: There is none.
    """
    for shown in await services.archive.scheduled_sends():
        if shown.entry.send_id == send_id:
            return shown.entry
    raise MessageNotFound(f"Send {send_id} is not scheduled.", "Look at scheduled.")


@tool("planning", Effect.ACT, Audience.ONESELF, result=SentData)
async def remind_me(call: Call, text: str, at: str) -> Result:
    """Remind the user in their own chat; it does not ring."""
    services = await call.services()
    number, lid, _ = await services.archive.own()
    if (own := number or lid) is None:
        raise InvalidArgument("The user's own number is not known yet.", "Link a phone with link_device.")
    request = SendRequest(
        own,
        TextContent(f"⏰ {check_text(text)}"),
        at=time_grammar.later(at, services.zone, services.now()),
    )
    return _planned(await send(services, request), "the user's own chat", services)


TOOLS: Sequence[ToolFunction] = (change_scheduled, remind_me)
