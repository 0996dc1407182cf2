"""Speech by Whisper models, with faster-whisper on the processor (extra `voice`).

The library would download what is missing. So only a folder whose files were checked is given to it, with all
files that it asks for.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any, Final

from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.features.reading.speech.languages import code_of
from whatsapp_mcp.features.reading.speech.models import Model
from whatsapp_mcp.features.reading.speech.recogniser import RATE, Segment, Transcript, timed
from whatsapp_mcp.system import working_in

_MOST_THREADS: Final = 4
_FULL_SCALE: Final = 32_768.0
_TEMPERATURES: Final = (0.0, 0.4, 0.8)
"""Temperatures of decoding: a noisy result is retried with the second and the third; the library retries five
times."""


class Whisper:
    """The recogniser.

    Args:
        model: An installed model; its files are checked against their digests first.
    """

    def __init__(self, model: Model) -> None:
        """Load the model, and use it once: what the library loads or starts at first use is there then.

        Raises:
            Unsupported: The extra is not installed, or the model is damaged.
        """
        model.check()
        self._name = f"whisper {model.name}"
        self._working_bytes = model.weights_bytes
        # Intel's library finds itself only in a folder that exists, and that of the reading process is gone.
        with working_in(model.folder):
            self._numpy, self._model = _loaded(model)
            self._rehearse()

    @property
    def name(self) -> str:
        """`whisper` and the name of the model."""
        return self._name

    @property
    def working_bytes(self) -> int:
        """Memory for decoding in bytes: the size of the weights file.

        What it works with grows with the model: keys and values of five beams or samples.
        Decoding included, 844 MB of addresses were measured with weights of 536 MB.
        """
        return self._working_bytes

    def transcribe(self, pieces: Iterable[bytes], language: str | None) -> Transcript:
        """Implement `Recogniser.transcribe`; if unset, the language is that of the first spoken piece."""
        if language is not None and language not in self._model.supported_languages:
            raise Unsupported(
                f"The model {self._name} does not know this language.", "Set another voice.language, or none."
            )
        segments: list[Segment] = []
        for start, piece in timed(pieces):
            piece_segments, spoken = self._piece(piece, language)
            segments += [Segment(start + each.start, start + each.end, each.text) for each in piece_segments]
            if segments:
                language = spoken
        return Transcript(code_of(language) if segments else None, tuple(segments))

    def _piece(self, piece: bytes, language: str | None, **options: Any) -> tuple[list[Segment], str]:
        samples = self._numpy.frombuffer(piece, "<i2").astype(self._numpy.float32) / _FULL_SCALE
        # Without the filter, Whisper invents sentences where nobody speaks.
        options = {
            "vad_filter": True,
            "condition_on_previous_text": False,
            "temperature": _TEMPERATURES,
            **options,
        }
        segments, info = self._model.transcribe(samples, language=language, **options)
        return list(_kept(segments)), info.language

    def _rehearse(self) -> None:
        silence = bytes(2 * RATE)
        self._piece(silence, None)
        self._piece(silence, None, vad_filter=False, max_new_tokens=1, temperature=0.0)


def _loaded(model: Model) -> tuple[Any, Any]:
    """NumPy, and the model."""
    try:
        import faster_whisper
        import numpy
    except ImportError as error:
        raise Unsupported(
            "Whisper needs the extra `voice`.", "Install whatsapp-mcp with the extra `voice`."
        ) from error
    try:
        loaded = faster_whisper.WhisperModel(
            str(model.folder),
            device="cpu",
            compute_type="int8",
            cpu_threads=max(1, min(_MOST_THREADS, (os.cpu_count() or 2) // 2)),
            local_files_only=True,
        )
    except (RuntimeError, ValueError, OSError) as error:
        raise model.unusable("it cannot be loaded") from error
    return numpy, loaded


def _kept(segments: Iterable[Any]) -> Iterator[Segment]:
    for each in segments:
        yield Segment(float(each.start), float(each.end), str(each.text))
