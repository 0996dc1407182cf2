"""Common parts of every page: frame, headers, and how words and files of others get into it.

Templates escape every value; the one that is HTML already is the QR code. What others wrote stands in
elements with `dir="auto"`, so that it changes the direction of nothing around it.

The one script is `live.js`: it puts the new state of a page in place of the old one, as the page without it
does by loading itself again.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio.to_thread
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from whatsapp_mcp.errors import MediaUnavailable
from whatsapp_mcp.media import HEAD_BYTES, format_of
from whatsapp_mcp.models import LINKED_DEVICES
from whatsapp_mcp.policy import visible
from whatsapp_mcp.web import formats

if TYPE_CHECKING:
    from starlette.requests import Request

HOME: Final = "/"
STYLE: Final = "/style.css"
SCRIPT: Final = "/live.js"
RELOAD_SECONDS: Final = 3
"""Seconds after which a page whose content changes by itself is loaded again."""
_TYPES: Final = {STYLE: "text/css", SCRIPT: "text/javascript"}
_SHOWN: Final = frozenset({"image", "audio", "video"})
DOWNLOAD: Final = "application/octet-stream"
FILE_HEADERS: Final = {
    "Content-Security-Policy": "sandbox; default-src 'none'; media-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
}
"""Headers of every file. The type of a file comes from its content, never from its sender: a picture, a sound
or a video is shown, the rest is a download of no type. A browser takes it for nothing else, and runs nothing
in it."""


@cache
def static(path: str) -> bytes:
    """The content of a file that pages load: `STYLE` or `SCRIPT`."""
    return (resources.files("whatsapp_mcp.web") / "static" / path.lstrip("/")).read_bytes()


@cache
def _digest(path: str) -> str:
    """The hash of such a file, as `integrity` and the policy name it (Subresource Integrity, 3.5)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(static(path)).digest()).decode()


@cache
def headers() -> dict[str, str]:
    """The headers of every page: nothing from elsewhere, no script but ours, no frame around it."""
    return {
        # By hash: with 'self', any file that this server sends could be run as a script.
        "Content-Security-Policy": f"default-src 'none'; style-src 'self'; "
        f"script-src '{_digest(SCRIPT)}'; connect-src 'self'; img-src 'self'; media-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        # Not "no-referrer": with that a browser names the origin of a form "null", and the guard refuses it.
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }


@cache
def _environment() -> Environment:
    made = Environment(
        # A template of a feature is named by its path below `features/`.
        loader=ChoiceLoader([PackageLoader("whatsapp_mcp.web"), PackageLoader("whatsapp_mcp", "features")]),
        autoescape=True,
        # A misspelt name fails, rather than leave a page without what it is to show.
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    own = (
        formats.size,
        formats.span,
        formats.count,
        formats.prose,
        formats.called,
        formats.unnamed,
        formats.who,
    )
    made.filters |= {"visible": visible, **{one.__name__: one for one in own}}
    return made


@cache
def _links() -> dict[str, Any]:
    """Return the values for the frame of every page, and the words that several pages share."""
    return {
        "linked_devices": LINKED_DEVICES,
        "style": f"{STYLE}?{_version(STYLE)}",
        "script": f"{SCRIPT}?{_version(SCRIPT)}",
        "script_digest": _digest(SCRIPT),
        "reload_seconds": RELOAD_SECONDS,
    }


def _version(path: str) -> str:
    return hashlib.sha256(static(path)).hexdigest()[:12]


def render(template: str, values: dict[str, Any], status: int = 200) -> HTMLResponse:
    """The page of a template, with the headers of pages."""
    text = _environment().get_template(template).render({**_links(), **values})
    return HTMLResponse(text, status, headers=headers())


def qr_svg(text: str) -> str:
    """A QR code as inline SVG that grows with its box; the text is in it as modules alone."""
    import segno

    # As few modules as possible, in the quiet zone that ISO/IEC 18004 asks for.
    return segno.make_qr(text, error="l").svg_inline(border=4, omitsize=True)


def static_routes() -> list[Route]:
    """The routes of the style and the script, which need no session: they say nothing of the account."""
    return [Route(path, _static, methods=["GET"]) for path in _TYPES]


async def _static(request: Request) -> Response:
    path = request.url.path
    # The URL on a page changes with the content.
    kept = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(static(path), media_type=_TYPES[path], headers=kept)


async def shown_file(media: Path, *paths: str) -> Response:
    """A picture, a sound or a video below a folder, by its path.

    Raises:
        MediaUnavailable: There is none such.
    """
    for path in map(Path, paths):
        is_ours = await anyio.to_thread.run_sync(is_below, path, media)
        if is_ours and (kind := await anyio.to_thread.run_sync(type_of, path)) != DOWNLOAD:
            return FileResponse(path, 200, FILE_HEADERS, kind)
    raise MediaUnavailable("There is no such picture.", "Load the page again.")


def is_below(path: Path, folder: Path) -> bool:
    """Return whether a file lies in a folder once all links are resolved."""
    return path.resolve().is_relative_to(folder.resolve())


def type_of(path: Path) -> str:
    """The type under which a browser gets a file."""
    try:
        with path.open("rb") as file:
            file_format = format_of(file.read(HEAD_BYTES))
    except OSError:
        return DOWNLOAD
    if file_format is None or file_format.refers or file_format.mime_type.partition("/")[0] not in _SHOWN:
        return DOWNLOAD
    return file_format.mime_type
