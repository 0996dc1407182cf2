"""`GET /api/v1/media/{ref}`: the file of a message, as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import FileResponse

from whatsapp_mcp.server.resources import fetch_file
from whatsapp_mcp.server.rest.problems import HEADERS

if TYPE_CHECKING:
    from starlette.responses import Response

    from whatsapp_mcp.server.calls import Call

TOOL: Final = "download_media"
"""The tool that gives the same: its policy holds for the file."""
_AS_IT_IS: Final = {
    **HEADERS,
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
    services = await call.services()
    found = await services.archive.opened_message(ref)
    fetched = await fetch_file(services, found)
    await services.archive.release_content(found.ref, fetched.mime_type)
    return FileResponse(
        fetched.path, media_type=fetched.mime_type, filename=fetched.path.name, headers=_AS_IT_IS
    )
