"""Hostile pictures."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Final

from PIL import Image

from tests.media.hostile_files.hostile_file import HostileFile, Kind, zlib_bomb

Made = dict[str, Callable[[], bytes]]


def saved(kind: str, side: int = 64) -> bytes:
    """A picture of noise."""
    buffer = io.BytesIO()
    Image.effect_noise((side, side), 60).save(buffer, kind)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes, length: int | None = None) -> bytes:
    """A part of a PNG."""
    size = len(data) if length is None else length
    return struct.pack(">I", size) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, colour: int, *parts: bytes) -> bytes:
    """A PNG of this size with these parts."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(parts) + chunk(b"IEND", b"")


def gif(side: int, *parts: bytes) -> bytes:
    """A GIF of this size with these parts."""
    return (
        b"GIF89a"
        + struct.pack("<HHBBB", side, side, 0x80, 0, 0)
        + b"\0\0\0\xff\xff\xff"
        + b"".join(parts)
        + b";"
    )


def gif_frame(side: int, data: bytes = b"\x02\x02\x44\x01\x00") -> bytes:
    """A frame of a GIF."""
    return b"\x21\xf9\x04\x00\x01\x00\x00\x00\x2c" + struct.pack("<HHHHB", 0, 0, side, side, 0) + data


def jpeg(width: int, height: int) -> bytes:
    """A JPEG that says that it has another size."""
    content = bytearray(saved("JPEG"))
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(content)


def with_exif(exif: bytes) -> bytes:
    """A JPEG with these notes of a camera."""
    content = saved("JPEG")
    data = b"Exif\0\0" + exif
    return content[:2] + b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data + content[2:]


