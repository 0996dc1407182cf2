"""What can be read here."""

from __future__ import annotations

import importlib.util
from typing import Final

from whatsapp_mcp.features.reading.readers.options import ReaderOptions
from whatsapp_mcp.models import ReadingKind

WRITING: Final = "Latin letters, Chinese and Japanese"
"""What can be read in pictures, as sentences name it."""


def available(options: ReaderOptions) -> frozenset[ReadingKind]:
    """What a reading process that loads this reads; its speech may be a service's."""
    found = {ReadingKind.DOCUMENT}
    if options.words:
        found.add(ReadingKind.PICTURE)
    if options.speech is not None:
        found.add(ReadingKind.TRANSCRIPT)
    return frozenset(found)


def reads_words() -> bool:
    """Whether words in pictures can be read here: the extra `ocr` is installed."""
    return importlib.util.find_spec("rapidocr") is not None
