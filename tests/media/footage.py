"""Pictures, clips and sounds made for tests."""

from __future__ import annotations

import io
import struct
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pillow_heif
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, ...]
RED, BLUE, CLEAR = (255, 0, 0), (0, 0, 255), (255, 0, 0, 0)


def png(width: int, height: int, left: Colour, right: Colour | None = None) -> bytes:
    """An image whose left and right halves have these colours, RGB or RGBA."""
    half = width // 2
    row = b"\0" + bytes(left) * half + bytes(right or left) * (width - half)
    head = struct.pack(">IIBBBBB", width, height, 8, 2 if len(left) == 3 else 6, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(row * height, 1)), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """A JPEG with the EXIF note of how the camera was held (6: to be turned clockwise)."""
    tiff = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def gif(path: Path, frames: int, width: int = 50, height: int = 30) -> None:
    """An animated GIF of ten frames a second."""
    with av.open(str(path), "w", format="gif") as output:
        stream: Any = output.add_stream("gif", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "rgb8"
        _fill(output, stream, frames, Fraction(1, 10))


def video(path: Path, seconds: int, width: int = 64, height: int = 48) -> None:
    """An MP4 with pictures (one a second) and sound."""
    with av.open(str(path), "w", format="mp4") as output:
        stream: Any = output.add_stream("libx264", rate=1)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        sound: Any = output.add_stream("aac", rate=8000, layout="mono")
        _fill(output, stream, seconds, Fraction(1, 1))
        silence: Any = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        silence.sample_rate, silence.pts = 8000, 0
        silence.planes[0].update(bytes(silence.planes[0].buffer_size))
        output.mux(sound.encode(silence))
        output.mux(sound.encode(None))


def _fill(output: Any, stream: Any, frames: int, length: Fraction) -> None:
    for number in range(frames):
        frame: Any = av.VideoFrame(stream.width, stream.height, "gray")
        plane = frame.planes[0]
        plane.update(bytes([number * 40 % 256]) * plane.buffer_size)
        shown = frame.reformat(format=stream.pix_fmt)
        shown.pts, shown.time_base = number, length
        output.mux(stream.encode(shown))
    output.mux(stream.encode(None))


def pixel(image: bytes, x: int, y: int) -> tuple[int, int, int]:
    """The colour at a place of an image."""
    with av.open(io.BytesIO(image), "r") as container:
        frame = next(container.decode(video=0)).reformat(format="rgb24")
    start = y * frame.planes[0].line_size + 3 * x
    red, green, blue = bytes(frame.planes[0])[start : start + 3]
    return red, green, blue


def is_jpeg(data: bytes) -> bool:
    """Whether it begins as a JPEG does."""
    return data.startswith(b"\xff\xd8\xff")


def size(image: bytes) -> tuple[int, int]:
    """Width and height of an image."""
    with av.open(io.BytesIO(image), "r") as container:
        frame = next(container.decode(video=0))
    return frame.width, frame.height


def near(one: Colour, other: Colour) -> bool:
    """Whether two colours look the same."""
    return all(abs(a - b) < 24 for a, b in zip(one, other, strict=True))


def written(*lines: str, pixels: int = 30) -> bytes:
    """A PNG with these lines in black on white, in letters of this size; ASCII alone is in the font."""
    font = ImageFont.load_default(pixels)
    width = 2 * pixels + max(round(font.getlength(line)) for line in lines)
    image = Image.new("L", (width, 2 * pixels * (len(lines) + 1)), 255)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((pixels, pixels + 2 * pixels * number), line, 0, font)
    return _encoded(image, "PNG")


def heic(width: int, height: int, left: Colour, right: Colour) -> bytes:
    """A HEIC picture whose left and right halves have these colours."""
    pillow_heif.register_heif_opener()
    image = Image.new("RGB", (width, height), left)
    image.paste(right, (width // 2, 0, width, height))
    return _encoded(image, "HEIF")


def webp(frames: int, *colours: Colour) -> bytes:
    """An animated WebP of 64 pixels a side with frames of these colours in turn."""
    images = [Image.new("RGB", (64, 64), colours[number % len(colours)]) for number in range(frames)]
    buffer = io.BytesIO()
    images[0].save(buffer, "WEBP", save_all=True, append_images=images[1:], duration=100)
    return buffer.getvalue()


def _encoded(image: Image.Image, form: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()
