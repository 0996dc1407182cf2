"""`GET /api/v1/media/{ref}`: the file of a message, as it is."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

import anyio
from starlette.responses import FileResponse, StreamingResponse

from whatsapp_mcp.server.calls import Call, LocalSource
from whatsapp_mcp.server.resources import fetch_file
from whatsapp_mcp.server.transports import API_HEADERS

if TYPE_CHECKING:
    from starlette.responses import Response

PART: Final = 4_000_000
"""Bytes that a leader hands out at a time."""
TOOL: Final = "download_media"
"""The tool that gives the same: its policy holds for the file."""
_AS_IT_IS: Final = {
    **API_HEADERS,
    # Whoever sent the file chose what is in it: a browser that is pointed here must not run it.
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


async def file_answer(call: Call, ref: str) -> Response:
    """The file of a message, fetched if it is not here; parts of it can be asked for (`Range`).

    Args:
        call: For whom.
        ref: Of the message, as 1042.

    Raises:
        MessageNotFound: No such message.
        MediaUnavailable: It has no file, or WhatsApp no longer has it.
        TooLong: It is larger than files that are fetched.
        WhatsAppError: A person has to agree, or it cannot be fetched now.
    """
    file = await call.perform(released_file, ref=ref)
    path = Path(file.path)
    if isinstance(call.source, LocalSource):
        return FileResponse(path, media_type=file.mime_type, filename=path.name, headers=_AS_IT_IS)
    headers = {**_AS_IT_IS, "Content-Length": str(file.size), "Content-Disposition": _named(path.name)}
    return StreamingResponse(_parts(call, ref, file.size), media_type=file.mime_type, headers=headers)


class ReleasedFile(NamedTuple):
    """The file of a message, where its account is led; its size in bytes."""

    path: str
    mime_type: str
    size: int


async def released_file(call: Call, ref: str) -> ReleasedFile:
    """Fetch the file of a message and let the caller have it. Raises as `file_answer`."""
    services = await call.services()
    message = await services.archive.opened_message(ref)
    fetched = await fetch_file(services, message)
    await services.archive.release_content(message.ref, fetched.mime_type)
    size = (await anyio.Path(fetched.path).stat()).st_size
    return ReleasedFile(str(fetched.path), fetched.mime_type, size)


async def part_of_file(call: Call, ref: str, start: int) -> str:
    """A part of it from this byte on, in base64. Raises as `file_answer`."""
    file = await released_file(call, ref)
    async with await anyio.open_file(file.path, "rb") as opened:
        await opened.seek(start)
        return base64.b64encode(await opened.read(PART)).decode()


async def _parts(call: Call, ref: str, size: int) -> AsyncGenerator[bytes]:
    sent = 0
    while sent < size:
        part = base64.b64decode(await call.perform(part_of_file, ref=ref, start=sent))
        if not part:
            return
        sent += len(part)
        yield part


def _named(name: str) -> str:
    return f"attachment; filename*=utf-8''{quote(name)}"
