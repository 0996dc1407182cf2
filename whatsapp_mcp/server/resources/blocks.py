"""The content of a file, as a model or an application takes it."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import anyio
from mcp.types import (
    AudioContent,
    BlobResourceContents,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
)

from whatsapp_mcp import media
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.server.render import duration_text
from whatsapp_mcp.server.resources.files import content_of, media_uri

if TYPE_CHECKING:
    from whatsapp_mcp.media import Source
    from whatsapp_mcp.server.calls import Services
    from whatsapp_mcp.server.resources.files import FetchedFile

_JPEG: Final = "image/jpeg"
PICTURE_PIXELS: Final = 1024
"""The longest side of a picture that a model gets."""
STILL_PIXELS: Final = 512
"""The same of a still of a video."""
INLINE_BYTES: Final = 75_000
"""Of a file that is part of an answer: 100,000 characters of base64, or half a minute of a voice note."""


@dataclass(slots=True)
class Blocks:
    """Blocks of an answer, and sentences about them."""

    blocks: list[ContentBlock] = field(default_factory=list[ContentBlock])
    notes: list[str] = field(default_factory=list[str])


async def content_blocks(services: Services, ref: int, fetched: FetchedFile, *, over_http: bool) -> Blocks:
    """A picture fitted, three stills of a video, anything else as it is where it is small, or a link.

    Args:
        services: Of the call.
        ref: Of the message.
        fetched: Its file.
        over_http: Whether the application may be on another computer. One on this computer gets no bytes but
            pictures: it opens the path.
    """
    answer = Blocks()
    family = fetched.mime_type.partition("/")[0]
    if family in ("image", "video"):
        try:
            async with await anyio.open_file(fetched.path, "rb") as opened:
                await _look(services, opened.wrapped, family, answer)
        except WhatsAppError as error:
            answer.notes.append(f"It cannot be shown: {error.message}")
    if answer.blocks:
        await services.archive.release_content(ref, _JPEG)
        if family == "image":
            return answer
    if over_http and fetched.size <= INLINE_BYTES and family not in ("image", "video"):
        await services.archive.release_content(ref, fetched.mime_type)
        uri = media_uri(services.base, ref)
        answer.blocks.append(_inline(uri, fetched.mime_type, family, await content_of(fetched)))
    else:
        uri = media_uri(services.base, ref) if over_http else fetched.path.as_uri()
        answer.blocks.append(_link(uri, fetched))
    return answer


async def thumbnail_block(services: Services, ref: int) -> ImageContent | None:
    """The small picture that came with a message; None where there is none that can be read."""
    found = await services.archive.thumbnail(ref)
    if found is None:
        return None
    try:
        return await _picture(services, found)
    except WhatsAppError:
        return None


async def _look(services: Services, source: Source, family: str, answer: Blocks) -> None:
    if family == "image":
        answer.blocks.append(await _picture(services, source))
        return
    stills = await media.stills(services.worker, source, STILL_PIXELS)
    answer.blocks += [_image(still.content) for still in stills]
    answer.notes.append(f"Stills of it at {', '.join(duration_text(int(still.at)) for still in stills)}.")


async def _picture(services: Services, source: Source) -> ImageContent:
    return _image((await media.picture(services.worker, source, PICTURE_PIXELS)).content)


def _image(jpeg: bytes) -> ImageContent:
    return ImageContent(type="image", data=_encoded(jpeg), mime_type=_JPEG)


def _inline(uri: str, mime_type: str, family: str, content: bytes) -> ContentBlock:
    if family == "audio":
        return AudioContent(type="audio", data=_encoded(content), mime_type=mime_type)
    # Never as text: what somebody else wrote reaches a model fenced, as read_file gives it.
    blob = BlobResourceContents(uri=uri, mime_type=mime_type, blob=_encoded(content))
    return EmbeddedResource(type="resource", resource=blob)


def _link(uri: str, fetched: FetchedFile) -> ResourceLink:
    return ResourceLink(
        type="resource_link",
        uri=uri,
        name=fetched.path.name,
        mime_type=fetched.mime_type,
        size=fetched.size,
    )


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
