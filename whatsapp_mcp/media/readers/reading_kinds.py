"""Which files can be read, and which of them here."""

from __future__ import annotations

import importlib.util
from typing import Final

from whatsapp_mcp.media.readers.options import ReaderOptions
from whatsapp_mcp.models import MessageKind, ReadingKind

_BY_KIND: Final = {
    MessageKind.IMAGE: ReadingKind.PICTURE,
    MessageKind.VIDEO: ReadingKind.TRANSCRIPT,
    MessageKind.AUDIO: ReadingKind.TRANSCRIPT,
    MessageKind.VOICE: ReadingKind.TRANSCRIPT,
}
_BY_TYPE: Final = {
    "image": ReadingKind.PICTURE,
    "video": ReadingKind.TRANSCRIPT,
    "audio": ReadingKind.TRANSCRIPT,
}
"""Of a document, by the first part of its media type."""
_NO_DOCUMENT: Final = frozenset(
    "7z aab apk bin bz2 deb dll dmg eot epub exe gz img iso jar mobi msi otf pkg psd rar rpm sqlite tar tgz"
    " ttf woff woff2 xz zst".split()
)
"""Endings of files whose content is never text that is read here."""


WRITING: Final = "Latin letters, Chinese and Japanese"
"""What can be read in pictures, as sentences name it."""


def readable(kind: MessageKind, mime_type: str | None, file_name: str | None) -> ReadingKind | None:
    """What the file of a message would be read as, going by what its message says; None: not at all.

    What a document is shows when it is read; one that turns out to be nothing that is read is `Unsupported`.
    """
    if kind is not MessageKind.DOCUMENT:
        return _BY_KIND.get(kind)
    family = (mime_type or "").partition("/")[0].lower()
    if family in _BY_TYPE:
        return _BY_TYPE[family]
    ending = (file_name or "").rpartition(".")[2].lower()
    return None if ending in _NO_DOCUMENT else ReadingKind.DOCUMENT


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
