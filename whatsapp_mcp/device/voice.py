"""Voice notes: mono Opus in Ogg, with the bars that WhatsApp draws for them."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

from whatsapp_mcp.device.decoding import UNREADABLE, pyav, reader
from whatsapp_mcp.errors import Unsupported

WAVEFORM_POINTS: Final = 64
_LOUDEST: Final = 100
_RATE: Final = 48_000
_BIT_RATE: Final = 32_000
_FRAME: Final = 960
"""Samples of one Opus frame of 20 ms."""


def voice_note(source: Path, target: Path) -> tuple[int, bytes]:
    """Write the sound of a file as a voice note.

    Returns:
        Seconds, and 64 bytes of loudness from 0 to 100.

    Raises:
        Unsupported: PyAV is missing, or the file holds no sound that it can read.
    """
    av = pyav()
    if av is None:
        raise Unsupported(
            "Making a voice note needs PyAV.", "Install whatsapp-mcp[media], or send it with kind audio."
        )
    loudness: list[float] = []
    try:
        with av.open(str(target), "w", format="ogg") as output:
            stream = output.add_stream("libopus", rate=_RATE, layout="mono", bit_rate=_BIT_RATE)
            for part in _parts(av, source):
                loudness.append(_loudness(part))
                output.mux(stream.encode(part))
            output.mux(stream.encode(None))
    except UNREADABLE as error:
        raise Unsupported(
            "The file holds no sound that can be read.", "Send it with kind document."
        ) from error
    return _told(loudness)


def listen(source: Path) -> tuple[int, bytes] | None:
    """Seconds and loudness, as `voice_note` tells them, of a voice note that is made; None if unreadable."""
    av = pyav()
    if av is None:
        return None
    try:
        return _told([_loudness(part) for part in _parts(av, source)])
    except UNREADABLE:
        return None


def _parts(av: Any, source: Path) -> Generator[Any]:
    """The sound of a file in frames of 20 ms, mono, 16 bits."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=_RATE, frame_size=_FRAME)
    with reader(av, source) as container:
        for frame in container.decode(audio=0):
            yield from resampler.resample(frame)
        yield from resampler.resample(None)


def _loudness(part: Any) -> float:
    values = memoryview(bytes(part.planes[0])[: part.samples * 2]).cast("h")
    return sum(abs(value) for value in values[::8]) / max(1, len(values) // 8)


def _told(loudness: list[float]) -> tuple[int, bytes]:
    return max(1, round(len(loudness) * _FRAME / _RATE)), waveform(loudness)


def waveform(loudness: list[float]) -> bytes:
    """64 bars of any number of loudness values; the highest is 100."""
    if not loudness:
        return bytes(WAVEFORM_POINTS)
    count = len(loudness)
    means: list[float] = []
    for point in range(WAVEFORM_POINTS):
        first = point * count // WAVEFORM_POINTS
        last = max(first + 1, (point + 1) * count // WAVEFORM_POINTS)
        means.append(sum(loudness[first:last]) / (last - first))
    peak = max(means) or 1.0
    return bytes(round(_LOUDEST * mean / peak) for mean in means)
