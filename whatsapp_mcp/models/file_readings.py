"""Text read in the files of messages: text of documents, words in pictures, transcripts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

EXCERPT: Final = 300
"""Characters of a reading that a list shows."""
SHOWN_WITH: Final = 400
"""Characters after those that are shown: they may announce a one-time code that stands among them."""


class ReadingKind(StrEnum):
    """The kind of source that a text was read from."""

    DOCUMENT = "document"
    PICTURE = "picture"
    TRANSCRIPT = "transcript"


@dataclass(frozen=True, slots=True)
class Passage:
    """A page, slide, sheet or entry of a document; what was said without a pause; a whole picture.

    Attributes:
        text: What was read, in lines.
        title: What the document calls it: the name of a sheet, of a file in a ZIP.
        start: Seconds from the beginning of a recording.
    """

    text: str
    title: str | None = None
    start: float | None = None


@dataclass(frozen=True, slots=True)
class FileReading:
    """Everything that was read in a file.

    Attributes:
        passages: In their order; page 1 is the first.
        engine: What read it: `pypdf`, `rapidocr`, `whisper small`, …
        language: Of a transcript, as ISO 639-1 (`de`); None where it is not known.
        passages_in_file: How many there are at least, if the rest was over a limit; else None.
        cut: Whether a passage lost its end to a limit.
    """

    kind: ReadingKind
    passages: tuple[Passage, ...]
    engine: str
    language: str | None = None
    passages_in_file: int | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class ReadingExcerpt:
    """The beginning of a reading, as lists show it beside the message.

    Attributes:
        text: Its first characters, `EXCERPT` and `SHOWN_WITH`; what separates passages is a space.
        passages: How many there are; 0 where no word was read.
        cut: There is more.
    """

    kind: ReadingKind
    text: str
    passages: int
    language: str | None = None
    cut: bool = False


class FileStep(StrEnum):
    """A step in the handling of a file, which may fail."""

    FETCH = "fetch"
    READ = "read"


@dataclass(frozen=True, slots=True)
class FileProblem:
    """Why the file of a message is not here, or is not read.

    Attributes:
        code: Of the error (`MEDIA_UNAVAILABLE`, `UNSUPPORTED`, `TOO_LONG`, …).
        sentence: What it said; of our own words alone.
        attempts: How often it was tried.
        at: Milliseconds since 1970 of the last try.
        final: Trying again would not help.
    """

    step: FileStep
    code: str
    sentence: str
    attempts: int
    at: int
    final: bool


@dataclass(frozen=True, slots=True)
class FilesStatus:
    """Progress of fetching and reading files.

    Attributes:
        to_fetch: Files that wait to be fetched.
        to_read: Files that wait to be read.
        failed: Files that cannot be fetched or read, for good.
        kept_bytes: What files take that were fetched by themselves.
        paused: Why nothing is fetched at the moment; None when something may be.
        reader_bytes: Memory of the process that reads; None while there is none.
    """

    to_fetch: int = 0
    to_read: int = 0
    failed: int = 0
    kept_bytes: int = 0
    paused: str | None = None
    reader_bytes: int | None = None

    @property
    def progress(self) -> str | None:
        """The waiting and the failed files, in words; None if there are none."""
        counts = ((self.to_fetch, "to fetch"), (self.to_read, "to read"), (self.failed, "failed"))
        said = ", ".join(f"{count} {what}" for count, what in counts if count)
        return f"{said}; paused: {self.paused}" if said and self.paused else said or None
