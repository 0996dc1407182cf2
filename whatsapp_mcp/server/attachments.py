"""From a file that an agent gives to what WhatsApp shows: judged by content, made as its own apps make it.

Pictures become JPEG without what the camera noted (place, time, device), or WebP as stickers; animated ones
a silent looping video, sound a voice note. Documents, videos and audio go as they are. Without PyAV
everything does, and a voice note must be Opus already.
"""

from __future__ import annotations

import base64
import mimetypes
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.models import FileContent
from whatsapp_mcp.server.intake import write_private

if TYPE_CHECKING:
    from whatsapp_mcp.server.intake import Taken

FileKind = Literal["image", "video", "gif", "audio", "voice", "document", "sticker"]
STANDARD_PIXELS: Final = 1600
HD_PIXELS: Final = 4096
"""Longest sides that WhatsApp's own apps send, without and with HD."""
VOICE_MIME: Final = "audio/ogg; codecs=opus"
_HEAD: Final = 64
_WEBP: Final = "image/webp"
_GIF: Final = "image/gif"
_SHOWN: Final = frozenset({"image/jpeg", "image/png"})
"""What phones show as it is."""
_IMAGES: Final = _SHOWN | {_WEBP, _GIF}
_VIDEOS: Final = frozenset({"video/mp4", "video/quicktime"})
_WITHOUT_CAPTION: Final = frozenset({"audio", "voice", "sticker"})
_ONCE: Final = frozenset({"image", "video", "voice"})


@dataclass(frozen=True, slots=True)
class Wish:
    """How a file shall be shown.

    Attributes:
        kind: None leaves it to the content.
        hd: Pictures are sent up to 4096 pixels a side rather than 1600.
    """

    kind: FileKind | None = None
    caption: str = ""
    file_name: str | None = None
    view_once: bool = False
    hd: bool = False


def prepare(taken: Taken, wish: Wish) -> FileContent:
    """What is sent of a file. Blocks while it is converted.

    Raises:
        InvalidArgument: The content cannot be shown as wished.
        Unsupported: It cannot be converted (PyAV is missing, or it cannot be read).
        TooLong: A GIF is longer than a minute.
    """
    from whatsapp_mcp.device import media

    with taken.path.open("rb") as file:
        seen = media.mime_type_of(file.read(_HEAD))
    name = wish.file_name or taken.name or f"file{mimetypes.guess_extension(seen or '') or '.bin'}"
    mime_type = seen or mimetypes.guess_type(name)[0] or "application/octet-stream"
    kind = wish.kind or _kind_of(taken.path, mime_type)
    _require_fitting(kind, mime_type)
    if wish.caption and kind in _WITHOUT_CAPTION:
        raise InvalidArgument(f"WhatsApp shows no caption under {kind}.", "Send the text as a message.")
    content = FileContent(
        kind=kind,
        path=str(taken.path),
        mime_type=mime_type,
        caption=wish.caption,
        file_name=name,
        view_once=wish.view_once and kind in _ONCE,
    )
    match kind:
        case "document":
            return content
        case "voice":
            return _voice(content)
        case "image":
            return _seen(_picture(content, HD_PIXELS if wish.hd else STANDARD_PIXELS))
        case "sticker":
            return _seen(_sticker(content))
        case "gif":
            return _seen(_clip(content))
        case _:
            return _seen(content)


def _kind_of(path: Path, mime_type: str) -> FileKind:
    """How a file of this type is shown when nothing is asked for."""
    from whatsapp_mcp.device import decoding, media

    if mime_type in _IMAGES:
        if mime_type not in _SHOWN and decoding.pyav() is None:
            return "document"
        return "gif" if mime_type == _GIF and media.moves(path) else "image"
    if mime_type in _VIDEOS:
        return "video"
    return "audio" if mime_type.startswith("audio/") else "document"


def _require_fitting(kind: FileKind, mime_type: str) -> None:
    fits = {
        "image": mime_type in _IMAGES,
        "sticker": mime_type in _IMAGES,
        "video": mime_type in _VIDEOS,
        "gif": mime_type in _VIDEOS | {_GIF, _WEBP},
        "audio": mime_type.startswith("audio/"),
        "voice": mime_type.startswith(("audio/", "video/")),
        "document": True,
    }
    if not fits[kind]:
        raise InvalidArgument(
            f"The content is {mime_type}, which cannot be sent as {kind}.",
            "Leave kind out, or send it with kind document.",
        )


def _picture(content: FileContent, largest: int) -> FileContent:
    from whatsapp_mcp.device import pictures

    path = Path(content.path)
    made = pictures.picture(path, largest)
    if made is None and content.mime_type in _SHOWN:
        return content
    if made is None:
        raise InvalidArgument("The image cannot be read here.", "Send it with kind document.")
    target = path.with_name(f"{path.stem}.{largest}.jpg")
    write_private(target, made)
    return replace(content, path=str(target), mime_type="image/jpeg")


def _sticker(content: FileContent) -> FileContent:
    from whatsapp_mcp.device import pictures

    if content.mime_type == _WEBP:
        return content
    path = Path(content.path)
    made = pictures.sticker(path)
    if made is None:
        raise InvalidArgument("The image cannot be made a sticker.", "Give a WebP of 512 pixels a side.")
    target = path.with_name(f"{path.stem}.sticker.webp")
    write_private(target, made)
    return replace(content, path=str(target), mime_type=_WEBP)


def _clip(content: FileContent) -> FileContent:
    from whatsapp_mcp.device import animation

    path = Path(content.path)
    target = path.with_name(f"{path.stem}.gif.mp4")
    target.touch(mode=0o600)
    animation.looping_video(path, target)
    return replace(content, path=str(target), mime_type="video/mp4")


def _voice(content: FileContent) -> FileContent:
    from whatsapp_mcp.device import media, voice

    path = Path(content.path)
    if media.is_opus(path):
        heard = voice.listen(path)
    else:
        target = path.with_name(f"{path.stem}.voice.ogg")
        target.touch(mode=0o600)
        heard = voice.voice_note(path, target)
        path = target
    duration, bars = heard or (None, b"")
    return replace(
        content,
        path=str(path),
        mime_type=VOICE_MIME,
        duration=duration,
        waveform=base64.b64encode(bars).decode() or None,
    )


def _seen(content: FileContent) -> FileContent:
    """With its size, its length and a preview."""
    from whatsapp_mcp.device import media

    looks = media.look(Path(content.path))
    return replace(
        content,
        duration=looks.duration if content.kind not in {"image", "sticker"} else None,
        width=looks.width,
        height=looks.height,
        thumbnail=base64.b64encode(looks.thumbnail).decode() if looks.thumbnail else None,
    )
