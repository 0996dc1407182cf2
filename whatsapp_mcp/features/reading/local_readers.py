"""Readers that are available on this machine."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TYPE_CHECKING

from whatsapp_mcp.device.files import Readers
from whatsapp_mcp.errors import Unsupported, WhatsAppError
from whatsapp_mcp.features.reading.readers import ReaderOptions, available, open_reader, reads_words
from whatsapp_mcp.features.reading.speech.options import speech_options, why_no_speech
from whatsapp_mcp.models import ReadingKind

if TYPE_CHECKING:
    from whatsapp_mcp.features.reading.readers import Reader
    from whatsapp_mcp.settings import Settings


def open_document_reader() -> AbstractAsyncContextManager[Reader]:
    """A reader of documents alone."""
    return open_reader(ReaderOptions())


def readers_of(settings: Settings) -> Readers:
    """Return the readers that settings and installed extras provide; may wait for a keyring."""
    try:
        speech, why = speech_options(settings), why_no_speech(settings)
    except WhatsAppError as error:  # its key cannot be had
        speech, why = None, error
    options = ReaderOptions(words=reads_words(), speech=speech)
    remote = frozenset({ReadingKind.TRANSCRIPT} if speech is not None and speech.service else ())
    missing = partial(_missing, speech=why)
    return Readers(available(options), partial(open_reader, options), missing, options, remote)


def _missing(kind: ReadingKind, speech: WhatsAppError | None) -> WhatsAppError:
    if kind is ReadingKind.TRANSCRIPT and speech is not None:
        return speech
    return Unsupported(
        "The words in pictures are not recognised here.",
        "Look at it with download_media, or tell the user: install whatsapp-mcp with the extra `ocr`.",
    )
