"""What a file is and looks like, judged by its content.

Looking into it takes PyAV; without it only the first bytes are judged, and sizes and previews are left out.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from whatsapp_mcp.device.decoding import UNREADABLE, pyav, reader, upright
from whatsapp_mcp.device.pictures import jpeg

_PREVIEW: Final = 96


@dataclass(frozen=True, slots=True)
class Looks:
    """What a file is seen to be: seconds, pixels, and a small JPEG; None where it does not apply."""

    duration: int | None = None
    width: int | None = None
    height: int | None = None
    thumbnail: bytes | None = None


def look(path: Path) -> Looks:
    """Look into an image, video or audio file; what cannot be seen is None."""
    av = pyav()
    if av is None:
        return Looks()
    try:
        with reader(av, path) as container:
            duration = max(1, round(container.duration / av.time_base)) if container.duration else None
            if not container.streams.video:
                return Looks(duration=duration)
            frame = upright(av, next(container.decode(video=0)))
            return Looks(duration, frame.width, frame.height, jpeg(av, frame, _PREVIEW))
    except UNREADABLE:
        return Looks()


def moves(path: Path) -> bool:
    """Whether an image has more than one frame."""
    av = pyav()
    if av is None:
        return False
    try:
        with reader(av, path) as container:
            return len(list(islice(container.decode(video=0), 2))) > 1
    except UNREADABLE:
        return False


_SIGNATURES: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
)


def mime_type_of(head: bytes) -> str | None:
    """What the first bytes of a file say that it is; None when they say nothing."""
    for signature, mime_type in _SIGNATURES:
        if head.startswith(signature):
            return mime_type
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}.get(head[8:12])
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand.startswith((b"M4A", b"M4B")):
            return "audio/mp4"
        if brand in {b"heic", b"heix", b"mif1", b"avif"}:
            return "image/avif" if brand == b"avif" else "image/heic"
        return "video/quicktime" if brand.startswith(b"qt") else "video/mp4"
    return None


def is_opus(path: Path) -> bool:
    """Whether the file is Opus in Ogg, which a voice note is."""
    with io.FileIO(path) as file:
        head = file.read(64)
    return head.startswith(b"OggS") and b"OpusHead" in head
