"""The common form of an opened document: its pages, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.models import Passage

DOWNLOAD: Final = "Get the file itself with download_media."
"""Action suggested for a file that is not read."""
PART_CHARACTERS: Final = 4_000
"""About a page: where a document has none of its own, its text is divided into parts of this size."""


def no_text() -> Unsupported:
    """The refusal of a document in which no word was found."""
    return Unsupported("The document contains no text.", DOWNLOAD)


def protected() -> Unsupported:
    """The refusal of an encrypted document."""
    return Unsupported(
        "The document is protected with a password.", "Tell the user; the sender can send it without one."
    )


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was opened.

    Attributes:
        passages: Its pages; each is read when it is asked for.
        engine: What reads it.
        count: How many there are, where that is known before they are read.
        why_empty: The refusal if none of them had a word.
    """

    passages: Iterator[Passage]
    engine: str
    count: int | None = None
    why_empty: Callable[[], Unsupported] = no_text


def parts(lines: Iterable[str], title: str | None = None, size: int = PART_CHARACTERS) -> Iterator[Passage]:
    """A text without pages as passages of about a page, divided between lines; a longer line is divided.

    Args:
        lines: Of the text.
        title: Of each of them.
        size: Characters of each, at most.
    """
    held: list[str] = []
    taken = 0
    for line in lines:
        for start in range(0, max(1, len(line)), size):
            piece = line[start : start + size]
            if held and taken + len(piece) > size:
                yield Passage("\n".join(held), title)
                held, taken = [], 0
            held.append(piece)
            taken += len(piece) + 1
    if any(held):
        yield Passage("\n".join(held), title)
