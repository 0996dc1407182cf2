"""Which format a file has, judged by its first bytes alone.

Each format names the one decoder that its content goes to, so that no file chooses another by its name or by
what stands further back in it. Formats that refer to other files or addresses have none: reading one would
mean to open what a stranger names.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from typing import BinaryIO, Final, Literal

from whatsapp_mcp.errors import Unsupported

HEAD_BYTES: Final = 1024
"""Number of bytes of a file that `format_of` reads."""

Library = Literal["pillow", "pyav"]


@dataclass(frozen=True, slots=True)
class Format:
    """A file format.

    Attributes:
        label: What people call it, with its article.
        mime_type: As WhatsApp and MCP write it.
        library: Which one reads it; None for what is not decoded here.
        decoder: What that library calls it.
        refers: Whether it names other files or addresses.
        module: What the library reads it with, where that is not part of it.
    """

    label: str
    mime_type: str
    library: Library | None = None
    decoder: str = ""
    refers: bool = False
    module: str = ""

    @property
    def is_picture(self) -> bool:
        """True if the format is a picture that can be read here."""
        return self.library == "pillow" and self._is_installed()

    def _is_installed(self) -> bool:
        return not self.module or importlib.util.find_spec(self.module) is not None


_JPEG: Final = Format("a JPEG", "image/jpeg", "pillow", "JPEG")
_MP3: Final = Format("an MP3", "audio/mpeg", "pyav", "mp3")
_AVIF: Final = Format("an AVIF picture", "image/avif", "pillow", "AVIF")
_HEIC: Final = Format("a HEIC picture", "image/heic", "pillow", "HEIF", module="pillow_heif")
_MP4: Final = Format("an MP4", "video/mp4", "pyav", "mov")
_M4A: Final = Format("an M4A", "audio/mp4", "pyav", "mov")
_QUICKTIME: Final = Format("a QuickTime video", "video/quicktime", "pyav", "mov")
_AAC: Final = Format("an AAC file", "audio/aac", "pyav", "aac")

_SIGNATURES: Final = (
    (b"\xff\xd8\xff", _JPEG),
    (b"\x89PNG\r\n\x1a\n", Format("a PNG", "image/png", "pillow", "PNG")),
    (b"GIF87a", Format("a GIF", "image/gif", "pillow", "GIF")),
    (b"GIF89a", Format("a GIF", "image/gif", "pillow", "GIF")),
    (b"OggS", Format("an Ogg file", "audio/ogg", "pyav", "ogg")),
    (b"ID3", _MP3),
    (b"fLaC", Format("a FLAC", "audio/flac", "pyav", "flac")),
    (b"#!AMR", Format("an AMR recording", "audio/amr", "pyav", "amr")),
    (b"\x1aE\xdf\xa3", Format("a WebM or Matroska video", "video/webm", "pyav", "matroska")),
    (b"%PDF-", Format("a PDF", "application/pdf")),
    (b"PK\x03\x04", Format("a ZIP", "application/zip")),
)
_RIFF: Final = {
    b"WEBP": Format("a WebP", "image/webp", "pillow", "WEBP"),
    b"WAVE": Format("a WAV", "audio/wav", "pyav", "wav"),
    b"AVI ": Format("an AVI video", "video/x-msvideo", "pyav", "avi"),
}
_HEIF_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_REFERRING: Final = (
    (b"#extm3u", Format("an M3U playlist", "application/vnd.apple.mpegurl", refers=True)),
    (b"ffconcat", Format("an ffconcat list", "text/plain", refers=True)),
    (b"[playlist]", Format("a PLS playlist", "audio/x-scpls", refers=True)),
    (b"[reference]", Format("an ASX playlist", "video/x-ms-asf", refers=True)),
    (b"v=0", Format("an SDP description", "application/sdp", refers=True)),
    (b"rtsptext", Format("a QuickTime link", "text/plain", refers=True)),
)
_REFERRING_ELEMENTS: Final = {
    b"svg": Format("an SVG drawing", "image/svg+xml", refers=True),
    b"mpd": Format("a DASH manifest", "application/dash+xml", refers=True),
    b"smoothstreamingmedia": Format(
        "a Smooth Streaming manifest", "application/vnd.ms-sstr+xml", refers=True
    ),
    b"smil": Format("a SMIL presentation", "application/smil+xml", refers=True),
    b"asx": Format("an ASX playlist", "video/x-ms-asf", refers=True),
    b"playlist": Format("an XSPF playlist", "application/xspf+xml", refers=True),
}
_AS_DOCUMENT: Final = "Send it with kind document."
_ELEMENT: Final = re.compile(rb"<(?:[a-z]{1,20}:)?([a-z]{1,30})[\s>/]")
"""Any element of the head: declarations and comments may stand before the root."""


def format_of(head: bytes) -> Format | None:
    """The format of a file that begins like this; None when it is not known."""
    for signature, known in _SIGNATURES:
        if head.startswith(signature):
            return known
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    return _mpeg_audio(head) or _referring(head)


def read_format(file: BinaryIO, library: Library) -> Format:
    """The format of an open file that this library reads; the file is at its beginning afterwards.

    Raises:
        Unsupported: It has none that this library may read.
    """
    file.seek(0)
    file_format = format_of(file.read(HEAD_BYTES))
    file.seek(0)
    if file_format is None:
        raise Unsupported("The file has an unknown format.", _AS_DOCUMENT)
    if file_format.refers:
        raise Unsupported(
            f"The file is {file_format.label}, which can refer to other files; it is not opened.",
            _AS_DOCUMENT,
        )
    if file_format.library != library:
        what = "picture" if library == "pillow" else "video or sound"
        raise Unsupported(
            f"The file is {file_format.label}, not a {what} that can be read here.", _AS_DOCUMENT
        )
    return file_format


def _iso_media(head: bytes) -> Format:
    """Return the format of an ISO base media file, by its first brand or a compatible one."""
    brand, compatible = head[8:12], head[16 : min(int.from_bytes(head[:4], "big"), len(head))]
    if brand in {b"avif", b"avis"} or (brand == b"mif1" and b"avif" in compatible):
        return _AVIF
    if brand in _HEIF_BRANDS:
        return _HEIC
    if brand in {b"M4A ", b"M4B "}:
        return _M4A
    return _QUICKTIME if brand == b"qt  " else _MP4


def _mpeg_audio(head: bytes) -> Format | None:
    """By the header of the first frame (ISO 11172-3, 2.4.1.3; ISO 13818-7, 6.2)."""
    if len(head) < 3 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0:
        return _AAC
    is_layer_three = head[1] & 0xE6 == 0xE2 and head[1] & 0x18 != 0x08
    return _MP3 if is_layer_three and head[2] >> 4 != 15 else None


def _referring(head: bytes) -> Format | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for start, known in _REFERRING:
        if text.startswith(start):
            return known
    if not text.startswith(b"<"):
        return None
    elements = (_REFERRING_ELEMENTS.get(name) for name in _ELEMENT.findall(text))
    return next((known for known in elements if known), None)
