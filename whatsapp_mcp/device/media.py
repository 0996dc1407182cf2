"""Looking into files, and making what WhatsApp wants of them, with PyAV (extra `media`).

Everything here blocks and belongs into a worker thread. Without PyAV nothing can be looked into: sizes and
previews are then left out, and only what is Opus already can be a voice note.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from whatsapp_mcp.errors import Unsupported

WAVEFORM_POINTS: Final = 64
_LOUDEST: Final = 100
_VOICE_RATE: Final = 48_000
_PREVIEW: Final = 96
_JPEG_QUALITY: Final = 6
_UNREADABLE: Final = (OSError, ValueError, IndexError, EOFError, RuntimeError)
"""What PyAV raises for a file that it cannot read (its own errors are among them)."""


@dataclass(frozen=True, slots=True)
class Looks:
    """What a file is seen to be: seconds, pixels, and a small JPEG; None where it does not apply."""

    duration: int | None = None
    width: int | None = None
    height: int | None = None
    thumbnail: bytes | None = None


def _av() -> Any:
    try:
        import av
    except ImportError:
        return None
    return av


def look(path: Path) -> Looks:
    """Look into an image, video or audio file; what cannot be seen is None."""
    av = _av()
    if av is None:
        return Looks()
    try:
        with av.open(str(path)) as container:
            duration = round(container.duration / av.time_base) if container.duration else None
            if not container.streams.video:
                return Looks(duration=duration)
            frame = next(container.decode(video=0))
            return Looks(duration, frame.width, frame.height, _jpeg(av, frame, _PREVIEW))
    except (StopIteration, *_UNREADABLE):
        return Looks()


def picture(path: Path, largest: int) -> bytes | None:
    """An image as JPEG of at most `largest` pixels a side, without its metadata; None if unreadable."""
    av = _av()
    if av is None:
        return None
    try:
        with av.open(str(path)) as container:
            return _jpeg(av, next(container.decode(video=0)), largest)
    except (StopIteration, *_UNREADABLE):
        return None


def _jpeg(av: Any, frame: Any, largest: int) -> bytes:
    scale = min(1.0, largest / max(frame.width, frame.height))
    width, height = (max(2, round(side * scale / 2) * 2) for side in (frame.width, frame.height))
    small = frame.reformat(width=width, height=height, format="yuvj420p")
    codec = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt = width, height, "yuvj420p"
    codec.time_base = small.time_base or 1
    codec.options = {"qscale": str(_JPEG_QUALITY)}
    small.pts = 0
    return b"".join(bytes(packet) for packet in [*codec.encode(small), *codec.encode(None)])


def voice_note(source: Path, target: Path) -> tuple[int, bytes]:
    """Write the sound of a file as mono Opus in Ogg, as WhatsApp's own voice notes are.

    Returns:
        Seconds, and 64 bytes of loudness from 0 to 100.

    Raises:
        Unsupported: PyAV is missing, or the file holds no sound that it can read.
    """
    av = _av()
    if av is None:
        raise Unsupported(
            "Making a voice note needs PyAV.", "Install whatsapp-mcp[media], or send it with kind audio."
        )
    loudness: list[float] = []
    samples = 0
    try:
        with av.open(str(source)) as container, av.open(str(target), "w", format="ogg") as output:
            stream = output.add_stream("libopus", rate=_VOICE_RATE, layout="mono", bit_rate=32_000)
            resampler = av.AudioResampler(format="s16", layout="mono", rate=_VOICE_RATE, frame_size=960)
            for frame in container.decode(audio=0):
                for part in resampler.resample(frame):
                    samples += _encode(output, stream, part, loudness)
            for part in resampler.resample(None):
                samples += _encode(output, stream, part, loudness)
            output.mux(stream.encode(None))
    except _UNREADABLE as error:
        raise Unsupported(
            "The file holds no sound that can be read.", "Send it with kind document."
        ) from error
    return max(1, round(samples / _VOICE_RATE)), waveform(loudness)


def _encode(output: Any, stream: Any, part: Any, loudness: list[float]) -> int:
    values = memoryview(bytes(part.planes[0])[: part.samples * 2]).cast("h")
    loudness.append(sum(abs(value) for value in values[::8]) / max(1, len(values) // 8))
    output.mux(stream.encode(part))
    return int(part.samples)


def waveform(loudness: list[float]) -> bytes:
    """64 bars from 0 to 100 of any number of loudness values."""
    if not loudness:
        return bytes(WAVEFORM_POINTS)
    peak = max(loudness) or 1.0
    count = len(loudness)
    bars: list[int] = []
    for point in range(WAVEFORM_POINTS):
        first = point * count // WAVEFORM_POINTS
        last = max(first + 1, (point + 1) * count // WAVEFORM_POINTS)
        part = loudness[first:last]
        bars.append(round(_LOUDEST * sum(part) / len(part) / peak))
    return bytes(bars)


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
