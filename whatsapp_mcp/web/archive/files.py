"""The files of messages, as a browser may have them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread
from starlette.responses import FileResponse, Response

from whatsapp_mcp.errors import MediaUnavailable
from whatsapp_mcp.files.media_folder import recorded_file, safe_name
from whatsapp_mcp.media import HEAD_BYTES, format_of
from whatsapp_mcp.web.layout import DOWNLOAD, FILE_HEADERS, is_below, type_of
from whatsapp_mcp.web.site import Site

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

    from whatsapp_mcp.models import MediaSource
    from whatsapp_mcp.web.sources import Opened


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
        kind = await anyio.to_thread.run_sync(type_of, path)
        name = safe_name(source.ref, source.file_name, source.mime_type, None if kind == DOWNLOAD else kind)
        way = "attachment" if kind == DOWNLOAD else "inline"
        return FileResponse(path, 200, FILE_HEADERS, kind, filename=name, content_disposition_type=way)

    async def thumbnail(self, request: Request) -> Response:
        """The small picture that came with a message."""
        picture = await self.site.opened().archive.thumbnail(request.path_params["ref"])
        found = format_of(picture[:HEAD_BYTES]) if picture else None
        if picture is None or found is None or not found.is_picture:
            raise MediaUnavailable("This message has no thumbnail.", "Fetch the file.")
        return Response(picture, 200, FILE_HEADERS, found.mime_type)

    async def fetch(self, request: Request) -> Response:
        """Fetch a file that is not here yet, then show its message."""
        ref: int = request.path_params["ref"]
        self.site.check(request, await self.site.form(request), fetch_purpose(ref))
        async with self.site.opened().devices.use() as device:
            await device.download(ref)
        return self.site.see(f"/message/{ref}")


async def _path(opened: Opened, source: MediaSource) -> Path:
    """Where a file lies that was fetched before.

    Raises:
        MediaUnavailable: It was not.
    """
    media = opened.archive.folder.media
    path = recorded_file(media, source.path or "")
    if source.path is not None and await anyio.to_thread.run_sync(is_below, path, media):
        if await anyio.to_thread.run_sync(path.is_file):
            return path
        # The leader opens files that are sealed, and fetches again what was dropped.
        async with opened.devices.use() as device:
            return Path(await device.download(source.ref))
    raise MediaUnavailable("The file of this message is not here.", "Fetch it on the page of the message.")
