"""The text of a Word document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from whatsapp_mcp.features.reading.documents.document import PART_CHARACTERS, Document, parts
from whatsapp_mcp.features.reading.documents.packages import Package
from whatsapp_mcp.features.reading.documents.relations import related, relations
from whatsapp_mcp.features.reading.documents.xml_events import Attributes, End, Start, events
from whatsapp_mcp.models import Passage

_RELATED_PARTS: Final = {
    "header": "Headers",
    "footer": "Footers",
    "footnotes": "Footnotes",
    "endnotes": "Endnotes",
    "comments": "Comments",
}
"""Parts that stand beside the text, by their kind, with the title of their passage."""
_BESIDE_PARTS: Final = 50
"""Most parts of each kind."""
_SAID_TWICE: Final = frozenset({"Fallback"})
"""Elements that repeat their neighbour for older programs."""
_MARKS: Final = {"tab": "\t", "cr": "\n", "noBreakHyphen": "-", "ptab": "\t"}
_PAGE: Final = 2 * PART_CHARACTERS
"""Characters of a page whose end the document does not tell."""


def open_word(package: Package, main: str) -> Document:
    """A Word document whose text is in the part `main`.

    Its pages are those that Word saw when it saved it; other programs do not say where they end.
    """
    return Document(_passages(package, main), "docx")


def _passages(package: Package, main: str) -> Iterator[Passage]:
    for page in _pages(package, main):
        yield from parts(page, size=_PAGE)
    named = relations(package, main)
    for kind, title in _RELATED_PARTS.items():
        lines = (
            line
            for part in related(named, kind)[:_BESIDE_PARTS]
            for page in _pages(package, part)
            for line in page
        )
        yield from parts(_without_repeats(lines), title)


def _without_repeats(lines: Iterator[str]) -> Iterator[str]:
    """Each line once: three headers of a document often say the same."""
    seen: set[str] = set()
    for line in lines:
        if line.strip() and line not in seen:
            seen.add(line)
            yield line


def _pages(package: Package, part: str) -> Iterator[list[str]]:
    """The lines of each page."""
    text = _Text()
    for event in events(package.chunks(part)):
        if isinstance(event, str):
            text.add(event)
        elif isinstance(event, Start):
            text.start(event.name, event.attributes)
        else:
            text.end(event)
        if text.finished_pages:
            yield from text.finished_pages
            text.finished_pages.clear()
    yield text.rest()


class _Text:
    """Paragraphs as lines; a row of a table is one line."""

    def __init__(self) -> None:
        self.finished_pages: list[list[str]] = []
        self._lines: list[str] = []
        self._size = 0
        self._pieces: list[str] = []
        self._rows: list[list[list[str]]] = []
        self._is_text = False
        self._skipped = 0

    def start(self, name: str, attributes: Attributes) -> None:
        """An element begins."""
        if self._skipped or name in _SAID_TWICE:
            self._skipped += 1
        elif name == "t":
            self._is_text = True
        elif (name == "br" and attributes.get("type") == "page") or name == "lastRenderedPageBreak":
            self._end_page()
        elif name == "br":
            self._pieces.append("\n")
        elif name == "numPr" and not self._pieces:
            self._pieces.append("- ")
        elif name == "tr":
            self._rows.append([])
        elif name == "tc" and self._rows:
            self._rows[-1].append([])
        elif name in _MARKS and not (name == "tab" and "val" in attributes):
            self._pieces.append(_MARKS[name])

    def end(self, event: End) -> None:
        """An element ends."""
        if self._skipped:
            self._skipped -= 1
        elif event.name == "t":
            self._is_text = False
        elif event.name == "p":
            self._end_paragraph()
        elif event.name == "tr" and self._rows:
            self._end_row()

    def add(self, text: str) -> None:
        """Text between elements."""
        if self._is_text and not self._skipped:
            self._pieces.append(text)

    def rest(self) -> list[str]:
        """The lines of the last page."""
        return self._lines

    def _end_paragraph(self) -> None:
        text = "".join(self._pieces)
        self._pieces.clear()
        if not self._rows:
            self._line(text)
        elif self._rows[-1] and text.strip():
            self._rows[-1][-1].append(" ".join(text.split()))

    def _end_row(self) -> None:
        line = " | ".join(" ".join(cell) for cell in self._rows.pop())
        if self._rows and self._rows[-1]:  # of a table inside a cell
            self._rows[-1][-1].append(line)
        elif not self._rows:
            self._line(line)

    def _line(self, text: str) -> None:
        self._lines.append(text)
        self._size += len(text) + 1
        if self._size > _PAGE:
            self._finish()

    def _end_page(self) -> None:
        # A break stands inside a paragraph: what came before it is on the page that ends.
        if self._rows:
            return
        if any(piece.strip() for piece in self._pieces):
            self._line("".join(self._pieces))
            self._pieces.clear()
        if any(line.strip() for line in self._lines):
            self._finish()

    def _finish(self) -> None:
        self.finished_pages.append(self._lines)
        self._lines, self._size = [], 0
