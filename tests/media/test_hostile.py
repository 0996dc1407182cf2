"""Files that are made to do harm: none is opened beyond itself, and each costs little."""

from __future__ import annotations

import io
import struct
import sys
import tempfile
import wave
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.media.footage import RED, gif, png, video
from tests.properties import examples
from tests.tables import for_each
from whatsapp_mcp.errors import TooLong, Unsupported
from whatsapp_mcp.media import Worker, recordings

pytestmark = pytest.mark.anyio
READING = (
    *("listen", "look_at_picture", "look_at_recording", "looping_video", "picture"),
    *("sticker", "stills", "voice_note"),
)


def of_one_colour(side: int, depth: int) -> bytes:
    """A PNG that would unpack to a thousand times its size; cut, since nobody shall come that far."""
    body = zlib.compress((b"\0" + b"\xc8" * (4 * depth // 8 * side)) * 50)
    head = struct.pack(">IIBBBBB", side, side, depth, 6, 0, 0, 0)
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", head), (b"IDAT", body), (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def of_small_frames(side: int, frames: int) -> bytes:
    """A GIF each of whose frames changes one pixel of a large picture."""
    head = b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"\x21\xf9\x04\x00\x01\x00\x00\x00\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0)
    return head + (frame + b"\x02\x02\x44\x01\x00") * frames + b";"


def peak_megabytes(worker: Worker) -> int:
    """The most memory that the process has had at once."""
    status = Path(f"/proc/{worker.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


@cache
def samples() -> list[bytes]:
    """Small files that can be read."""
    kinds = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIF")
    buffers = [io.BytesIO() for _ in kinds]
    for kind, buffer in zip(kinds, buffers, strict=True):
        Image.effect_noise((40, 30), 50).save(buffer, kind)
    with tempfile.TemporaryDirectory() as folder:
        gif(Path(folder, "a.gif"), frames=3)
        video(Path(folder, "a.mp4"), seconds=2)
        made = [Path(folder, name).read_bytes() for name in ("a.gif", "a.mp4")]
    _, note = recordings.voice_note(io.BytesIO(made[1]), {})
    return [*(buffer.getvalue() for buffer in buffers), *made, note]


@for_each("job", READING)
@for_each(
    "content",
    [
        "#EXTM3U\n#EXTINF:1,\n{secret}/a.wav\n",
        "ffconcat version 1.0\nfile {secret}/a.png\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        '<svg xmlns="http://www.w3.org/2000/svg"><image href="file://{secret}/a.png"/></svg>',
        '<?xml version="1.0"?><MPD><BaseURL>file://{secret}/a.mp4</BaseURL></MPD>',
    ],
)
async def test_a_format_of_references_is_opened_by_no_job(
    content: str, job: str, worker: Worker, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(png(8, 8, RED))
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 8000, "NONE", ""))
        file.writeframes(bytes(16_000))
    with pytest.raises(Unsupported, match="can refer to other files"):
        await worker.run(job, content.format(secret=tmp_path).encode(), {"largest": 100})


@for_each("job", ["looping_video", "voice_note", "listen"])
@for_each("head", [b"OggS", b"ID3\x04\0\0\0\0\0\0", b"RIFF\0\0\0\0AVI ", b"\0\0\0\x14ftypisom"])
async def test_a_playlist_behind_another_signature_is_no_playlist(
    head: bytes, job: str, worker: Worker, tmp_path: Path
) -> None:
    video(tmp_path / "secret.mp4", seconds=1)
    with pytest.raises(Unsupported):
        await worker.run(job, head + f"\n#EXTM3U\n#EXTINF:1,\n{tmp_path}/secret.mp4\n".encode())


@pytest.mark.parametrize(("side", "depth"), [(9000, 16), (20_000, 8)])
async def test_a_picture_that_unpacks_to_gigabytes_costs_next_to_nothing(
    side: int, depth: int, worker: Worker
) -> None:
    bomb = of_one_colour(side, depth)
    with pytest.raises(TooLong, match="million pixels"):
        await worker.run("picture", bomb, {"largest": 1600})
    if sys.platform == "linux":
        assert peak_megabytes(worker) < 400


async def test_an_animation_of_thousands_of_large_frames_is_not_unpacked(worker: Worker) -> None:
    bomb = of_small_frames(3000, 2990)
    assert len(bomb) < 70_000
    with pytest.raises(TooLong, match="million pixels"):
        await worker.run("looping_video", bomb)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A small file with a few bytes changed, or cut."""
    content = bytearray(draw(st.sampled_from(samples())))
    for _ in range(draw(st.integers(1, 6))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.integers(1, len(content)))])


@settings(max_examples=examples(40))
@given(content=damaged(), job=st.sampled_from(READING))
async def test_a_damaged_file_gives_an_error_of_ours_or_none(
    content: bytes, job: str, worker: Worker
) -> None:
    with suppress(Unsupported, TooLong):
        await worker.run(job, content, {"largest": 64})
