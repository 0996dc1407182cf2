"""`whatsapp://media/{ref}`: the file of a message, for an application without this computer's files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from whatsapp_mcp.errors import TooLong
from whatsapp_mcp.models import MessageFilter
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server.calls import Call, Content, resource
from whatsapp_mcp.server.render import Wanted
from whatsapp_mcp.server.resources.files import MEDIA_URI, content_of, fetch_file, told_reading

LARGEST: Final = 10_000_000
"""Bytes of a file that is handed out; in base64 it has a third more."""
_COMPLETED: Final = 100
"""Messages among whose refs a ref is completed."""
_TEXT: Final = "text/plain"


async def refs_of_files(call: Call, typed: str) -> Sequence[str]:
    """The refs of the newest messages with files that begin with these digits."""
    archive = (await call.services()).archive
    page = await archive.messages(MessageFilter(media=True), limit=_COMPLETED)
    digits = typed.strip().lstrip("#")
    return [ref for message in page.items if (ref := str(message.ref)).startswith(digits)]


@resource(
    MEDIA_URI,
    "download_media",
    Effect.READ,
    Audience.NOBODY,
    in_chat=True,
    complete=refs_of_files,
    changes=True,
)
async def media(call: Call, ref: str) -> Sequence[Content]:
    """The file of the message with this ref (1042), up to 10 MB, and as text what was read in it."""
    services = await call.services()
    found = await services.archive.opened_message(ref)
    wanted = Wanted()
    part = await services.archive.reading(found.ref, wanted.take, first=wanted.first)
    read = [Content(told_reading(found, part, wanted)[0], _TEXT)] if part is not None else []
    size = found.media.size if found.media else None
    if size is None or size <= LARGEST:
        fetched = await fetch_file(services, found)
        if fetched.size <= LARGEST:
            await services.archive.release_content(found.ref, fetched.mime_type)
            return [Content(await content_of(fetched), fetched.mime_type), *read]
    if read:
        return read
    raise TooLong(
        f"The file of #{found.ref} has more than {LARGEST // 1_000_000} MB.",
        "Take its text with read_file, or the file with download_media.",
    )
