"""From a file that an agent gives to what WhatsApp shows: judged by content, made as its own apps make it.

Pictures become JPEG without what the camera noted (place, time, device), or WebP as stickers; animated ones
a silent looping video, sound a voice note. Documents, videos and audio go as they are. Without PyAV so do
animated pictures, and a voice note must be Opus already.
"""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Literal

import anyio
import anyio.to_thread

from whatsapp_mcp import media
from whatsapp_mcp.errors import InvalidArgument, WhatsAppError
from whatsapp_mcp.models import FileContent
from whatsapp_mcp.server.arguments.file_intake import store_file

if TYPE_CHECKING:
    from whatsapp_mcp.server.arguments.file_intake import Taken

FileKind = Literal["image", "video", "gif", "audio", "voice", "document", "sticker"]
STANDARD_PIXELS: Final = 1600
HD_PIXELS: Final = 4096
"""Longest sides that WhatsApp's own apps send, without and with HD."""
VOICE_MIME: Final = "audio/ogg; codecs=opus"
_WEBP: Final = "image/webp"
_GIF: Final = "image/gif"
_VIDEOS: Final = frozenset({"video/mp4", "video/quicktime"})
_WITHOUT_CAPTION: Final = frozenset({"audio", "voice", "sticker"})
_ONCE: Final = frozenset({"image", "video", "voice"})
_WITHOUT_EXTRA: Final[dict[FileKind, str]] = {
    "document": "To play as a GIF it needs the extra `media` of this server.",
    "video": "Its preview and length need the extra `media` of this server.",
    "audio": "Its length needs the extra `media` of this server.",
    "voice": "Its waveform and length need the extra `media` of this server.",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """How a file is to be shown.

    Attributes:
        kind: None leaves it to the content.
        hd: Pictures are sent up to 4096 pixels a side rather than 1600.
    """

    kind: FileKind | None = None
    caption: str = ""
    file_name: str | None = None
    view_once: bool = False
    hd: bool = False


async def prepare(worker: media.Worker, taken: Taken, wish: Wish) -> FileContent:
    """The content to send for a file.

    Raises:
        InvalidArgument: The content cannot be shown as wished.
        Unsupported: It cannot be converted (PyAV is missing, or it cannot be read).
        TooLong: It costs more than is allowed, or a GIF is longer than a minute.
        Busy: It cannot be read or stored now.
    """
    async with await anyio.open_file(taken.path, "rb") as opened:
        return await _prepared(worker, opened.wrapped, taken, wish)


def what_the_extra_adds(content: FileContent, wish: Wish) -> str | None:
    """A sentence on what is left out because PyAV is missing; None where nothing is."""
    if media.reads_recordings() or wish.kind == "document":
        return None
    if content.kind == "document" and content.mime_type != _GIF:
        return None
    return _WITHOUT_EXTRA.get(content.kind)


async def _prepared(worker: media.Worker, file: IO[bytes], taken: Taken, wish: Wish) -> FileContent:
    head = await anyio.to_thread.run_sync(file.read, media.HEAD_BYTES)
    seen = media.format_of(head)
    extension = (mimetypes.guess_extension(seen.mime_type) if seen else None) or ".bin"
    name = wish.file_name or taken.name or f"file{extension}"
    mime_type = seen.mime_type if seen else mimetypes.guess_type(name)[0] or "application/octet-stream"
    kind = wish.kind or await _kind_of(worker, file, seen, mime_type)
    _require_fitting(kind, seen, mime_type)
    if wish.caption and kind in _WITHOUT_CAPTION:
        raise InvalidArgument(f"WhatsApp shows no caption under {kind}.", "Send the text as a message.")
    content = FileContent(
        kind=kind,
        path=str(taken.path),
        mime_type=mime_type,
        caption=wish.caption,
        file_name=name,
        view_once=wish.view_once and kind in _ONCE,
        origin=taken.origin,
    )
    match kind:
        case "document":
            return content
        case "image":
            largest = HD_PIXELS if wish.hd else STANDARD_PIXELS
            made = await media.picture(worker, file, largest)
            return await _stored(content, made, f"{largest}.jpg", "image/jpeg")
        case "sticker" if mime_type == _WEBP:
            return await _with_looks(content, media.look_at_picture(worker, file))
        case "sticker":
            return await _stored(content, await media.sticker(worker, file), "sticker.webp", _WEBP)
        case "gif":
            return await _stored(content, await media.looping_video(worker, file), "gif.mp4", "video/mp4")
        case "voice" if b"OpusHead" in head and head.startswith(b"OggS"):
            content = replace(content, mime_type=VOICE_MIME)
            return await _with_looks(content, media.listen(worker, file))
        case "voice":
            return await _stored(content, await media.voice_note(worker, file), "voice.ogg", VOICE_MIME)
        case "video" | "audio":
            return await _with_looks(content, media.look_at_recording(worker, file))


async def _kind_of(
    worker: media.Worker, file: IO[bytes], seen: media.Format | None, mime_type: str
) -> FileKind:
    """How a file of this format is shown when nothing is asked for."""
    if seen is not None and seen.is_picture:
        if mime_type != _GIF or not (await media.look_at_picture(worker, file)).moves:
            return "image"
        return "gif" if media.reads_recordings() else "document"
    if mime_type in _VIDEOS:
        return "video"
    return "audio" if mime_type.startswith("audio/") else "document"


def _require_fitting(kind: FileKind, seen: media.Format | None, mime_type: str) -> None:
    is_picture = seen is not None and seen.is_picture
    fits = {
        "image": is_picture,
        "sticker": is_picture,
        "video": mime_type in _VIDEOS,
        "gif": mime_type in _VIDEOS | {_GIF, _WEBP},
        "audio": mime_type.startswith("audio/"),
        "voice": mime_type.startswith(("audio/", "video/")),
        "document": True,
    }
    if not fits[kind]:
        raise InvalidArgument(
            f"The content is {seen.label if seen else mime_type}, which cannot be sent as {kind}.",
            "Leave kind out, or send it with kind document.",
        )


async def _stored(content: FileContent, made: media.Made, suffix: str, mime_type: str) -> FileContent:
    """With what was made of the file in its place."""
    path = Path(content.path)
    target = path.with_name(f"{path.stem}.{suffix}")
    await anyio.to_thread.run_sync(store_file, target, made.content)
    return _looking(replace(content, path=str(target), mime_type=mime_type), made.looks)


async def _with_looks(content: FileContent, looking: Awaitable[media.Looks]) -> FileContent:
    """With its size, its length and a preview, as far as they can be seen; it goes as it is in any case."""
    with suppress(WhatsAppError):
        return _looking(content, await looking)
    return content


def _looking(content: FileContent, looks: media.Looks) -> FileContent:
    return replace(
        content,
        duration=looks.duration,
        width=looks.width,
        height=looks.height,
        thumbnail=_encoded(looks.thumbnail),
        waveform=_encoded(looks.waveform),
    )


def _encoded(data: bytes | None) -> str | None:
    return base64.b64encode(data).decode() if data else None
