"""Catching up: a digest of what was written, and chats set aside until they matter again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from typing_extensions import TypedDict

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server.arguments import ChatArg, Since, find_known_chat
from whatsapp_mcp.server.calls import Call, Result, ToolFunction, tool
from whatsapp_mcp.server.render import DigestData, digest_shown, named, rfc3339, short
from whatsapp_mcp.text import time_grammar

if TYPE_CHECKING:
    from collections.abc import Sequence


@tool("planning", Effect.READ, Audience.NOBODY, open_world=False, result=DigestData)
async def digest(call: Call, since: Since = "1d") -> Result:
    """What was said since then: the newest lines of each direct chat and group, in few characters."""
    services = await call.services()
    now, zone = services.now(), services.zone
    begin = time_grammar.since(since, zone, now)
    assert begin is not None
    found = await services.archive.digest(begin, now=now)
    return Result(*digest_shown(found, begin, now, zone))


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
    found = await find_known_chat(services, chat, reading=True)
    async with services.device() as device:
        await device.set_aside(found.jid, moment, not undo)
    if undo:
        text = f"{named(found)} is no longer set aside."
    elif moment is None:
        text = f"{named(found)} is dealt with until they write again."
    else:
        text = f"{named(found)} is put off until {short(moment, services.zone, services.now())}."
    return Result(text, SetAsideData(chat=found.jid, until=rfc3339(moment, services.zone)))


TOOLS: Sequence[ToolFunction] = (digest, set_aside)
