"""Pictures of groups, channels and the own profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import anyio.to_thread
from pydantic import Field

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.server.intake import take, write_private

if TYPE_CHECKING:
    from pathlib import Path

    from whatsapp_mcp.server.call import Services

PhotoArg = Annotated[str, Field(description="Image: path or URL")]
_PIXELS: Final = 640
"""A side of the largest picture that WhatsApp keeps."""


async def photo_of(services: Services, given: str) -> str:
    """Path of a JPEG of the right size made of an image in an allowed folder or on the web.

    Raises:
        InvalidArgument: It is no image.
        FileNotAllowed, MediaUnavailable, TooLong: As `intake.take`.
    """
    web = given.startswith(("http://", "https://"))
    taken = await take(services, None if web else given, given if web else None, None)
    return str(await anyio.to_thread.run_sync(_as_photo, taken.path))


def _as_photo(path: Path) -> Path:
    """Blocks while it is converted; a JPEG that cannot be stays as it is."""
    from whatsapp_mcp.device.media import mime_type_of
    from whatsapp_mcp.device.pictures import picture

    made = picture(path, _PIXELS)
    if made is not None:
        target = path.with_suffix(".photo.jpg")
        write_private(target, made)
        return target
    with path.open("rb") as file:
        if mime_type_of(file.read(64)) != "image/jpeg":
            raise InvalidArgument("The photo is not an image that can be read.", "Give a JPEG.")
    return path
