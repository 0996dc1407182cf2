"""Jobs on pictures, by Pillow: upright, no larger than asked for, with nothing that the camera noted."""

from __future__ import annotations

import io
import math
from base64 import b64encode
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final

from PIL import (
    AvifImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    ImageOps,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from whatsapp_mcp.errors import TooLong, Unsupported
from whatsapp_mcp.media.formats import read_format
from whatsapp_mcp.media.job import Outcome

try:
    import pillow_heif
except ImportError:
    pillow_heif = None

PLUGINS: Final = (
    AvifImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
"""Plugins that decode, or read EXIF; imported here because nothing can be imported when a picture arrives."""
# Else Pillow imports at its first picture what nobody asked for.
Image.preinit()
if pillow_heif is not None:
    # Its own threads would each take memory that is limited here.
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
# Pillow's own limit falls before a JPEG says at which fraction it is decoded: this one is ours.
Image.MAX_IMAGE_PIXELS = 400_000_000
MAX_BYTES: Final = 100_000_000
MAX_PIXELS: Final = 50_000_000
"""That are decoded; a JPEG is decoded at a fraction of its size."""
STICKER_PIXELS: Final = 512
"""Pixels of a side, as WhatsApp wants stickers."""
PREVIEW_PIXELS: Final = 96
"""Most pixels of a thumbnail's side."""
_DEFAULT_DURATION: Final = 100
"""Milliseconds of a frame that names none, as browsers have it."""
_QUALITY: Final = 85
_STICKER_QUALITY: Final = 80


def picture(file: BinaryIO, options: dict[str, Any]) -> Outcome:
    """The (first) picture as JPEG of at most `largest` pixels a side, what is transparent white."""
    image = on_white(fitted(file, options["largest"]))
    return looks_of(image), jpeg(image)


def sticker(file: BinaryIO, options: dict[str, Any]) -> Outcome:
    """The picture as WebP of 512 pixels a side, what is around it transparent."""
    image = ImageOps.contain(fitted(file, STICKER_PIXELS).convert("RGBA"), (STICKER_PIXELS, STICKER_PIXELS))
    square = Image.new("RGBA", (STICKER_PIXELS, STICKER_PIXELS))
    square.paste(image, ((STICKER_PIXELS - image.width) // 2, (STICKER_PIXELS - image.height) // 2))
    buffer = io.BytesIO()
    square.save(buffer, "WEBP", quality=_STICKER_QUALITY)
    return looks_of(on_white(square)), buffer.getvalue()


def look_at_picture(file: BinaryIO, options: dict[str, Any]) -> Outcome:
    """Return the stored size of a picture, and whether it `moves`; nothing is decoded."""
    with _opened(file) as image:
        moves = bool(getattr(image, "is_animated", False))
        return {"width": image.width, "height": image.height, "moves": moves}, b""


def looks_of(image: Image.Image) -> dict[str, Any]:
    """Return the size of a picture, and a small JPEG of it in base64."""
    small = image.copy()
    small.thumbnail((PREVIEW_PIXELS, PREVIEW_PIXELS))
    return {"width": image.width, "height": image.height, "thumbnail": b64encode(jpeg(small)).decode()}


def jpeg(image: Image.Image) -> bytes:
    """An RGB image as JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def require_pixels(count: int, most: int) -> None:
    """Refuse what would unpack to more pixels than allowed.

    Raises:
        TooLong: It would.
    """
    if count > most:
        raise _too_large(most)


def frames(file: BinaryIO, largest: int, most_pixels: int) -> Iterator[tuple[float, Image.Image]]:
    """The frames of an animated picture with the seconds at which each is shown.

    Raises:
        TooLong: All of them together have more than `most_pixels`.
    """
    with _opened(file) as image:
        count = int(getattr(image, "n_frames", 1))
        require_pixels(image.width * image.height * count, most_pixels)
        start = 0.0
        for number in range(count):
            image.seek(number)
            # Pillow draws the next frame over this one.
            frame = _plain(image).copy()
            frame.thumbnail((largest, largest))
            yield start, on_white(frame)
            start += (image.info.get("duration") or _DEFAULT_DURATION) / 1000


@contextmanager
def _opened(file: BinaryIO) -> Generator[ImageFile.ImageFile]:
    file_format = read_format(file, "pillow")
    if file_format.decoder == "HEIF" and pillow_heif is None:
        raise Unsupported("Reading HEIC pictures needs pillow-heif.", "Install the extra `media`.")
    if file.seek(0, io.SEEK_END) > MAX_BYTES:
        raise TooLong(f"A picture of more than {MAX_BYTES / 1e6:g} MB is not read.", "Use a smaller one.")
    file.seek(0)
    try:
        with Image.open(file, formats=[file_format.decoder]) as image:
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(MAX_PIXELS) from None


def fitted(file: BinaryIO, largest: int) -> Image.Image:
    """The first frame, upright and no larger, RGB or RGBA.

    Raises:
        Unsupported: It is no picture that can be read here.
        TooLong: It is too large.
    """
    with _opened(file) as image:
        # A JPEG can be decoded at a half, a quarter or an eighth of its size; others stay as they are.
        scale = min(1.0, largest / max(image.size))
        image.draft("RGB", (math.ceil(image.width * scale), math.ceil(image.height * scale)))
        require_pixels(image.width * image.height, MAX_PIXELS)
        plain = _plain(image)
        plain.thumbnail((largest, largest))
        turned = ImageOps.exif_transpose(plain)
    # What a file says beside its pixels would be written again.
    turned.info.clear()
    return turned


def _plain(image: Image.Image) -> Image.Image:
    """RGB or RGBA, whatever the file holds (palettes, grey, CMYK, 16 bits)."""
    if image.mode.startswith("I"):
        # Pillow cuts off what is above 255 rather than scale it.
        image = image.point(lambda value: value * (1 / 256)).convert("L")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return image if image.mode == mode else image.convert(mode)


def on_white(image: Image.Image) -> Image.Image:
    """The picture as RGB, what is transparent white."""
    if image.mode != "RGBA":
        return image
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _too_large(most: int) -> TooLong:
    return TooLong(f"It has more than {most // 1_000_000} million pixels.", "Use a smaller one.")
