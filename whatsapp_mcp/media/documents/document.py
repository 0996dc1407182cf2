"""What a family of documents gives: its pages, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from whatsapp_mcp.models import Passage

PART_CHARACTERS: Final = 4_000
"""About a page: where a document has none of its own, its text is divided into parts of this size."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was opened.

    Attributes:
        passages: Its pages; each is read when it is asked for.
        engine: What reads it.
        count: How many there are, where that is known before they are read.
    """

    passages: Iterator[Passage]
    engine: str
    count: int | None = None


def parts(lines: Iterable[str], title: str | None = None) -> Iterator[Passage]:
    """A text without pages as passages of about a page, divided between lines; a longer line is divided."""
    held: list[str] = []
    size = 0
    for line in lines:
        for start in range(0, max(1, len(line)), PART_CHARACTERS):
            piece = line[start : start + PART_CHARACTERS]
            if held and size + len(piece) > PART_CHARACTERS:
                yield Passage("\n".join(held), title)
                held, size = [], 0
            held.append(piece)
            size += len(piece) + 1
    if any(held):
        yield Passage("\n".join(held), title)
