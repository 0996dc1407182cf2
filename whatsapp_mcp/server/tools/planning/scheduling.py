"""Planning: what is to be sent later, and reminders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from typing_extensions import TypedDict

from whatsapp_mcp import time_grammar
from whatsapp_mcp.errors import InvalidArgument, MessageNotFound
from whatsapp_mcp.models import (
    OutboxEntry,
    SendRequest,
    SendResult,
    SendStatus,
    TextContent,
)
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server.calls import Call, Result, Services, ToolFunction, tool
from whatsapp_mcp.server.fencing import Text, clean, clean_line, identifier
from whatsapp_mcp.server.render import SentData, named, rfc3339, sent_data, when
from whatsapp_mcp.server.tools.sending import check_text, send

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whatsapp_mcp.server.reading import ShownSend

_SHOWN: Final = 120
"""Characters of a scheduled text that a list shows."""


class ScheduledSendData(TypedDict):
    """A send that waits for its moment, or for the user's yes."""

    send_id: int
    chat: str
    status: str
    at: str | None
    text: str
    unless_reply: bool


class ScheduledData(TypedDict):
    """The sends that wait, the next one first."""

    scheduled: list[ScheduledSendData]


@tool("planning", Effect.READ, Audience.NOBODY, open_world=False, result=ScheduledData, in_chat=True)
async def scheduled(call: Call) -> Result:
    """List scheduled messages."""
    services = await call.services()
    shown = await services.archive.scheduled_sends()
    lines = [await _line(services, one) for one in shown]
    head = f"{len(lines)} scheduled:" if lines else "Nothing is scheduled."
    return Result(Text(head, lines), ScheduledData(scheduled=[_data(services, one) for one in shown]))


async def _line(services: Services, shown: ShownSend) -> str:
    """`Mon 2026-11-30 09:00 (+01:00) to Ann, send_id 12, unless they write first: hi`."""
    entry = shown.entry
    name = await name_of(services, entry.request.chat)
    notes = [f"send_id {entry.send_id}"]
    notes += ["unless they write first"] if entry.request.unless_reply else []
    notes += ["waits for the user's yes"] if entry.status is SendStatus.HELD else []
    due = "" if entry.due_at is None else when(entry.due_at, services.zone)
    return f"{due} to {name}, {', '.join(notes)}: {_said(shown)}"


def _said(shown: ShownSend) -> str:
    if shown.withheld:
        return "[withheld: an agent wrote it that had read strangers' words]"
    return clean_line(_text_of(shown.entry), _SHOWN)


def _text_of(entry: OutboxEntry) -> str:
    content = entry.request.content
    return content.text if isinstance(content, TextContent) else f"[{content.kind}]"


def _data(services: Services, shown: ShownSend) -> ScheduledSendData:
    entry = shown.entry
    return ScheduledSendData(
        send_id=entry.send_id,
        chat=entry.request.chat,
        status=entry.status.value,
        at=rfc3339(entry.due_at, services.zone),
        text="" if shown.withheld else clean(_text_of(entry)),
        unless_reply=entry.request.unless_reply,
    )


@tool("planning", Effect.ACT, Audience.CHAT, destructive=True, idempotent=True, result=SentData)
async def change_scheduled(
    call: Call,
    send_id: int,
    at: str | None = None,
    text: str | None = None,
) -> Result:
    """Change a scheduled message."""
    if at is None and text is None:
        raise InvalidArgument("Nothing is to change.", "Give at, text or both. undo_send cancels it.")
    services = await call.services()
    changed = None if text is None else check_text(text)
    moment = None if at is None else time_grammar.later(at, services.zone, services.now())
    entry = await _waiting(services, send_id)
    content = entry.request.content
    if changed is not None:
        if not isinstance(content, TextContent):
            raise InvalidArgument(f"Send {send_id} is no text.", "Cancel it with undo_send.")
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


async def name_of(services: Services, jid: str) -> str:
    """What a chat is called that a send names."""
    chat = await services.archive.chat(jid)
    return named(chat) if chat else identifier(jid)


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


TOOLS: Sequence[ToolFunction] = (scheduled, change_scheduled, remind_me)
