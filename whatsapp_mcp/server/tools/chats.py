"""Chats: disappearing messages, deleting, exporting."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from typing_extensions import TypedDict

from whatsapp_mcp.device.operations import approvals, chats, sends
from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server.arguments import (
    TIMERS,
    ChatArg,
    Since,
    Timer,
    Until,
    find_chat,
    find_known_chat,
)
from whatsapp_mcp.server.calls import Call, Result, ToolFunction, tool
from whatsapp_mcp.server.fencing import titled
from whatsapp_mcp.server.render import named
from whatsapp_mcp.text import time_grammar
from whatsapp_mcp.text.zone import local

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from whatsapp_mcp.models import Coverage, MessageFilter

_SUFFIXES: Final = {"text": "txt", "jsonl": "jsonl", "html": "html"}
_GAPS_TOLD: Final = 3
"""Gaps that are told one by one."""
_IMPORTS_TOLD: Final = 3
"""Imports that are told one by one."""
_UNSAFE: Final = re.compile(r"[^\w-]+")


class ChangedChatData(TypedDict):
    """The chat that was changed."""

    chat: str


class DeletedChatData(TypedDict):
    """Counts of a chat's messages deleted here, and of its waiting sends that were cancelled."""

    chat: str
    deleted: int
    cancelled: int


class ExportData(TypedDict):
    """The file that a chat was written to."""

    chat: str
    path: str
    messages: int


@tool("chats", Effect.ACT, Audience.CHAT, destructive=True, idempotent=True, result=ChangedChatData)
async def update_chat(call: Call, chat: ChatArg, timer: Timer) -> Result:
    """Set the disappearing-message timer of a chat."""
    services = await call.services()
    target = await find_chat(services, chat)
    jid = Jid.parse(target.jid)
    if not (jid.is_person or jid.is_group):
        raise Unsupported("Only direct chats and groups have disappearing messages.")
    async with services.device() as device:
        await device.do(chats.set_timer, target.jid, TIMERS[timer])
    how = "no longer disappear" if timer == "off" else f"disappear after {timer}"
    return Result(f"New messages in {named(target)} {how}.", ChangedChatData(chat=target.jid))


@tool(
    "chats",
    Effect.DESTROY,
    Audience.NOBODY,
    destructive=True,
    idempotent=True,
    open_world=False,
    result=DeletedChatData,
)
async def delete_chat(call: Call, chat: ChatArg) -> Result:
    """Permanently delete a chat's messages here. The phone keeps them: the library cannot delete them."""
    services = await call.services()
    target = await find_known_chat(services, chat)
    async with services.device() as device:
        report = await device.do(sends.forget_chat, target.jid)
    text = f"Deleted {report.messages} messages of {named(target)} here. The phone still has them."
    if waited := len(report.cancelled):
        text += f" {waited} message{'' if waited == 1 else 's'} that waited to be sent there will not go out."
    data = DeletedChatData(chat=target.jid, deleted=report.messages, cancelled=waited)
    return Result(text, data)


@tool("chats", Effect.EXPORT, Audience.NOBODY, open_world=False, result=ExportData)
async def export_chat(
    call: Call,
    chat: ChatArg,
    format: Literal["text", "jsonl", "html"] = "text",
    since: Since | None = None,
    until: Until | None = None,
) -> Result:
    """Export a chat to a file on this machine for the user. Returns its path."""
    from whatsapp_mcp.archive.care import export_path
    from whatsapp_mcp.archive.exporting import export
    from whatsapp_mcp.models import MessageFilter, Permit
    from whatsapp_mcp.server.reading import WHOLE

    services = await call.services()
    target = await find_known_chat(services, chat, reading=True)
    where = MessageFilter(
        chat=target.jid,
        since=time_grammar.since(since, services.zone, services.now()),
        until=time_grammar.until(until, services.zone, services.now()),
    )
    async with services.device() as device:
        await device.do(
            approvals.permit, Permit("export", (target.jid,), (f"as {format}", *_span(where, services.zone)))
        )
    account = services.settings.account_folder(services.account)
    account.exports.mkdir(mode=0o700, parents=True, exist_ok=True)
    oldest = (await services.archive.messages(where, oldest_first=True, limit=1)).items
    now = local(services.now(), services.zone)
    name = _UNSAFE.sub("_", target.name).strip("_")[:40] or "chat"
    first = oldest[0].timestamp if oldest else now
    path = export_path(account, target.jid, name, first, now, _SUFFIXES[format])
    archive = services.archive.opened(target.jid, whole=True, amount=WHOLE)
    count = await export(
        archive, path, format, where, media=account.media, vault=account.vault, zone=services.zone
    )
    text = f"Wrote {count} messages of {named(target)} to {path}."
    text += _completeness(await services.archive.coverage(target.jid), services.zone)
    return Result(text, ExportData(chat=target.jid, path=str(path), messages=count))


def _span(where: MessageFilter, zone: tzinfo) -> list[str]:
    """From when to when messages are exported, for the person who allows it."""
    ends = (("from", where.since), ("until", where.until))
    return [f"{word} {local(at, zone):%Y-%m-%d %H:%M}" for word, at in ends if at is not None]


def _completeness(covered: Coverage, zone: tzinfo) -> str:
    """Describe in a few sentences whether the archive has the whole chat, and the sources of its parts."""
    text = _sources(covered, zone)
    if covered.complete and not covered.gaps:
        return f"{text} The archive of this chat is complete."
    if not covered.complete and covered.first is not None:
        text += f" It begins {local(covered.first, zone):%Y-%m-%d}; older messages may be on the phone only."
    for gap in covered.gaps[:_GAPS_TOLD]:
        end = f"{local(gap.until, zone):%Y-%m-%d %H:%M}" if gap.until else "now"
        text += (
            f" Messages may be missing from {local(gap.since, zone):%Y-%m-%d %H:%M} to {end}: {gap.reason}."
        )
    more = len(covered.gaps) - _GAPS_TOLD
    return f"{text} {more} more gaps." if more > 0 else text


def _sources(covered: Coverage, zone: tzinfo) -> str:
    """Describe the messages from each import and from the connection; empty without an import."""
    if not covered.imports:
        return ""
    parts = [
        f"{one.messages} from import {one.number} ({one.source.label}, {titled(one.file)}), "
        f"{local(one.first, zone):%Y-%m-%d} to {local(one.last, zone):%Y-%m-%d}"
        for one in covered.imports[:_IMPORTS_TOLD]
    ]
    more = len(covered.imports) - _IMPORTS_TOLD
    parts += [f"{more} more import{'' if more == 1 else 's'}"] if more > 0 else []
    if covered.came_first is not None and covered.came_last is not None:
        first, last = local(covered.came_first, zone), local(covered.came_last, zone)
        parts.append(f"from WhatsApp itself {first:%Y-%m-%d} to {last:%Y-%m-%d}")
    return f" Of its messages {'; '.join(parts)}."


TOOLS: Sequence[ToolFunction] = (update_chat, delete_chat, export_chat)
