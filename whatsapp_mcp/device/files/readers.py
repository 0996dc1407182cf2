"""What can read files here at the moment."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from whatsapp_mcp.errors import Unsupported, WhatsAppError
from whatsapp_mcp.media import (
    ReaderOptions,
    available,
    open_reader,
    reads_words,
    speech_options,
    why_no_speech,
)
from whatsapp_mcp.models import ReadingKind

if TYPE_CHECKING:
    from whatsapp_mcp.media import Source
    from whatsapp_mcp.models import FileReading
    from whatsapp_mcp.settings import Settings


class FileReader(Protocol):
    """What reads: `media.Reader`."""

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
    """What can read here at the moment.

    Attributes:
        kinds: What can be read.
        open: Opens it; its process is started by the first file.
        missing: Says why something else cannot be read.
        options: With what it is opened: if that changes, it has to be opened again.
        remote: What is read elsewhere: a refusal may be no fault of the file, so it is never final.
    """

    kinds: frozenset[ReadingKind]
    open: Callable[[], AbstractAsyncContextManager[FileReader]] = field(compare=False)
    missing: Callable[[ReadingKind], WhatsAppError] = field(compare=False)
    options: object = None
    remote: frozenset[ReadingKind] = frozenset()


def readers_of(settings: Settings) -> Readers:
    """What can read here with these settings and what is installed; it may wait for a keyring."""
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
