"""The interface of speech engines: each takes sound in pieces and returns the words with their times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

RATE: Final = 16_000
"""Samples of a second; each is a signed 16-bit integer, little-endian, of one channel."""
SAMPLE_BYTES: Final = 2
LONGEST_RECORDING: Final = 4 * 3600
"""Seconds; what is longer is not transcribed."""
PIECE_SECONDS: Final = 300
"""Most seconds of sound that an engine gets at once."""
_PAUSE_SECONDS: Final = 1.0
_PASSAGE_SECONDS: Final = 30.0


class Segment(NamedTuple):
    """Words, and the seconds from the beginning of the recording between which they were said."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """The words spoken in a recording; no segments if nobody speaks.

    Attributes:
        language: As ISO 639-1 (`de`); None where the engine does not tell.
    """

    language: str | None
    segments: tuple[Segment, ...]


class Recogniser(Protocol):
    """An engine with its model loaded. It opens no file and no connection any more."""

    @property
    def name(self) -> str:
        """The engine and its model: `whisper small`."""
        ...

    @property
    def working_bytes(self) -> int:
        """Memory that it may need beside its model and what decoding takes."""
        ...

    def transcribe(self, pieces: Iterable[bytes], language: str | None) -> Transcript:
        """Recognise speech.

        Args:
            pieces: The sound, 16 kHz mono s16, one piece after the other without a gap, each at most
                `PIECE_SECONDS` long.
            language: The language that is spoken, as ISO 639-1; None: the engine finds out.

        Raises:
            Unsupported: The engine does not know the language.
        """
        ...


def timed(pieces: Iterable[bytes]) -> Iterator[tuple[float, bytes]]:
    """Each piece with the second at which it begins."""
    samples = 0
    for piece in pieces:
        yield samples / RATE, piece
        samples += len(piece) // SAMPLE_BYTES


def without_pauses(segments: Iterable[Segment]) -> list[Segment]:
    """Segments joined to what was said without a pause, half a minute of it at most."""
    joined: list[Segment] = []
    for segment in segments:
        text = " ".join(segment.text.split())
        if not text:
            continue
        before = joined[-1] if joined else None
        if (
            before is not None
            and segment.start - before.end < _PAUSE_SECONDS
            and segment.end - before.start <= _PASSAGE_SECONDS
        ):
            joined[-1] = Segment(before.start, max(before.end, segment.end), f"{before.text} {text}")
        else:
            joined.append(Segment(segment.start, segment.end, text))
    return joined
