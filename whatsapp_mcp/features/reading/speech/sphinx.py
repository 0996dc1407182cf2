"""Speech by PocketSphinx: English only, and rough. Its model is inside its package (extra `pocketsphinx`).

It finds short, clearly spoken sentences; of a conversation it gets a part of the words. It is for tests and
for people who want nothing else, so nothing chooses it but the setting `voice.engine`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.features.reading.speech.recogniser import RATE, SAMPLE_BYTES, Segment, Transcript

_LANGUAGE: Final = "en"
_UTTERANCE_BYTES: Final = 30 * RATE * SAMPLE_BYTES
"""Most bytes of speech without a pause; longer speech is decoded in parts, as the decoder keeps a whole
utterance."""


class Sphinx:
    """The recogniser."""

    name = "pocketsphinx"
    working_bytes = 0

    def __init__(self) -> None:
        """Load the model.

        Raises:
            Unsupported: The package is not installed.
        """
        try:
            import pocketsphinx
        except ImportError as error:
            raise Unsupported(
                "PocketSphinx needs the extra `pocketsphinx`.",
                "Install whatsapp-mcp with the extra `pocketsphinx`.",
            ) from error
        self._library: Any = pocketsphinx
        self._decoder: Any = pocketsphinx.Decoder(loglevel="FATAL", samprate=RATE)

    def transcribe(self, pieces: Iterable[bytes], language: str | None) -> Transcript:
        """Implement `Recogniser.transcribe` for English; other languages come out as English words."""
        if language not in (None, _LANGUAGE):
            raise Unsupported("PocketSphinx recognises English only.", "Set another voice.engine.")
        return Transcript(_LANGUAGE, tuple(self._segments(pieces)))

    def _segments(self, pieces: Iterable[bytes]) -> Iterator[Segment]:
        endpointer: Any = self._library.Endpointer(sample_rate=RATE)
        said = bytearray()
        start = 0.0
        for at, frame, is_last in _frames(pieces, endpointer.frame_bytes):
            speech = endpointer.end_stream(frame) if is_last else endpointer.process(frame)
            if speech is None:
                continue
            if not said:
                start = endpointer.speech_start
            said += speech
            is_long = len(said) >= _UTTERANCE_BYTES
            if is_long or not endpointer.in_speech:
                end = at + endpointer.frame_length if endpointer.in_speech else endpointer.speech_end
                yield from self._decoded(bytes(said), start, end)
                said.clear()

    def _decoded(self, said: bytes, start: float, end: float) -> Iterator[Segment]:
        self._decoder.start_utt()
        # As a whole, so that its loudness is measured over all of it and not over what another person said.
        self._decoder.process_raw(said, full_utt=True)
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        if hypothesis is not None and hypothesis.hypstr:
            yield Segment(start, end, hypothesis.hypstr)


def _frames(pieces: Iterable[bytes], size: int) -> Iterator[tuple[float, bytes, bool]]:
    """Frames of one size, with the second at which they begin; the last, which may be shorter, is marked."""
    waiting = bytearray()
    start = 0.0
    length = size / SAMPLE_BYTES / RATE
    for piece in pieces:
        waiting += piece
        while len(waiting) > size:
            yield start, bytes(waiting[:size]), False
            del waiting[:size]
            start += length
    yield start, bytes(waiting), True
