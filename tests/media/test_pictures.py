"""Pictures as they are made for WhatsApp and for a model."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from tests.media.footage import BLUE, CLEAR, RED, heic, is_jpeg, near, pixel, png, size, with_orientation
from tests.tables import for_each
from whatsapp_mcp.errors import TooLong, Unsupported
from whatsapp_mcp.media import Worker, format_of, look_at_picture, picture, pictures, sticker

pytestmark = pytest.mark.anyio


def made(image: bytes, largest: int) -> bytes:
    """The JPEG of a picture, made in this process."""
    facts, content = pictures.picture(io.BytesIO(image), {"largest": largest})
    assert (facts["width"], facts["height"]) == size(content)
    return content


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """An image as a file of this kind."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@for_each(
    ("given", "largest", "expected"),
    [
        ((300, 150), 100, (100, 50)),
        ((80, 40), 100, (80, 40)),
        ((1, 1), 100, (1, 1)),
        ((1000, 1), 10, (10, 1)),
    ],
)
def test_a_picture_fits_and_keeps_its_shape(
    given: tuple[int, int], largest: int, expected: tuple[int, int]
) -> None:
    jpeg = made(png(*given, RED), largest)
    assert is_jpeg(jpeg)
    assert size(jpeg) == expected


@for_each(
    ("orientation", "expected", "first"),
    [(1, (40, 20), RED), (3, (40, 20), BLUE), (6, (20, 40), RED), (8, (20, 40), BLUE)],
)
def test_a_picture_is_upright_however_the_camera_was_held(
    orientation: int, expected: tuple[int, int], first: tuple[int, ...]
) -> None:
    photo = with_orientation(made(png(40, 20, RED, BLUE), 100), orientation)
    jpeg = made(photo, 100)
    assert size(jpeg) == expected
    assert near(pixel(jpeg, 2, 2), first)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_a_picture_keeps_nothing_but_its_pixels(kind: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "SECRET description"
    exif.get_ifd(0x8825)[1] = "SECRET place"
    text = PngImagePlugin.PngInfo()
    text.add_text("Location", "SECRET place")
    options: dict[str, Any] = {"exif": exif.tobytes(), "icc_profile": b"SECRET profile", "pnginfo": text}
    if kind != "PNG":
        options |= {"xmp": b"<SECRET/>", "comment": b"SECRET comment"}
    photo = saved(Image.new("RGB", (40, 20), RED), kind, **options)
    assert b"SECRET" in photo
    for content in (made(photo, 100), pictures.sticker(io.BytesIO(photo), {})[1]):
        assert b"SECRET" not in content
        assert b"Exif" not in content


@for_each("kind", ["PNG", "WEBP", "GIF", "AVIF"])
def test_what_is_transparent_becomes_white(kind: str) -> None:
    image = saved(Image.new("RGBA", (40, 20), CLEAR), kind)
    assert near(pixel(made(image, 100), 5, 5), (255, 255, 255))


@for_each(
    ("mode", "colour", "expected"),
    [
        ("P", 1, (255, 0, 0)),
        ("L", 128, (128, 128, 128)),
        ("1", 1, (255, 255, 255)),
        ("LA", (128, 255), (128, 128, 128)),
        ("I;16", 0x8000, (128, 128, 128)),
    ],
)
def test_every_kind_of_pixel_becomes_a_jpeg(mode: str, colour: Any, expected: tuple[int, ...]) -> None:
    image = Image.new(mode, (64, 64), colour)
    if mode == "P":
        image.putpalette([0, 0, 0, 255, 0, 0])
    assert near(pixel(made(saved(image, "PNG"), 32), 5, 5), expected)


def test_a_jpeg_of_a_printer_becomes_one_of_a_screen() -> None:
    photo = saved(Image.new("CMYK", (64, 64), (0, 255, 255, 0)), "JPEG")
    assert near(pixel(made(photo, 64), 5, 5), (255, 0, 0))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "AVIF", "PNG"])
def test_the_first_frame_stands_for_an_animation(kind: str) -> None:
    first, second = (Image.new("RGB", (64, 32), colour) for colour in (RED, BLUE))
    moving = saved(first, kind, save_all=True, append_images=[second], duration=100)
    assert near(pixel(made(moving, 64), 5, 5), RED)
    assert pictures.look_at_picture(io.BytesIO(moving), {})[0]["moves"]
    still = saved(first, kind)
    assert not pictures.look_at_picture(io.BytesIO(still), {})[0]["moves"]


def test_a_picture_of_too_many_pixels_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    large = png(200, 100, RED)
    monkeypatch.setattr(pictures, "MAX_PIXELS", 19_999)
    with pytest.raises(TooLong):
        made(large, 100)
    monkeypatch.setattr(pictures, "MAX_PIXELS", 20_000)
    made(large, 100)


def test_a_photo_of_200_million_pixels_is_decoded_at_a_fraction_of_them() -> None:
    photo = saved(Image.new("L", (16_320, 12_240)), "JPEG", quality=1)
    assert size(made(photo, 1600)) == (1600, 1200)


@pytest.mark.parametrize("given", [(300, 100), (100, 900), (512, 512)])
async def test_a_sticker_is_a_square_of_512_pixels_with_nothing_around_the_picture(
    given: tuple[int, int], worker: Worker
) -> None:
    webp = (await sticker(worker, png(*given, RED))).content
    seen = format_of(webp)
    assert seen is not None
    assert seen.mime_type == "image/webp"
    with Image.open(io.BytesIO(webp)) as image:
        assert image.size == (512, 512)
        shown = image.convert("RGBA")
    assert shown.getpixel((0, 0)) == ((*RED, 255) if given == (512, 512) else (0, 0, 0, 0)) or near(
        pixel(webp, 256, 256), RED
    )


async def test_a_picture_comes_with_its_size_and_a_small_one(worker: Worker) -> None:
    found = await picture(worker, png(1000, 500, RED), 200)
    assert size(found.content) == (200, 100)
    assert (found.looks.width, found.looks.height) == (200, 100)
    assert found.looks.thumbnail is not None
    assert size(found.looks.thumbnail) == (96, 48)
    assert (await look_at_picture(worker, png(1000, 500, RED))).width == 1000


@pytest.mark.parametrize("given", [b"", b"no picture", b"\xff\xd8\xffcut", png(40, 20, RED)[:60]])
async def test_what_is_no_picture_is_refused(given: bytes, worker: Worker) -> None:
    for making in (picture(worker, given, 100), sticker(worker, given)):
        with pytest.raises(Unsupported):
            await making


async def test_a_heic_picture_is_read_with_the_extra(worker: Worker) -> None:
    made = await picture(worker, heic(600, 300, RED, BLUE), 200)
    assert size(made.content) == (200, 100)
    assert near(pixel(made.content, 20, 50), RED)
    assert near(pixel(made.content, 180, 50), BLUE)


def test_without_the_extra_a_heic_picture_is_none_that_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    given = heic(60, 30, RED, BLUE)
    monkeypatch.setattr(pictures, "pillow_heif", None)
    with pytest.raises(Unsupported, match="HEIC") as caught:
        pictures.picture(io.BytesIO(given), {"largest": 100})
    assert caught.value.action == "Install the extra `media`."
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    found = format_of(given)
    assert found is not None
    assert not found.is_picture
