"""The tool `import_messages`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NotRequired

import anyio
import anyio.to_thread
from pydantic import Field
from typing_extensions import TypedDict

from whatsapp_mcp.errors import FileNotAllowed
from whatsapp_mcp.features.imports import operations as imports
from whatsapp_mcp.features.imports.requests import ImportProgress, ImportRequest
from whatsapp_mcp.files.allowed_files import importable
from whatsapp_mcp.models import ImportState
from whatsapp_mcp.policy import Audience, Effect, clean_line
from whatsapp_mcp.server.arguments import ChatArg, find_known_chat, in_a_root
from whatsapp_mcp.server.calls import Call, Result, Services, tool
from whatsapp_mcp.server.fencing import Text
from whatsapp_mcp.server.render import named

if TYPE_CHECKING:
    from collections.abc import Sequence

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


class ImportData(TypedDict):
    """The progress and result of an import; `asks` are exported chats that need their `chat`."""

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
    known_chat = await find_known_chat(services, chat, reading=True) if chat else None
    jid = known_chat.jid if known_chat else None
    changed = await anyio.to_thread.run_sync(_changed, place)
    async with services.device() as device:
        known = await device.do(imports.imports)
    progress = _current(known, place, jid, changed, services.now())
    if progress is None:
        async with services.device() as device:
            ticket = await device.do(imports.begin_import, ImportRequest(str(place), jid, me))
        progress = await _followed(call, services, ticket) or _interrupted(place, services.now())
    return Result(await _text(services, progress), _data(progress))


def _told(progress: ImportProgress) -> str:
    """Return a sentence on the progress or the result of an import."""
    from whatsapp_mcp.features.imports.importing import brought, how_far, left_out

    state = progress.state.value
    if not progress.is_over:
        return f"{state}: it {how_far(progress)}. Call again with the same path for progress."
    if progress.state is ImportState.INTERRUPTED:
        return f"{state}: the server has ended. Call again: it goes on where it was."
    report = f"{state}: {brought(progress.report)} {left_out(progress.report)}".strip()
    if progress.state is not ImportState.DONE or not progress.numbers:
        return report
    undo = ", ".join(
        f"`whatsapp-mcp archive import --undo {number}`" for number in progress.numbers[:_UNDOES]
    )
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
    """Follow an import for a few seconds and return its progress or end; None if its server has ended."""
    ends = anyio.current_time() + _FOLLOWED
    while True:
        async with services.device() as device:
            matches = await device.do(imports.imports, ticket)
        if not matches:
            return None
        await call.progress(matches[0].done, matches[0].total or None, None)
        if matches[0].is_over or anyio.current_time() >= ends:
            return matches[0]
        await anyio.sleep(_LOOK)


async def _text(services: Services, progress: ImportProgress) -> Text | str:
    """Return the report of an import, with why it failed and which exported chats a person must assign.

    Names of files and people may stand in either, so both come fenced.
    """
    lines = [f"why: {clean_line(progress.error, _ERROR)}"] if progress.error else []
    for match in progress.asks[:_ASKS]:
        chats = [await services.archive.chat(jid) for jid in match.candidates[:_OFFERED]]
        maybe = ", ".join(named(chat) for chat in chats if chat) or "unknown"
        lines.append(f"{maybe}: {clean_line(match.file, _NAME)}")
    if not progress.asks:
        return Text(_told(progress), lines) if lines else _told(progress)
    more = len(progress.asks) - _ASKS
    rest = f" {more} more are not shown." if more > 0 else ""
    asks = "Each line: which chats it may be, then the file. Ask the user, then call with path and chat."
    return Text(_told(progress), lines, [f"Not imported, since their chats are not certain. {asks}{rest}"])


def _data(progress: ImportProgress) -> ImportData:
    data = ImportData(
        state=progress.state.value,
        file=clean_line(progress.file, _NAME),
        numbers=[*progress.numbers],
        done=progress.done,
        total=progress.total,
        new=progress.report.new,
        known=progress.report.known,
    )
    if progress.error:
        data["reason"] = clean_line(progress.error, _ERROR)
    if progress.asks:
        data["asks"] = [clean_line(match.file, _NAME) for match in progress.asks]
    return data
