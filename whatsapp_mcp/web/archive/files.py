"""The files of messages, as a browser may have them.

What a file is says its content, never its sender. A picture, a sound or a video is shown; whatever else it is
is a download of no type. A browser takes it for nothing else (`nosniff`), and runs nothing in it (`sandbox`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio.to_thread
from starlette.responses import FileResponse, Response

from whatsapp_mcp.errors import MediaUnavailable
from whatsapp_mcp.media import HEAD_BYTES, format_of
from whatsapp_mcp.media_folder import recorded_file, safe_name
from whatsapp_mcp.web.site import Site

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

    from whatsapp_mcp.models import MediaSource
    from whatsapp_mcp.web.sources import Opened

_SHOWN: Final = frozenset({"image", "audio", "video"})
_DOWNLOAD: Final = "application/octet-stream"
_HEADERS: Final = {
    "Content-Security-Policy": "sandbox; default-src 'none'; media-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
}


def file_routes(site: Site) -> list[Route]:
    """The routes of files."""
    pages = _Files(site)
    return [
        site.route("/media/{ref:int}", pages.file),
        site.route("/media/{ref:int}/thumbnail", pages.thumbnail),
        site.route("/media/{ref:int}/fetch", pages.fetch, "POST"),
    ]


def fetch_purpose(ref: int) -> str:
    """The purpose of the form that fetches the file of a message."""
    return f"fetch {ref}"


@dataclass(frozen=True, slots=True)
class _Files:
    site: Site

    async def file(self, request: Request) -> Response:
        """The file of a message, if it is here."""
        opened = self.site.opened()
        source = await opened.archive.media_source(request.path_params["ref"])
        path = await _path(opened, source)
        kind = await anyio.to_thread.run_sync(_type_of, path)
        name = safe_name(source.ref, source.file_name, source.mime_type, None if kind == _DOWNLOAD else kind)
        way = "attachment" if kind == _DOWNLOAD else "inline"
        return FileResponse(path, 200, _HEADERS, kind, filename=name, content_disposition_type=way)

    async def thumbnail(self, request: Request) -> Response:
        """The small picture that came with a message."""
        picture = await self.site.opened().archive.thumbnail(request.path_params["ref"])
        found = format_of(picture[:HEAD_BYTES]) if picture else None
        if picture is None or found is None or not found.is_picture:
            raise MediaUnavailable("This message has no thumbnail.", "Fetch the file.")
        return Response(picture, 200, _HEADERS, found.mime_type)

    async def fetch(self, request: Request) -> Response:
        """Fetch a file that is not here yet, then show its message."""
        ref: int = request.path_params["ref"]
        self.site.check(request, await self.site.form(request), fetch_purpose(ref))
        async with self.site.opened().devices.use() as device:
            await device.download(ref)
        return self.site.see(f"/message/{ref}")


async def shown_file(opened: Opened, *paths: str) -> Response:
    """A picture, a sound or a video in the account's folder for files, by its path.

    Raises:
        MediaUnavailable: There is none such.
    """
    media = opened.archive.folder.media
    for path in map(Path, paths):
        is_ours = await anyio.to_thread.run_sync(_is_below, path, media)
        if is_ours and (kind := await anyio.to_thread.run_sync(_type_of, path)) != _DOWNLOAD:
            return FileResponse(path, 200, _HEADERS, kind)
    raise MediaUnavailable("There is no such picture.", "Load the page again.")


async def _path(opened: Opened, source: MediaSource) -> Path:
    """Where a file lies that was fetched before.

    Raises:
        MediaUnavailable: It was not.
    """
    media = opened.archive.folder.media
    path = recorded_file(media, source.path or "")
    if source.path is not None and await anyio.to_thread.run_sync(_is_below, path, media):
        if await anyio.to_thread.run_sync(path.is_file):
            return path
        # The leader opens files that are sealed, and fetches again what was dropped.
        async with opened.devices.use() as device:
            return Path(await device.download(source.ref))
    raise MediaUnavailable("The file of this message is not here.", "Fetch it on the page of the message.")


def _is_below(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _type_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            found = format_of(file.read(HEAD_BYTES))
    except OSError:
        return _DOWNLOAD
    if found is None or found.refers or found.mime_type.partition("/")[0] not in _SHOWN:
        return _DOWNLOAD
    return found.mime_type
