"""The sends that wait for their moment, or for the user's yes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from typing_extensions import TypedDict

from whatsapp_mcp.models import OutboxEntry, SendStatus, TextContent
from whatsapp_mcp.policy import Audience, Effect, clean, clean_line
from whatsapp_mcp.server.calls import Call, Result, Services, ToolFunction, tool
from whatsapp_mcp.server.fencing import Text, identifier
from whatsapp_mcp.server.render import named, rfc3339, when

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


@tool("core", Effect.READ, Audience.NOBODY, open_world=False, result=ScheduledData, in_chat=True)
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
        return "[withheld: another agent wrote it; it waits for the user, or may repeat a stranger]"
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


async def name_of(services: Services, jid: str) -> str:
    """What a chat is called that a send names."""
    chat = await services.archive.chat(jid)
    return named(chat) if chat else identifier(jid)


TOOLS: Sequence[ToolFunction] = (scheduled,)
