"""The jobs on speech: `transcribe`, and `sound_in_pieces` for an engine that runs elsewhere."""

from __future__ import annotations

import io
import struct
from typing import Any, BinaryIO, Final

from whatsapp_mcp.errors import Busy, Unsupported, WhatsAppError
from whatsapp_mcp.features.reading.readers import limits
from whatsapp_mcp.features.reading.readers.passages import transcribed
from whatsapp_mcp.features.reading.speech.models import model_in
from whatsapp_mcp.features.reading.speech.options import SpeechOptions
from whatsapp_mcp.features.reading.speech.recogniser import RATE, Recogniser, timed
from whatsapp_mcp.features.reading.speech.sound import opus_of, pieces_of
from whatsapp_mcp.features.reading.speech.sphinx import Sphinx
from whatsapp_mcp.features.reading.speech.whisper import Whisper
from whatsapp_mcp.media.job import Job, Outcome, done

# Half a second of silence as WAV.
_SOUND: Final = b"".join(
    (
        b"RIFF" + struct.pack("<I", 36 + RATE) + b"WAVE",
        b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16),
        b"data" + struct.pack("<I", RATE) + bytes(RATE),
    )
)


def loaded(speech: SpeechOptions) -> tuple[dict[str, Job], int]:
    """The jobs with this engine, and the memory that they may take beside what is loaded now.

    An engine that cannot be loaded leaves a job that says so: documents are read all the same.
    """
    jobs: dict[str, Job]
    memory = limits.MEMORY_BYTES
    if speech.engine == "service":
        jobs = {"sound_in_pieces": sound_in_pieces}
    else:
        try:
            recogniser = _recogniser(speech)
        except Unsupported as error:
            # Of the engine, not of the file: it may be repaired.
            return {"transcribe": _failing(Busy(error.message, error.action))}, memory
        jobs = {"transcribe": transcribing(recogniser)}
        memory += recogniser.working_bytes
    for job in jobs.values():
        done(job, io.BytesIO(_SOUND), {"language": None})
    return jobs, memory


def transcribing(recogniser: Recogniser) -> Job:
    """The job `transcribe` of an engine: what is said in a recording. Option: `language`, or null."""

    def transcribe(file: BinaryIO, options: dict[str, Any]) -> Outcome:
        transcript = recogniser.transcribe(pieces_of(file), options["language"])
        return transcribed(transcript, recogniser.name)

    return transcribe


def sound_in_pieces(file: BinaryIO, options: dict[str, Any]) -> Outcome:
    """The sound of a recording as pieces of Opus in Ogg: for each its start in seconds and its bytes."""
    facts: list[tuple[float, int]] = []
    content = bytearray()
    for start, piece in timed(pieces_of(file)):
        encoded = opus_of(piece)
        facts.append((start, len(encoded)))
        content += encoded
    return {"pieces": facts}, bytes(content)


def _recogniser(speech: SpeechOptions) -> Recogniser:
    if speech.engine == "pocketsphinx":
        return Sphinx()
    model = model_in(speech.model) if speech.model is not None else None
    if model is None:
        raise Unsupported(
            "The model of speech is not installed.",
            "Tell the user to run `whatsapp-mcp voice install`.",
        )
    return Whisper(model)


def _failing(error: WhatsAppError) -> Job:
    def fail(file: BinaryIO, options: dict[str, Any]) -> Outcome:
        raise error

    return fail