def riff(*parts: tuple[bytes, bytes], size: int | None = None) -> bytes:
    """A WebP of these parts."""
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in parts
    )
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def tiff(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    """A TIFF of one list of entries: (tag, type, count, value)."""
    rows = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return (
        b"II*\0"
        + struct.pack("<I", 8)
        + struct.pack("<H", len(entries))
        + rows
        + struct.pack("<I", following)
    )


def box(kind: bytes, inside: bytes, size: int | None = None) -> bytes:
    """A box of HEIF."""
    return struct.pack(">I", len(inside) + 8 if size is None else size) + kind + inside


def heic(inside: bytes) -> bytes:
    """A HEIC with these boxes."""
    return box(b"ftyp", b"heic\0\0\0\0mif1heic") + inside


PNG: Final[Made] = {
    "4 billion pixels": lambda: png(65_535, 65_535, 8, 6, chunk(b"IDAT", zlib_bomb(200))),
    "two billion pixels a side": lambda: png(0x7FFFFFFF, 0x7FFFFFFF, 1, 0, chunk(b"IDAT", b"")),
    "a row of two billion pixels": lambda: png(0x7FFFFFFF, 1, 16, 6, chunk(b"IDAT", zlib_bomb(100))),
    "49 million pixels": lambda: png(7_000, 7_000, 8, 2, chunk(b"IDAT", zlib_bomb(148))),
    "a note that unpacks to a gigabyte": lambda: png(
        8, 8, 8, 0, chunk(b"zTXt", b"a\0\0" + zlib_bomb(1000)), chunk(b"IDAT", zlib.compress(bytes(72)))
    ),
    "colours that unpack to a gigabyte": lambda: png(
        8, 8, 8, 0, chunk(b"iCCP", b"a\0\0" + zlib_bomb(1000)), chunk(b"IDAT", zlib.compress(bytes(72)))
    ),
    "300,000 parts": lambda: png(
        8, 8, 8, 0, chunk(b"tEXt", b"a\0b") * 300_000, chunk(b"IDAT", zlib.compress(bytes(72)))
    ),
    "a part longer than the file": lambda: png(8, 8, 8, 0, chunk(b"IDAT", b"x", 0x7FFFFFFF)),
    "a million frames": lambda: png(
        8,
        8,
        8,
        0,
        chunk(b"acTL", struct.pack(">II", 0x7FFFFFFF, 0)),
        chunk(b"IDAT", zlib.compress(bytes(72))),
    ),
    "no size": lambda: png(0, 0, 8, 0, chunk(b"IDAT", b"")),
    "no end": lambda: saved("PNG", 300)[:2_000],
}
GIF: Final[Made] = {
    "60,000 frames": lambda: gif(3_000, gif_frame(1) * 60_000),
    "a frame larger than the picture": lambda: gif(8, gif_frame(65_535)),
    "a comment without an end": lambda: gif(8, b"\x21\xfe" + (b"\xff" + b"x" * 255) * 20_000),
    "codes without an end": lambda: gif(
        60_000, gif_frame(60_000, b"\x08" + (b"\xff" + b"\x00" * 255) * 5_000 + b"\0")
    ),
    "nothing but its head": lambda: b"GIF89a",
}
JPEG: Final[Made] = {
    "4 billion pixels": lambda: jpeg(65_500, 65_500),
    "400 million pixels": lambda: jpeg(20_000, 20_000),
    "no size": lambda: jpeg(0, 0),
    "ten thousand scans": lambda: (
        saved("JPEG")[:-2] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\x00" * 10_000 + b"\xff\xd9"
    ),
    "notes in a loop": lambda: with_exif(
        b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x8769, 4, 1, 8) + struct.pack("<I", 8)
    ),
    "notes of four billion values": lambda: with_exif(
        b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x0112, 3, 0xFFFFFFFF, 8) + struct.pack("<I", 0)
    ),
    "an orientation that is none": lambda: with_exif(
        b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x0112, 3, 1, 250) + struct.pack("<I", 0)
    ),
    "tables without an end": lambda: b"\xff\xd8" + b"\xff\xdb\xff\xff" + bytes(70_000),
    "several pictures that are elsewhere": lambda: (
        saved("JPEG")[:2]
        + b"\xff\xe2\x00\x20MPF\0II*\0\x08\0\0\0\x01\0"
        + struct.pack("<HHII", 0xB001, 4, 0xFFFFFFF, 0)
        + saved("JPEG")[2:]
    ),
    "no end": lambda: saved("JPEG", 400)[:3_000],
}
WEBP: Final[Made] = {
    "268 million pixels": lambda: riff(
        (b"VP8X", b"\0\0\0\0" + b"\xff\x3f\0" * 2), (b"VP8L", b"\x2f\xff\xff\xff\xff")
    ),
    "a lossless picture of everything": lambda: riff((b"VP8L", b"\x2f\xff\xff\xff\x0f" + bytes(1_000_000))),
    "ten thousand frames": lambda: riff(
        (b"VP8X", b"\x02\0\0\0" + b"\x07\0\0" * 2),
        (b"ANIM", bytes(6)),
        *[(b"ANMF", bytes(6) + b"\x07\0\0" * 2 + bytes(4) + b"VP8L\x05\0\0\0\x2f\x07\xc0\x01\0\0")] * 10_000,
    ),
    "a size that is a lie": lambda: riff((b"VP8 ", b"x" * 90), size=0xFFFFFFFF),
    "nothing in it": lambda: riff(),
}
TIFF: Final[Made] = {
    "lists in a loop": lambda: tiff((256, 4, 1, 8), (257, 4, 1, 8), following=8),
    "4 billion pixels": lambda: tiff(
        (256, 4, 1, 65_535),
        (257, 4, 1, 65_535),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (278, 4, 1, 65_535),
        (279, 4, 1, 0xFFFFFFFF),
    ),
    "four billion values": lambda: tiff((256, 4, 0xFFFFFFFF, 8), (257, 4, 0xFFFFFFFF, 8)),
}
HEIC: Final[Made] = {
    "boxes inside boxes": lambda: heic(b"".join(box(b"meta", b"", 2**31 - n * 8) for n in range(100_000))),
    "a box of no size": lambda: heic(box(b"meta", b"", 0) * 100),
    "a size of two pixels to the 64th": lambda: heic(b"\0\0\0\1meta" + b"\xff" * 8),
    "a picture of 4 billion pixels": lambda: heic(
        box(b"meta", bytes(4) + box(b"iprp", box(b"ipco", box(b"ispe", bytes(4) + b"\xff" * 8))))
    ),
    "random boxes": lambda: heic(bytes(range(256)) * 4_000),
}
AVIF: Final[Made] = {
    "no size": lambda: saved("AVIF")[:60],
    "4 billion pixels": lambda: (lambda made, at: made[:at] + b"\0\0\xff\xff" * 2 + made[at + 8 :])(
        saved("AVIF"), saved("AVIF").index(b"ispe") + 8
    ),
}


def files() -> Iterator[HostileFile]:
    """All of them."""
    families = {"PNG": PNG, "GIF": GIF, "JPEG": JPEG, "WebP": WEBP, "TIFF": TIFF, "HEIC": HEIC, "AVIF": AVIF}
    for family, members in families.items():
        for name, made in members.items():
            yield HostileFile(Kind.PICTURE, family, name, made, f"image/{family.lower()}")
