"""Checks of the process that reads what files say, and of what transcribes speech."""

from __future__ import annotations

import struct
from typing import Final

import anyio

from whatsapp_mcp.cli.doctor import REINSTALL, Finding
from whatsapp_mcp.cli.outcome import advice
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.features.reading.readers import WRITING, ReaderOptions, open_reader, reads_words
from whatsapp_mcp.features.reading.speech.options import (
    SpeechOptions,
    sends_away,
    speech_options,
    why_no_speech,
)
from whatsapp_mcp.settings import Settings

_PICTURE: Final = bytes.fromhex("47494638396101000100800000ffffff0000002c00000000010001000002024401003b")
"""A GIF of one pixel."""
_SILENCE: Final = b"".join(
    (
        b"RIFF" + struct.pack("<I", 36 + 16_000) + b"WAVE",
        b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8_000, 8_000, 1, 8),
        b"data" + struct.pack("<I", 16_000) + b"\x80" * 16_000,
    )
)
"""Two seconds of it, as WAV."""


def documents() -> Finding:
    """Read a document, in the process that reads what files say."""
    words = reads_words()
    try:
        memory = anyio.run(_read_a_document, ReaderOptions(words=words))
    except WhatsAppError as error:
        return Finding("reading", False, error.message, REINSTALL)
    what = f"documents and words in pictures are read ({WRITING})" if words else "documents are read"
    missing = "" if words else "; words in pictures need the extra `ocr`"
    taken = f"; the process takes {memory / 1e6:.0f} MB" if memory else ""
    return Finding("reading", True, f"{what}{missing}{taken}")


async def _read_a_document(options: ReaderOptions) -> int | None:
    """Read a line of text and look for words in a picture; return the process's memory in bytes."""
    async with open_reader(options) as reader:
        await reader.document(b"Words")
        if options.words:
            await reader.picture(_PICTURE)
        return reader.memory


def speech(loaded: Settings) -> Finding:
    """Check the speech engine. A local model transcribes silence; nothing is sent anywhere."""
    try:
        missing = why_no_speech(loaded)
        if missing is not None:
            if loaded.voice.engine == "off":  # somebody has decided that
                return Finding("speech", True, missing.message.removesuffix("."))
            is_wanted = loaded.voice.engine != "auto"
            return Finding("speech", not is_wanted, missing.message, advice(missing.code, missing.action))
        options = speech_options(loaded)
        if (away := sends_away(loaded)) is not None:
            return Finding("speech", True, away.removesuffix("."))
        return Finding("speech", True, f"transcribed here by {anyio.run(_transcribe_silence, options)}")
    except WhatsAppError as error:
        return Finding("speech", False, error.message, advice(error.code, error.action))


async def _transcribe_silence(speech: SpeechOptions | None) -> str:
    """The name of the engine that found nothing in two seconds of silence."""
    async with open_reader(ReaderOptions(speech=speech)) as reader:
        return (await reader.recording(_SILENCE)).engine
