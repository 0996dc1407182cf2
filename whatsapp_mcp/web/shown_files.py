"""How a browser gets files that somebody else made.

What a file is says its content, never its sender. A picture, a sound or a video is shown; whatever else it is
is a download of no type. A browser takes it for nothing else (`nosniff`), and runs nothing in it (`sandbox`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import anyio.to_thread
from starlette.responses import FileResponse, Response

from whatsapp_mcp.errors import MediaUnavailable
from whatsapp_mcp.media import HEAD_BYTES, format_of

_SHOWN: Final = frozenset({"image", "audio", "video"})
DOWNLOAD: Final = "application/octet-stream"
HEADERS: Final = {
    "Content-Security-Policy": "sandbox; default-src 'none'; media-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
}


async def shown_file(media: Path, *paths: str) -> Response:
    """A picture, a sound or a video below a folder, by its path.

    Raises:
        MediaUnavailable: There is none such.
    """
    for path in map(Path, paths):
        is_ours = await anyio.to_thread.run_sync(is_below, path, media)
        if is_ours and (kind := await anyio.to_thread.run_sync(type_of, path)) != DOWNLOAD:
            return FileResponse(path, 200, HEADERS, kind)
    raise MediaUnavailable("There is no such picture.", "Load the page again.")


def is_below(path: Path, folder: Path) -> bool:
    """Whether a file lies in a folder, wherever links lead."""
    return path.resolve().is_relative_to(folder.resolve())


def type_of(path: Path) -> str:
    """The type under which a browser gets a file."""
    try:
        with path.open("rb") as file:
            found = format_of(file.read(HEAD_BYTES))
    except OSError:
        return DOWNLOAD
    if found is None or found.refers or found.mime_type.partition("/")[0] not in _SHOWN:
        return DOWNLOAD
    return found.mime_type
