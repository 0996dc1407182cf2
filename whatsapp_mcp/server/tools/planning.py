"""Planning: what is owed, and what is to happen later.

A digest of what was written, chats set aside until they matter again, sends for later, and reminders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from typing_extensions import TypedDict

from whatsapp_mcp.device.operations import chats
from whatsapp_mcp.errors import InvalidArgument, MessageNotFound
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.models import (
    Mention,
    OutboxEntry,
    SendRequest,
    SendResult,
    TextContent,
)
from whatsapp_mcp.policy import Audience, Effect, clean_line
from whatsapp_mcp.server.arguments import ChatArg, Since, find_known_chat, mention, still_mentioned
from whatsapp_mcp.server.calls import Call, Result, Services, ToolFunction, tool
from whatsapp_mcp.server.render import (
    DigestData,
    SentData,
    digest_shown,
    named,
    rfc3339,
    sent_data,
    short,
    when,
)
from whatsapp_mcp.server.tools.pending import name_of
from whatsapp_mcp.server.tools.sending import check_text, send
from whatsapp_mcp.text import time_grammar

if TYPE_CHECKING:
    from collections.abc import Sequence


@tool("planning", Effect.READ, Audience.NOBODY, open_world=False, result=DigestData)
async def digest(call: Call, since: Since = "1d") -> Result:
    """Show what was said since then: the newest lines of each direct chat and group, in few characters."""
    services = await call.services()
    now, zone = services.now(), services.zone
    begin = time_grammar.since(since, zone, now)
    assert begin is not None
    summary = await services.archive.digest(begin, now=now)
    return Result(*digest_shown(summary, begin, now, zone))


class SetAsideData(TypedDict):
    """The chat, and the time until which it is put off; None: until they write, or not any more."""

    chat: str
    until: str | None


@tool("planning", Effect.ACT, Audience.ONESELF, idempotent=True, open_world=False, result=SetAsideData)
async def set_aside(
    call: Call,
    chat: ChatArg,
    until: Annotated[str | None, Field(description="3h, 2026-12-01; none: until they write")] = None,
    undo: bool = False,
) -> Result:
    """Leave a chat out of digest and unanswered: dealt with until they write, or put off until a time."""
    if undo and until:
        raise InvalidArgument("Give either until or undo.")
    services = await call.services()
    moment = time_grammar.coming(until, services.zone, services.now()) if until else None
    target = await find_known_chat(services, chat, reading=True)
    async with services.device() as device:
        await device.do(chats.set_aside, target.jid, moment, not undo)
    if undo:
        text = f"{named(target)} is no longer set aside."
    elif moment is None:
        text = f"{named(target)} is dealt with until they write again."
    else:
        text = f"{named(target)} is put off until {short(moment, services.zone, services.now())}."
    return Result(text, SetAsideData(chat=target.jid, until=rfc3339(moment, services.zone)))


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
        people = [(jid, await services.archive.contact(jid)) for jid in content.mentions]
        known = {Jid.parse(jid).user: Mention(person.name) for jid, person in people if person}
        changed = still_mentioned(changed, known)
        changed, mentioned = await mention(services, entry.request.chat, changed, ())
        content = TextContent(changed, mentioned, link_preview=content.link_preview)
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
    """Return the result of a scheduled send."""
    text = f"{result.status.value} to {name} (send_id {result.send_id})"
    if result.due_at is not None:
        text += f" for {when(result.due_at, services.zone)}"
    reason = f": {clean_line(result.reason, 300)}" if result.reason else "."
    return Result(f"{text}{reason}", sent_data(result, services.zone))


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


TOOLS: Sequence[ToolFunction] = (digest, set_aside, change_scheduled, remind_me)
