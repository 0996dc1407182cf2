"""Videos, clips and voice notes."""

from __future__ import annotations

import io
from pathlib import Path

import av
import pytest
from PIL import Image

from tests.media.footage import BLUE, RED, gif, near, pixel, png, size, video
from whatsapp_mcp.errors import TooLong, Unsupported
from whatsapp_mcp.media import Worker, look_at_recording, looping_video, recordings, stills

pytestmark = pytest.mark.anyio


def clip(content: bytes) -> list[float]:
    """The times of the frames of a silent H.264 clip whose index stands in front."""
    assert content.find(b"moov") < content.find(b"mdat")
    with av.open(io.BytesIO(content), "r") as container:
        assert [(stream.type, stream.codec_context.name) for stream in container.streams] == [
            ("video", "h264")
        ]
        return [round(frame.time or 0, 2) for frame in container.decode(video=0)]


async def test_a_video_shows_its_size_length_and_first_frame(tmp_path: Path, worker: Worker) -> None:
    video(tmp_path / "a.mp4", seconds=3)
    with (tmp_path / "a.mp4").open("rb") as file:
        looks = await look_at_recording(worker, file)
    assert (looks.duration, looks.width, looks.height) == (3, 64, 48)
    assert looks.thumbnail is not None
    assert max(size(looks.thumbnail)) <= 96


async def test_an_animation_becomes_a_silent_clip_of_the_same_pace(tmp_path: Path, worker: Worker) -> None:
    gif(tmp_path / "a.gif", frames=5, width=51, height=31)
    made = await looping_video(worker, (tmp_path / "a.gif").read_bytes())
    assert clip(made.content) == [0, 0.1, 0.2, 0.3, 0.4]
    assert (made.looks.duration, made.looks.width, made.looks.height) == (1, 52, 32)


async def test_an_animated_webp_becomes_a_clip(worker: Worker) -> None:
    first, second = (Image.new("RGB", (64, 32), colour) for colour in (RED, BLUE))
    moving = io.BytesIO()
    first.save(moving, "WEBP", save_all=True, append_images=[second], duration=500)
    made = await looping_video(worker, moving.getvalue())
    assert clip(made.content) == [0, 0.5]
    assert made.looks.thumbnail is not None
    assert near(pixel(made.looks.thumbnail, 5, 5), RED)


def test_a_video_as_clip_loses_its_sound(tmp_path: Path) -> None:
    video(tmp_path / "a.mp4", seconds=2)
    with (tmp_path / "a.mp4").open("rb") as file:
        _, content = recordings.looping_video(file, {})
    assert clip(content) == [0, 1]


def test_a_clip_is_at_most_a_minute_long(tmp_path: Path) -> None:
    video(tmp_path / "a.mp4", seconds=62)
    with (tmp_path / "a.mp4").open("rb") as file, pytest.raises(TooLong):
        recordings.looping_video(file, {})


def test_a_voice_note_is_at_most_as_long_as_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video(tmp_path / "a.mp4", seconds=1)
    monkeypatch.setattr(recordings, "MAX_VOICE_SECONDS", 0.05)
    with (tmp_path / "a.mp4").open("rb") as file, pytest.raises(TooLong):
        recordings.voice_note(file, {})


@pytest.mark.parametrize("given", [b"words", png(8, 8, RED), b"OggS", b"\x1aE\xdf\xa3", b"RIFF\0\0\0\0WAVE"])
async def test_what_holds_no_sound_is_no_voice_note(given: bytes, worker: Worker) -> None:
    with pytest.raises(Unsupported):
        await worker.run("voice_note", given)
    with pytest.raises(Unsupported):
        await worker.run("listen", given)


def test_a_waveform_has_64_bars_of_which_the_loudest_is_100() -> None:
    bars = recordings.waveform([1.0, 2.0, 4.0] * 100)
    assert (len(bars), max(bars)) == (64, 100)
    assert recordings.waveform([]) == bytes(64)


async def test_a_video_has_three_stills(tmp_path: Path, worker: Worker) -> None:
    video(tmp_path / "a.mp4", seconds=20, width=320, height=240)
    with (tmp_path / "a.mp4").open("rb") as file:
        found = await stills(worker, file, 160)
    assert [at for at, _ in found] == [2, 10, 18]
    assert [size(content) for _, content in found] == [(160, 120)] * 3
    # The frames of the test's video are as bright as their number says.
    brightness = [pixel(content, 80, 60)[0] for _, content in found]
    assert [round(value / 10) for value in brightness] == [8, 14, 21]


async def test_a_video_of_one_frame_has_one_still(tmp_path: Path, worker: Worker) -> None:
    video(tmp_path / "a.mp4", seconds=1)
    found = await stills(worker, (tmp_path / "a.mp4").read_bytes(), 160)
    assert [(at, size(content)) for at, content in found] == [(0, (64, 48))]


async def test_sound_has_no_stills(worker: Worker, tmp_path: Path) -> None:
    video(tmp_path / "a.mp4", seconds=1)
    with (tmp_path / "a.mp4").open("rb") as file:
        _, note = recordings.voice_note(file, {})
    with pytest.raises(Unsupported, match="no video"):
        await stills(worker, note, 160)
