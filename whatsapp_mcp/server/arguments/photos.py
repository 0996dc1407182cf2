"""Pictures of groups, channels and the own profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import anyio
import anyio.to_thread
from pydantic import Field

from whatsapp_mcp import media
from whatsapp_mcp.errors import InvalidArgument, Unsupported
from whatsapp_mcp.server.arguments.file_intake import origin_of, store_file, take

if TYPE_CHECKING:
    from whatsapp_mcp.server.calls import Services

PhotoArg = Annotated[str, Field(description="Image: path or URL")]
_PIXELS: Final = 640
"""A side of the largest picture that WhatsApp keeps."""


class Photo(NamedTuple):
    """Path of a JPEG of the right size, and path or URL of what it was made of."""

    path: str
    origin: str


async def photo_of(services: Services, given: str) -> Photo:
    """A photo made of an image in an allowed folder or on the web.

    Raises:
        InvalidArgument: It is no picture that can be read.
        FileNotAllowed, MediaUnavailable, TooLong: As `intake.take`.
    """
    [taken] = await take(services, [origin_of(given)])
    async with await anyio.open_file(taken.path, "rb") as opened:
        try:
            made = await media.picture(services.worker, opened.wrapped, _PIXELS)
        except Unsupported as error:
            raise InvalidArgument("The photo cannot be read as an image.", "Give a JPEG or a PNG.") from error
    target = taken.path.with_suffix(".photo.jpg")
    await anyio.to_thread.run_sync(store_file, target, made.content)
    return Photo(str(target), taken.origin)
