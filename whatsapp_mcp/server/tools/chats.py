"""Chats: disappearing messages, deleting, exporting, importing."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, NotRequired

import anyio
import anyio.to_thread
from pydantic import Field
from typing_extensions import TypedDict

from whatsapp_mcp import time_grammar
from whatsapp_mcp.allowed_files import importable
from whatsapp_mcp.errors import FileNotAllowed, Unsupported
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.models import ImportProgress, ImportRequest, ImportState
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server.arguments import (
    TIMERS,
    ChatArg,
    Since,
    Timer,
    Until,
    find_chat,
    find_known_chat,
    in_a_root,
)
from whatsapp_mcp.server.calls import Call, Result, Services, ToolFunction, tool
from whatsapp_mcp.server.fencing import Text, clean_line, titled
from whatsapp_mcp.server.render import named
from whatsapp_mcp.zone import local

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from whatsapp_mcp.models import Coverage, MessageFilter

_SUFFIXES: Final = {"text": "txt", "jsonl": "jsonl", "html": "html"}
_GAPS_TOLD: Final = 3
_IMPORTS_TOLD: Final = 3
_UNSAFE: Final = re.compile(r"[^\w-]+")
_FOLLOWED: Final = 4.0
"""Seconds that a call waits for the end of an import."""
_LOOK: Final = 0.2
_TOLD_FOR: Final = timedelta(minutes=1)
"""So long an import that was not done is told of; a call after that begins another."""
_NAME: Final = 60
_ERROR: Final = 400
"""Characters of the name of a file, and of why an import failed, that are shown."""
_ASKS: Final = 20
_OFFERED: Final = 3
_UNDOES: Final = 3
"""Numbers of imports that an answer names."""
_IN_A_TERMINAL: Final = "Any other file the user imports with `whatsapp-mcp archive import`."


class ChangedChatData(TypedDict):
    """The chat that was changed."""

    chat: str


class DeletedChatData(TypedDict):
    """How many messages of a chat were deleted here, and how many that waited will not be sent."""

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
    found = await find_chat(services, chat)
    jid = Jid.parse(found.jid)
    if not (jid.is_person or jid.is_group):
        raise Unsupported("Only direct chats and groups have disappearing messages.")
    async with services.device() as device:
        await device.set_timer(found.jid, TIMERS[timer])
    how = "no longer disappear" if timer == "off" else f"disappear after {timer}"
    return Result(f"New messages in {named(found)} {how}.", ChangedChatData(chat=found.jid))


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
    found = await find_known_chat(services, chat)
    async with services.device() as device:
        report = await device.forget_chat(found.jid)
    text = f"Deleted {report.messages} messages of {named(found)} here. The phone still has them."
    if waited := len(report.cancelled):
        text += f" {waited} message{'' if waited == 1 else 's'} that waited to be sent there will not go out."
    data = DeletedChatData(chat=found.jid, deleted=report.messages, cancelled=waited)
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
    found = await find_known_chat(services, chat, reading=True)
    where = MessageFilter(
        chat=found.jid,
        since=time_grammar.since(since, services.zone, services.now()),
        until=time_grammar.until(until, services.zone, services.now()),
    )
    async with services.device() as device:
        await device.permit(Permit("export", (found.jid,), (f"as {format}", *_span(where, services.zone))))
    account = services.settings.account_folder(services.account)
    account.exports.mkdir(mode=0o700, parents=True, exist_ok=True)
    oldest = (await services.archive.messages(where, oldest_first=True, limit=1)).items
    now = local(services.now(), services.zone)
    name = _UNSAFE.sub("_", found.name).strip("_")[:40] or "chat"
    first = oldest[0].timestamp if oldest else now
    path = export_path(account, found.jid, name, first, now, _SUFFIXES[format])
    archive = services.archive.opened(found.jid, whole=True, amount=WHOLE)
    count = await export(
        archive, path, format, where, media=account.media, vault=account.vault, zone=services.zone
    )
    text = f"Wrote {count} messages of {named(found)} to {path}."
    text += _completeness(await services.archive.coverage(found.jid), services.zone)
    return Result(text, ExportData(chat=found.jid, path=str(path), messages=count))


def _span(where: MessageFilter, zone: tzinfo) -> list[str]:
    """From when to when messages are exported, for the person who allows it."""
    ends = (("from", where.since), ("until", where.until))
    return [f"{word} {local(at, zone):%Y-%m-%d %H:%M}" for word, at in ends if at is not None]


def _completeness(covered: Coverage, zone: tzinfo) -> str:
    """Whether the archive has the whole chat, and what came from where, in a few sentences."""
    told = _sources(covered, zone)
    if covered.complete and not covered.gaps:
        return f"{told} The archive of this chat is complete."
    if not covered.complete and covered.first is not None:
        told += f" It begins {local(covered.first, zone):%Y-%m-%d}; older messages may be on the phone only."
    for gap in covered.gaps[:_GAPS_TOLD]:
        end = f"{local(gap.until, zone):%Y-%m-%d %H:%M}" if gap.until else "now"
        told += (
            f" Messages may be missing from {local(gap.since, zone):%Y-%m-%d %H:%M} to {end}: {gap.reason}."
        )
    more = len(covered.gaps) - _GAPS_TOLD
    return f"{told} {more} more gaps." if more > 0 else told


def _sources(covered: Coverage, zone: tzinfo) -> str:
    """What came from which import, and what over the connection; nothing where there was no import."""
    if not covered.imports:
        return ""
    told = [
        f"{one.messages} from import {one.number} ({one.source.label}, {titled(one.file)}), "
        f"{local(one.first, zone):%Y-%m-%d} to {local(one.last, zone):%Y-%m-%d}"
        for one in covered.imports[:_IMPORTS_TOLD]
    ]
    more = len(covered.imports) - _IMPORTS_TOLD
    told += [f"{more} more import{'' if more == 1 else 's'}"] if more > 0 else []
    if covered.came_first is not None and covered.came_last is not None:
        first, last = local(covered.came_first, zone), local(covered.came_last, zone)
        told.append(f"from WhatsApp itself {first:%Y-%m-%d} to {last:%Y-%m-%d}")
    return f" Of its messages {'; '.join(told)}."


class ImportData(TypedDict):
    """How far an import is, and what it brought; `asks` are exported chats that need their `chat`."""

    state: str
    file: str
    numbers: list[int]
    done: int
    total: int
    new: int
    known: int
    reason: NotRequired[str]
    asks: NotRequired[list[str]]


@tool("chats", Effect.IMPORT, Audience.NOBODY, open_world=False, result=ImportData)
async def import_messages(
    call: Call,
    path: Annotated[str, Field(description="In an allowed folder")],
    chat: ChatArg | None = None,
    me: Annotated[str | None, Field(description="User's name in it")] = None,
) -> Result:
    """Import a WhatsApp backup, exported chat (needs chat) or vCards. Call again for progress."""
    services = await call.services()
    place = await anyio.to_thread.run_sync(_place, services, path)
    found = await find_known_chat(services, chat, reading=True) if chat else None
    jid = found.jid if found else None
    changed = await anyio.to_thread.run_sync(_changed, place)
    async with services.device() as device:
        imports = await device.imports()
    one = _current(imports, place, jid, changed, services.now())
    if one is None:
        async with services.device() as device:
            ticket = await device.begin_import(ImportRequest(str(place), jid, me))
        one = await _followed(call, services, ticket) or _interrupted(place, services.now())
    return Result(await _text(services, one), _data(one))


def _told(one: ImportProgress) -> str:
    """How far it is, or what came of it."""
    from whatsapp_mcp.features.imports.importing import brought, how_far, left_out

    state = one.state.value
    if not one.is_over:
        return f"{state}: it {how_far(one)}. Call again with the same path for progress."
    if one.state is ImportState.INTERRUPTED:
        return f"{state}: the server has ended. Call again: it goes on where it was."
    report = f"{state}: {brought(one.report)} {left_out(one.report)}".strip()
    if one.state is not ImportState.DONE or not one.numbers:
        return report
    undo = ", ".join(f"`whatsapp-mcp archive import --undo {number}`" for number in one.numbers[:_UNDOES])
    return f"{report} The user can undo it: {undo}."


def _place(services: Services, path: str) -> Path:
    """The file or folder that is named.

    Raises:
        FileNotAllowed, InvalidArgument: As `importable`.
    """
    media = services.settings.media
    try:
        return importable(in_a_root(path, media.roots), media.roots, services.settings.home)
    except FileNotAllowed as error:
        folders = ", ".join(map(str, media.roots)) or "none"
        raise FileNotAllowed(
            error.message, f"Allowed: {folders} (setting media.roots). {_IN_A_TERMINAL}"
        ) from error


def _interrupted(place: Path, now: datetime) -> ImportProgress:
    return ImportProgress(0, place.name, ImportState.INTERRUPTED, now, ended=now)


def _changed(place: Path) -> datetime:
    try:
        return datetime.fromtimestamp(place.stat().st_mtime, UTC)
    except OSError:
        return datetime.min.replace(tzinfo=UTC)


def _current(
    imports: Sequence[ImportProgress], place: Path, chat: str | None, changed: datetime, now: datetime
) -> ImportProgress | None:
    """The import of this file that is to be told of; None: it is to be begun."""
    for one in imports:
        if one.path != str(place) or one.chat != chat or one.dry_run:
            continue
        if one.ended is None:
            return one
        if one.state is ImportState.DONE:
            return one if changed <= one.began else None
        return one if now - one.ended < _TOLD_FOR and changed <= one.began else None
    return None


async def _followed(call: Call, services: Services, ticket: int) -> ImportProgress | None:
    """How far the import is in a few seconds, or how it has ended; None if its server has."""
    ends = anyio.current_time() + _FOLLOWED
    while True:
        async with services.device() as device:
            found = await device.imports(ticket)
        if not found:
            return None
        await call.progress(found[0].done, found[0].total or None, None)
        if found[0].is_over or anyio.current_time() >= ends:
            return found[0]
        await anyio.sleep(_LOOK)


async def _text(services: Services, one: ImportProgress) -> Text | str:
    """What is told, with why it failed and which exported chats a person has to assign.

    Names of files and people may stand in either, so both come fenced.
    """
    lines = [f"why: {clean_line(one.error, _ERROR)}"] if one.error else []
    for match in one.asks[:_ASKS]:
        chats = [await services.archive.chat(jid) for jid in match.candidates[:_OFFERED]]
        maybe = ", ".join(named(chat) for chat in chats if chat) or "unknown"
        lines.append(f"{maybe}: {clean_line(match.file, _NAME)}")
    if not one.asks:
        return Text(_told(one), lines) if lines else _told(one)
    more = len(one.asks) - _ASKS
    rest = f" {more} more are not shown." if more > 0 else ""
    asks = "Each line: which chats it may be, then the file. Ask the user, then call with path and chat."
    return Text(_told(one), lines, [f"Not imported, since their chats are not certain. {asks}{rest}"])


def _data(one: ImportProgress) -> ImportData:
    data = ImportData(
        state=one.state.value,
        file=clean_line(one.file, _NAME),
        numbers=[*one.numbers],
        done=one.done,
        total=one.total,
        new=one.report.new,
        known=one.report.known,
    )
    if one.error:
        data["reason"] = clean_line(one.error, _ERROR)
    if one.asks:
        data["asks"] = [clean_line(match.file, _NAME) for match in one.asks]
    return data


TOOLS: Sequence[ToolFunction] = (update_chat, delete_chat, export_chat, import_messages)
