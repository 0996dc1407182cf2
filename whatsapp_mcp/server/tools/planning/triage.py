"""What a person still owes and is owed: a digest of it, and chats set aside until they matter again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field
from typing_extensions import TypedDict

from whatsapp_mcp import time_grammar
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server.arguments import ChatArg, Since, between, find_known_chat
from whatsapp_mcp.server.calls import Call, Result, Services, ToolFunction, tool
from whatsapp_mcp.server.render import DigestData, digest_data, digest_text, named, rfc3339, short

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

FEWEST_TOKENS: Final = 200
MOST_TOKENS: Final = 8000


Tokens = Annotated[int, between(FEWEST_TOKENS, MOST_TOKENS), Field(description="At most")]


@tool("planning", Effect.READ, Audience.NOBODY, open_world=False, result=DigestData)
async def digest(call: Call, since: Since = "1d", tokens: Tokens = 1500) -> Result:
    """What matters in all chats since then: who waits, what was promised, days named; how much is new."""
    services = await call.services()
    now, zone = services.now(), services.zone
    found = await services.archive.digest(_begin(since, services), zone=zone, now=now)
    data = digest_data(found, zone)
    weights = [[fact.weight for fact in news.facts] for news in found.chats]
    return Result(digest_text(data, weights, now, zone, tokens), data)


def _begin(since: str, services: Services) -> datetime:
    begin = time_grammar.since(since, services.zone, services.now())
    assert begin is not None
    return begin


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
    """Leave a chat out of waiting_for: dealt with until they write again, or put off until a time."""
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
