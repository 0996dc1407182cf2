"""The files of messages as an application takes them, and how far linking has come.

A file is fetched and told by its content. A model gets it as blocks of an answer, an application without this
computer's files by its URI, `whatsapp://media/{ref}`.
"""

from __future__ import annotations

import base64
import json
import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread
from mcp.types import (
    AudioContent,
    BlobResourceContents,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
)

from whatsapp_mcp.device.operations import control, files
from whatsapp_mcp.errors import TooLong, WhatsAppError
from whatsapp_mcp.media import HEAD_BYTES, Source, format_of, picture, stills
from whatsapp_mcp.models import MessageFilter, file_words_are_senders
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server.calls import BASE, Call, Content, resource
from whatsapp_mcp.server.fencing import Text, media_type, titled
from whatsapp_mcp.server.render import (
    Wanted,
    duration_text,
    kind_text,
    link_card_data,
    media_data,
    reading_data,
    reading_text,
)

if TYPE_CHECKING:
    from whatsapp_mcp.models import FileReading, Message
    from whatsapp_mcp.server.calls import Services
    from whatsapp_mcp.server.render import ReadingData

MEDIA_URI: Final = "whatsapp://media/{ref}"
"""Under which the file of a message is read."""
_UNKNOWN: Final = "application/octet-stream"
_SHOWN: Final = frozenset({"image", "video", "audio"})
"""Families of types that only the content of a file can give it."""
_JPEG: Final = "image/jpeg"
_PICTURE_PIXELS: Final = 1024
"""The longest side of a picture that a model gets."""
_STILL_PIXELS: Final = 512
"""The same of a still of a video."""
_INLINE_BYTES: Final = 75_000
"""Most bytes of a file inside an answer: 100,000 characters of base64, or half a minute of a voice note."""
_LARGEST: Final = 10_000_000
"""Bytes of a file that is handed out; in base64 it has a third more."""
_COMPLETED: Final = 100
"""Messages among whose refs a ref is completed."""
_TEXT: Final = "text/plain"
_LINK_URI: Final = "whatsapp://link"
"""URI of the resource with the progress of linking, for the card that shows it.

It holds what `link_device` answers, and is read under its policy. Reading it begins nothing, so a card that
is left open asks WhatsApp for no codes.
"""


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """The file of a message, on this computer.

    Attributes:
        size: Bytes.
        mime_type: By its content; its sender only says it more exactly.
    """

    path: Path
    size: int
    mime_type: str


def media_uri(base: str, ref: int) -> str:
    """The URI of the file of the message with this ref.

    Args:
        base: Of the account's resources (`Services.base`).
        ref: Of the message.
    """
    return f"{base}{MEDIA_URI.removeprefix(BASE)}".format(ref=ref)


async def fetch_file(services: Services, message: Message) -> FetchedFile:
    """The file of a message that was opened, fetched if it is not here.

    Raises:
        TooLong: It is larger than files that are fetched.
        MediaUnavailable: The message has none, or WhatsApp no longer has it.
        WhatsAppError: It cannot be fetched now.
    """
    source = await services.archive.media_source(message.ref)
    limit = services.settings.media.max_megabytes
    if source.path is None and source.size is not None and source.size > limit * 1_000_000:
        raise TooLong(
            f"The file of #{message.ref} has {source.size / 1e6:.0f} MB, and at most {limit} are fetched.",
            "Tell the user: it can be opened on the phone, or media.max_megabytes be raised.",
        )
    async with services.device() as device:
        path = Path(await device.do(files.download, message.ref))
    size = (await anyio.to_thread.run_sync(path.stat)).st_size
    given = media_type(source.mime_type or "") or ""
    return FetchedFile(path, size, await anyio.to_thread.run_sync(_type_of, path, given))


async def _content_of(fetched: FetchedFile) -> bytes:
    """All of a file."""
    return await anyio.Path(fetched.path).read_bytes()


def described(message: Message) -> str:
    """`[document 1.2 MB] “plan.pdf”`; the name is the sender's."""
    facts = media_data(message.media) if message.media else {}
    name = facts.pop("file_name", None)
    return kind_text(message.kind.value, facts) + (f" {titled(name)}" if name else "")


