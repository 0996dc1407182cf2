"""Kinds of readings that are available here."""

from __future__ import annotations

import importlib.util
from typing import Final

from whatsapp_mcp.features.reading.readers.options import ReaderOptions
from whatsapp_mcp.models import ReadingKind

WRITING: Final = "Latin letters, Chinese and Japanese"
"""Scripts that are recognised in pictures, as messages name them."""


def available(options: ReaderOptions) -> frozenset[ReadingKind]:
    """Return the kinds that a process with these options reads; a service may transcribe the speech."""
    kinds = {ReadingKind.DOCUMENT}
    if options.words:
        kinds.add(ReadingKind.PICTURE)
    if options.speech is not None:
        kinds.add(ReadingKind.TRANSCRIPT)
    return frozenset(kinds)


def reads_words() -> bool:
    """Return whether words in pictures can be read: the extra `ocr` is installed."""
    return importlib.util.find_spec("rapidocr") is not None
