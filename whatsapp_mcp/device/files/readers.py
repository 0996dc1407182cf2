"""Interface of the device to the readers of files: whether they would read one, and how they are opened."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from whatsapp_mcp.errors import Unsupported, WhatsAppError
from whatsapp_mcp.models import MessageKind, ReadingKind

if TYPE_CHECKING:
    from whatsapp_mcp.media import Source
    from whatsapp_mcp.models import FileReading

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
"""Kind of reading of a document, by the first part of its media type."""
_NO_DOCUMENT: Final = frozenset(
    "7z aab apk bin bz2 deb dll dmg eot epub exe gz img iso jar mobi msi otf pkg psd rar rpm sqlite tar tgz"
    " ttf woff woff2 xz zst".split()
)
"""Endings of files whose content is never text that is read here."""


class FileReader(Protocol):
    """Reader of documents, pictures and recordings."""

    @property
    def memory(self) -> int | None:
        """Bytes of memory of its process; None while there is none."""
        ...

    def paused(self) -> AbstractContextManager[None]:
        """Pauses its process, where that is possible, for as long as the body runs."""
        ...

    async def document(self, source: Source, mime_type: str | None, file_name: str | None) -> FileReading:
        """The text of a document."""
        ...

    async def picture(self, source: Source) -> FileReading:
        """The words in a picture."""
        ...

    async def recording(self, source: Source, *, duration: float | None) -> FileReading:
        """The transcript of a recording."""
        ...


@dataclass(frozen=True)
class Readers:
    """The readers that are available at the moment.

    Attributes:
        kinds: What can be read.
        open: Opens it; its process is started by the first file.
        missing: Says why something else cannot be read.
        options: With what it is opened: if that changes, it has to be opened again.
        remote: What is read elsewhere: a refusal may be no fault of the file, so it is never final.
    """

    kinds: frozenset[ReadingKind]
    # Functions are made anew at each look: whether the readers have changed, the other fields say.
    open: Callable[[], AbstractAsyncContextManager[FileReader]] = field(compare=False)
    missing: Callable[[ReadingKind], WhatsAppError] = field(compare=False)
    options: object = None
    remote: frozenset[ReadingKind] = frozenset()


class _NoReader:
    """Reads nothing."""

    memory: int | None = None

    def paused(self) -> AbstractContextManager[None]:
        return nullcontext()

    async def document(self, source: Source, mime_type: str | None, file_name: str | None) -> FileReading:
        raise _nothing_reads(ReadingKind.DOCUMENT)

    async def picture(self, source: Source) -> FileReading:
        raise _nothing_reads(ReadingKind.PICTURE)

    async def recording(self, source: Source, *, duration: float | None) -> FileReading:
        raise _nothing_reads(ReadingKind.TRANSCRIPT)


def _nothing_reads(kind: ReadingKind) -> Unsupported:
    return Unsupported("Files are not read here.", "Get the file with download_media.")


NO_READERS: Final = Readers(frozenset(), lambda: nullcontext(_NoReader()), _nothing_reads)
"""The readers of a device on which files are not read."""


def readable(kind: MessageKind, mime_type: str | None, file_name: str | None) -> ReadingKind | None:
    """Return the kind of reading for a message's file, going by the message; None if it is not read.

    What a document is shows when it is read; one that turns out to be nothing that is read is `Unsupported`.
    """
    if kind is not MessageKind.DOCUMENT:
        return _BY_KIND.get(kind)
    family = (mime_type or "").partition("/")[0].lower()
    if family in _BY_TYPE:
        return _BY_TYPE[family]
    ending = (file_name or "").rpartition(".")[2].lower()
    return None if ending in _NO_DOCUMENT else ReadingKind.DOCUMENT
