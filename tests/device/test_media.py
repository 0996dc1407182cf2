"""Looking into files, and making pictures, clips and voice notes of them."""

from __future__ import annotations

import io
from pathlib import Path

import av
import pytest

from tests.device.footage import BLUE, CLEAR, RED, gif, near, pixel, png, size, video, with_orientation
from whatsapp_mcp.device import decoding, media, voice
from whatsapp_mcp.device.animation import looping_video
from whatsapp_mcp.device.pictures import picture, sticker
from whatsapp_mcp.errors import TooLong, Unsupported


def made(image: bytes, largest: int) -> bytes:
    """The JPEG of an image that can be read."""
    found = picture(io.BytesIO(image), largest)
    assert found is not None
    return found


@pytest.mark.parametrize(
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
    assert media.mime_type_of(jpeg) == "image/jpeg"
    assert size(jpeg) == expected


@pytest.mark.parametrize(
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


def test_a_picture_keeps_nothing_that_the_camera_noted() -> None:
    photo = with_orientation(made(png(40, 20, RED), 100), 1)
    assert b"Exif" in photo
    assert b"Exif" not in made(photo, 100)


def test_what_is_transparent_becomes_white() -> None:
    assert near(pixel(made(png(40, 20, CLEAR), 100), 5, 5), (255, 255, 255))


@pytest.mark.parametrize("given", [(300, 100), (100, 900), (512, 512)])
def test_a_sticker_is_a_square_of_512_pixels_with_nothing_around_the_picture(given: tuple[int, int]) -> None:
    webp = sticker(io.BytesIO(png(*given, RED)))
    assert webp is not None
    assert media.mime_type_of(webp) == "image/webp"
    assert size(webp) == (512, 512)
    assert near(pixel(webp, 256, 256), RED)
    with av.open(io.BytesIO(webp), "r") as container:
        frame = next(container.decode(video=0)).reformat(format="rgba")
    assert bytes(frame.planes[0])[3] == (255 if given == (512, 512) else 0)
    assert sticker(io.BytesIO(b"no picture")) is None


def test_what_is_no_picture_gives_none() -> None:
    assert picture(io.BytesIO(b"no picture"), 100) is None


def test_a_picture_of_too_many_pixels_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    large = png(200, 100, RED)
    monkeypatch.setattr(decoding, "_LIMITS", {"max_pixels": "19999"})
    assert picture(io.BytesIO(large), 100) is None
    monkeypatch.setattr(decoding, "_LIMITS", {"max_pixels": "40000"})
    assert picture(io.BytesIO(large), 100) is not None


def test_a_video_shows_its_size_length_and_first_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    video(path, seconds=3)
    looks = media.look(path)
    assert (looks.duration, looks.width, looks.height) == (3, 64, 48)
    assert looks.thumbnail is not None
    assert max(size(looks.thumbnail)) <= 96


@pytest.mark.parametrize(("frames", "expected"), [(1, False), (2, True)])
def test_an_image_moves_when_it_has_more_than_one_frame(tmp_path: Path, frames: int, expected: bool) -> None:
    path = tmp_path / "a.gif"
    gif(path, frames)
    assert media.moves(path) is expected


def test_an_animation_becomes_a_silent_clip_of_the_same_pace(tmp_path: Path) -> None:
    source, target = tmp_path / "a.gif", tmp_path / "a.mp4"
    gif(source, frames=5, width=51, height=31)
    looping_video(source, target)
    with av.open(str(target)) as clip:
        assert [(stream.type, stream.codec_context.name) for stream in clip.streams] == [("video", "h264")]
        times = [round(frame.time or 0, 2) for frame in clip.decode(video=0)]
    assert times == [0, 0.1, 0.2, 0.3, 0.4]


def test_a_video_as_clip_loses_its_sound(tmp_path: Path) -> None:
    source, target = tmp_path / "a.mp4", tmp_path / "b.mp4"
    video(source, seconds=2)
    looping_video(source, target)
    with av.open(str(target)) as clip:
        assert [stream.type for stream in clip.streams] == ["video"]


def test_a_clip_is_at_most_a_minute_long(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    video(source, seconds=62)
    with pytest.raises(TooLong):
        looping_video(source, tmp_path / "b.mp4")


def test_what_holds_no_pictures_is_no_clip(tmp_path: Path) -> None:
    source = tmp_path / "a"
    source.write_bytes(b"words")
    with pytest.raises(Unsupported):
        looping_video(source, tmp_path / "b.mp4")


def test_a_waveform_has_64_bars_of_which_the_loudest_is_100() -> None:
    bars = voice.waveform([1.0, 2.0, 4.0] * 100)
    assert (len(bars), max(bars)) == (64, 100)
    assert voice.waveform([]) == bytes(64)
