"""The sound of a recording as recognisers want it: 16 kHz, one channel, in pieces cut where it is quiet.

By PyAV (extra `media`), in the process that reads files.
"""

from __future__ import annotations

import io
from array import array
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Final

from whatsapp_mcp.errors import TooLong
from whatsapp_mcp.features.reading.speech.recogniser import (
    LONGEST_RECORDING,
    PIECE_SECONDS,
    RATE,
    SAMPLE_BYTES,
)
from whatsapp_mcp.media import recordings

_FRAME: Final = RATE // 50
"""Samples of 20 ms."""
_SEARCHED: Final = 20 * RATE * SAMPLE_BYTES
"""The bytes at the end of a full piece in which a quiet place is looked for."""
_WINDOW: Final = RATE // 10 * SAMPLE_BYTES
_STRIDE: Final = 16
"""Stride in samples when loudness is measured."""
_BIT_RATE: Final = 24_000
_PIECE_BYTES: Final = PIECE_SECONDS * RATE * SAMPLE_BYTES


def pieces_of(file: BinaryIO) -> Iterator[bytes]:
    """The sound of a file: 16 kHz mono s16 in pieces of at most `PIECE_SECONDS`; together all of it.

    Raises:
        Unsupported: There is no readable sound, or PyAV is not installed.
        TooLong: It lasts over four hours.
    """
    with recordings.opened(file) as container:
        if (recordings.duration(container) or 0) > LONGEST_RECORDING:
            raise _too_long()
        yield from _cut(bytes(part.planes[0])[: part.samples * SAMPLE_BYTES] for part in _parts(container))


def opus_of(piece: bytes) -> bytes:
    """A piece as Opus in Ogg, which services of transcription take."""
    library = recordings.library()
    buffer = io.BytesIO()
    with library.open(buffer, "w", format="ogg") as output:
        stream = output.add_stream("libopus", rate=RATE, layout="mono", bit_rate=_BIT_RATE)
        for at in range(0, len(piece), _FRAME * SAMPLE_BYTES):
            samples = piece[at : at + _FRAME * SAMPLE_BYTES].ljust(_FRAME * SAMPLE_BYTES, b"\0")
            frame = library.AudioFrame(format="s16", layout="mono", samples=_FRAME)
            frame.planes[0].update(samples.ljust(frame.planes[0].buffer_size, b"\0"))
            frame.sample_rate, frame.pts = RATE, at // SAMPLE_BYTES
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def _parts(container: Any) -> Iterator[Any]:
    most = LONGEST_RECORDING * RATE // _FRAME
    for count, part in enumerate(recordings.sound(container, RATE, _FRAME)):
        if count >= most:
            raise _too_long()
        yield part


def _cut(sound: Iterable[bytes]) -> Iterator[bytes]:
    waiting = bytearray()
    for part in sound:
        waiting += part
        if len(waiting) >= _PIECE_BYTES:
            end = _quiet_place(waiting)
            yield bytes(waiting[:end])
            del waiting[:end]
    if waiting:
        yield bytes(waiting)


def _quiet_place(waiting: bytearray) -> int:
    """Return the place to cut: the middle of the quietest tenth of a second near a full piece's end."""
    starts = range(_PIECE_BYTES - _SEARCHED, _PIECE_BYTES - _WINDOW + 1, _WINDOW)
    quietest = min(starts, key=lambda start: _loudness(waiting[start : start + _WINDOW]))
    return quietest + _WINDOW // 2


def _loudness(samples: bytearray) -> int:
    return sum(map(abs, array("h", bytes(samples))[::_STRIDE]))


def _too_long() -> TooLong:
    return TooLong(
        f"Recordings of up to {LONGEST_RECORDING // 3600} hours are transcribed.",
        "Listen to it on the phone.",
    )
