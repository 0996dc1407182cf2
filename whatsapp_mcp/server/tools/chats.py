"""Whole chats: how they are listed, deleting them, writing them out."""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final, Literal

from whatsapp_mcp.directory import ALWAYS, NEVER, ChatChange
from whatsapp_mcp.errors import InvalidArgument, Unsupported
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.server.arguments import TIMERS, ChatArg, Moment, Timer, find_chat, find_known_chat
from whatsapp_mcp.server.call import Call
from whatsapp_mcp.server.registry import ToolFunction, tool
from whatsapp_mcp.server.render.sanitise import clean_name
from whatsapp_mcp.server.render.times import parse_some
from whatsapp_mcp.server.results import Result

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_MUTES: Final = {"8h": timedelta(hours=8), "7d": timedelta(days=7)}
_FOLDER: Final = "exports"
_SUFFIXES: Final = {"text": "txt", "jsonl": "jsonl", "html": "html"}
_UNSAFE: Final = re.compile(r"[^\w-]+")


@tool("chats", idempotent=True)
async def update_chat(
    call: Call,
    chat: ChatArg,
    archived: bool | None = None,
    pinned: bool | None = None,
    mute: Literal["off", "8h", "7d", "always"] | None = None,
    unread: bool | None = None,
    timer: Timer | None = None,
) -> Result:
    """Change how a chat is listed on all of the user's devices; only timer is seen by the other side."""
    services = await call.services()
    change = ChatChange(
        archived=archived,
        pinned=pinned,
        muted_until=_muted_until(mute, services.now()),
        unread=unread,
        timer=TIMERS[timer] if timer else None,
    )
    if change == ChatChange():
        raise InvalidArgument("Nothing is to be changed.", "Give what to change.")
    found = await find_chat(services, chat)
    jid = Jid.parse(found.jid)
    if timer and not (jid.is_person or jid.is_group):
        raise Unsupported("Messages disappear in direct chats and groups only.")
    async with services.device() as device:
        await device.change_chat(found.jid, change)
    return Result(f"Changed {clean_name(found.name)}.", {"chat": found.jid})


def _muted_until(mute: str | None, now: datetime) -> datetime | None:
    if mute is None:
        return None
    return NEVER if mute == "off" else ALWAYS if mute == "always" else now + _MUTES[mute]


@tool("chats", destructive=True, idempotent=True)
async def delete_chat(call: Call, chat: ChatArg) -> Result:
    """Delete a chat for the user, for good: on all devices and here. The other side keeps it."""
    services = await call.services()
    found = await find_known_chat(services, chat)
    async with services.device() as device:
        count = await device.delete_chat(found.jid)
    text = f"Deleted the chat {clean_name(found.name)}; {count} messages are gone here."
    return Result(text, {"chat": found.jid, "deleted": count})


@tool("chats", reads=True, open_world=False)
async def export_chat(
    call: Call,
    chat: ChatArg,
    format: Literal["text", "jsonl", "html"] = "text",
    since: Moment | None = None,
    until: Moment | None = None,
) -> Result:
    """Write a chat into a file of this machine for the user; answers its path."""
    from whatsapp_mcp.archive import MessageFilter
    from whatsapp_mcp.archive.export import export

    services = await call.services()
    found = await find_known_chat(services, chat)
    where = MessageFilter(
        chat=found.jid,
        since=parse_some(since, services.zone, services.now()),
        until=parse_some(until, services.zone, services.now()),
    )
    account = services.settings.account_folder(services.account)
    folder = account.media / _FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = _UNSAFE.sub("_", found.name).strip("_")[:40] or "chat"
    path = folder / f"{name}-{services.now():%Y%m%d-%H%M%S}.{_SUFFIXES[format]}"
    path.touch(mode=0o600)
    zone = services.zone or services.now().astimezone().tzinfo or UTC
    count = await export(services.archive, path, format, where, media=account.media, zone=zone)
    text = f"Wrote {count} messages of {clean_name(found.name)} to {path}."
    return Result(text, {"chat": found.jid, "path": str(path), "messages": count})


TOOLS: Sequence[ToolFunction] = (update_chat, delete_chat, export_chat)