def told_reading(message: Message, part: FileReading, wanted: Wanted) -> tuple[Text, ReadingData]:
    """A part of what was read in the file of a message, for a model and for programs."""
    data = reading_data(message.ref, part, wanted)
    what = f"#{message.ref} {described(message)}"
    return reading_text(data, what, cut=part.cut, of_sender=file_words_are_senders(message)), data


def _type_of(path: Path, given: str) -> str:
    with path.open("rb") as file:
        file_format = format_of(file.read(HEAD_BYTES))
    if file_format is not None and not file_format.refers and not _may_refine(given, file_format.mime_type):
        return file_format.mime_type
    said = given or mimetypes.guess_type(path.name)[0] or _UNKNOWN
    # What plays or shows is known by its content: text that is called a picture is none.
    is_known = file_format is not None and not file_format.refers
    return said if is_known or said.partition("/")[0] not in _SHOWN else _UNKNOWN


def _may_refine(given: str, detected: str) -> bool:
    """Return whether a sender's type may refine the detected one, such as a document type for a ZIP."""
    family = detected.partition("/")[0]
    return family != "image" and given.partition("/")[0] == family


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
    if over_http and fetched.size <= _INLINE_BYTES and family not in ("image", "video"):
        await services.archive.release_content(ref, fetched.mime_type)
        uri = media_uri(services.base, ref)
        answer.blocks.append(_inline(uri, fetched.mime_type, family, await _content_of(fetched)))
    else:
        uri = media_uri(services.base, ref) if over_http else fetched.path.as_uri()
        answer.blocks.append(_link(uri, fetched))
    return answer


async def thumbnail_block(services: Services, ref: int) -> ImageContent | None:
    """The small picture that came with a message; None where there is none that can be read."""
    thumbnail = await services.archive.thumbnail(ref)
    if thumbnail is None:
        return None
    try:
        return await _picture(services, thumbnail)
    except WhatsAppError:
        return None


async def _look(services: Services, source: Source, family: str, answer: Blocks) -> None:
    if family == "image":
        answer.blocks.append(await _picture(services, source))
        return
    frames = await stills(services.worker, source, _STILL_PIXELS)
    answer.blocks += [_image(still.content) for still in frames]
    answer.notes.append(f"Stills of it at {', '.join(duration_text(int(still.at)) for still in frames)}.")


async def _picture(services: Services, source: Source) -> ImageContent:
    return _image((await picture(services.worker, source, _PICTURE_PIXELS)).content)


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


async def _refs_of_files(call: Call, typed: str) -> Sequence[str]:
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
    complete=_refs_of_files,
    changes=True,
)
async def media(call: Call, ref: str) -> Sequence[Content]:
    """The file of the message with this ref (1042), up to 10 MB, and as text what was read in it."""
    services = await call.services()
    message = await services.archive.opened_message(ref)
    wanted = Wanted()
    part = await services.archive.reading(message.ref, wanted.take, first=wanted.first)
    read = [Content(told_reading(message, part, wanted)[0], _TEXT)] if part is not None else []
    size = message.media.size if message.media else None
    if size is None or size <= _LARGEST:
        fetched = await fetch_file(services, message)
        # The size that the sender gave need not be that of the file.
        if fetched.size <= _LARGEST:
            await services.archive.release_content(message.ref, fetched.mime_type)
            return [Content(await _content_of(fetched), fetched.mime_type), *read]
    if read:
        return read
    raise TooLong(
        f"The file of #{message.ref} has more than {_LARGEST // 1_000_000} MB.",
        "Take its text with read_file, or the file with download_media.",
    )


@resource(_LINK_URI, "link_device", Effect.LINK, Audience.ONESELF, is_listed=False)
async def link_resource(call: Call) -> Sequence[Content]:
    """The current QR or code as JSON, or whose phone is linked."""
    services = await call.services()
    async with services.device() as device:
        status = await device.do(control.status)
        link = await device.do(control.link_state)
    name = status.name or (await services.archive.own())[2]
    messages = (await services.archive.history_progress()).messages
    data = link_card_data(status, link, name, messages, services.now())
    return [Content(Text(json.dumps(data)), "application/json")]
