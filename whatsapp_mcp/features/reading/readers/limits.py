"""Limits on how much of a file is read, and on the cost of reading."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from whatsapp_mcp.features.reading.speech.recogniser import LONGEST_RECORDING
from whatsapp_mcp.media.worker import Limits

PASSAGES: Final = 2_000
CHARACTERS: Final = 1_000_000
"""Most characters of a whole reading, as search folds them: a ligature counts as the letters that it stands
for."""
PASSAGE_CHARACTERS: Final = 200_000
TITLE_CHARACTERS: Final = 200
ENGINE_CHARACTERS: Final = 100
LANGUAGE_CHARACTERS: Final = 16

DOCUMENT_BYTES: Final = 100_000_000
DOCUMENT_SECONDS: Final = 25.0
"""Most seconds of the clock, and of the processor; a document that takes longer is cut off there. A page that
alone takes longer than `DOCUMENT` allows ends the reading."""
SCAN_SECONDS: Final = 90.0
"""The same where the words in scanned pages are recognised, which takes seconds a page."""

_OUTPUT: Final = 6_000_000
"""Bytes of a reading as JSON in UTF-8: a character, of a title too, takes four at most."""
_SOUND_OUTPUT: Final = 64_000_000
"""Bytes of the longest recording as Opus for a service."""
DOCUMENT: Final = Limits(seconds=60.0, cpu_seconds=40, output_bytes=_OUTPUT)
SCANNED_DOCUMENT: Final = Limits(seconds=180.0, cpu_seconds=240, output_bytes=_OUTPUT)
"""Limits of a document whose scanned pages are recognised."""
PICTURE: Final = Limits(seconds=60.0, cpu_seconds=100, output_bytes=_OUTPUT)

START_SECONDS: Final = 120.0
"""Until the process is ready: at the lowest priority, models take a while to load."""
MEMORY_BYTES: Final = 640 * 1024 * 1024
"""Most bytes of memory for reading a document, beside the loaded libraries."""
MODEL_MEMORY_BYTES: Final = 2 * 1024 * 1024 * 1024
"""The same where a model for words is loaded; one for speech tells itself what it needs."""


def recording_limits(duration: float | None) -> Limits:
    """Return the limits of a transcription: four times the duration in seconds, at least two minutes.

    The processor's time may be more than the clock's: recognisers use several processors.
    """
    seconds = max(120.0, 4.0 * min(LONGEST_RECORDING, duration or LONGEST_RECORDING))
    return Limits(seconds=seconds, cpu_seconds=int(4 * seconds), output_bytes=_OUTPUT)


def sound_limits(duration: float | None) -> Limits:
    """Return the limits of extracting sound for a service: the time of a transcription."""
    return replace(recording_limits(duration), output_bytes=_SOUND_OUTPUT)
