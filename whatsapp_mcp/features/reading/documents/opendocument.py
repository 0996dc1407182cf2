"""Documents of LibreOffice and others (OpenDocument 1.3): texts, spreadsheets, presentations, drawings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from whatsapp_mcp.features.reading.documents.document import PART_CHARACTERS, Document, parts, protected
from whatsapp_mcp.features.reading.documents.packages import Package
from whatsapp_mcp.features.reading.documents.xml_events import Attributes, Start, events
from whatsapp_mcp.models import Passage

CONTENT: Final = "content.xml"
MIME_TYPES: Final = b"application/vnd.oasis.opendocument."
"""Beginning of the part `mimetype` of every OpenDocument package."""
_MANIFEST: Final = "META-INF/manifest.xml"
_SKIPPED: Final = frozenset({"tracked-changes", "forms", "scripts", "font-face-decls", "automatic-styles"})
_PARAGRAPHS: Final = frozenset({"p", "h"})
_REPEATED: Final = 20
"""Most times that a repeated cell or space is shown."""
_PAGE: Final = 2 * PART_CHARACTERS


def open_opendocument(package: Package) -> Document:
    """The document in a package.

    Raises:
        Unsupported: It is protected with a password.
    """
    for event in events(package.chunks(_MANIFEST)):
        if isinstance(event, Start) and event.name == "encryption-data":
            raise protected()
    return Document(_passages(package), "opendocument")


def _passages(package: Package) -> Iterator[Passage]:
    content = _Content()
    for event in events(package.chunks(CONTENT)):
        if isinstance(event, str):
            content.add(event)
        elif isinstance(event, Start):
            content.start(event.name, event.attributes)
        else:
            content.end(event.name)
        if content.finished:
            yield from _divided(content)
            content.finished.clear()
    content.finish()
    yield from _divided(content)


def _divided(content: _Content) -> Iterator[Passage]:
    """Passages of what is finished: each slide is one, sheets and texts are divided."""
    for title, lines in content.finished:
        if title is None or content.is_spreadsheet:
            yield from parts(lines, title, _PAGE if title is None else PART_CHARACTERS)
        else:
            yield Passage("\n".join(lines), title)


class _Content:
    """Pages: titles, and paragraphs and rows as lines."""

    def __init__(self) -> None:
        self.finished: list[tuple[str | None, list[str]]] = []
        self._lines: list[str] = []
        self._size = 0
        self._title: str | None = None
        self._paragraphs: list[list[str]] = []
        self._rows: list[list[str]] = []
        self._cells: list[list[str]] = []
        self._repeats: list[int] = []
        self.is_spreadsheet = False
        self._is_notes = False
        self._skipped = 0

    def start(self, name: str, attributes: Attributes) -> None:
        """An element begins."""
        if self._skipped or name in _SKIPPED:
            self._skipped += 1
        elif name in _PARAGRAPHS:
            self._paragraphs.append([])
        elif self._paragraphs and name in {"tab", "line-break", "s"}:
            self._paragraphs[-1].append(_space(name, attributes))
        elif name == "table-row":
            self._rows.append([])
        elif name in {"table-cell", "covered-table-cell"} and self._rows:
            self._cells.append([])
            self._repeats.append(_count(attributes.get("number-columns-repeated", "")))
        else:
            self._begin(name, attributes)

    def end(self, name: str) -> None:
        """An element ends."""
        if self._skipped:
            self._skipped -= 1
        elif name in _PARAGRAPHS and self._paragraphs:
            self._paragraph("".join(self._paragraphs.pop()))
        elif name in {"table-cell", "covered-table-cell"} and self._cells:
            cell = " ".join(self._cells.pop())
            self._rows[-1].extend([cell] * self._repeats.pop())
        elif name == "table-row" and self._rows:
            self._row(" | ".join(self._rows.pop()).rstrip(" |"))
        elif name == "page" or (name == "table" and self.is_spreadsheet):
            self.finish()
            self._title = None
        elif name == "notes":
            self._is_notes = False

    def add(self, text: str) -> None:
        """Text between elements; outside of paragraphs it is indentation."""
        if self._paragraphs and not self._skipped:
            self._paragraphs[-1].append(text)

    def finish(self) -> None:
        """A page ends."""
        self.finished.append((self._title, self._lines))
        self._lines, self._size = [], 0

    def _begin(self, name: str, attributes: Attributes) -> None:
        if name == "spreadsheet":
            self.is_spreadsheet = True
        elif name == "page" or (name == "table" and self.is_spreadsheet):
            self._title = attributes.get("name", "")
        elif name == "soft-page-break" and not self._rows:
            self.finish()
        elif name == "notes":
            self._is_notes = True

    def _paragraph(self, text: str) -> None:
        if self._cells:
            self._cells[-1].append(" ".join(text.split()))
        elif self._paragraphs:  # a note or a frame inside another paragraph
            self._paragraphs[-1].append(f" [{text}] " if text.strip() else "")
        else:
            self._line(f"Notes: {text}" if self._is_notes and text.strip() else text)

    def _row(self, line: str) -> None:
        if self._cells:  # a table inside a cell
            self._cells[-1].append(line)
        elif line:
            self._line(line)

    def _line(self, text: str) -> None:
        self._lines.append(text)
        self._size += len(text) + 1
        if self._size > _PAGE:
            self.finish()


def _space(name: str, attributes: Attributes) -> str:
    if name == "s":
        return " " * _count(attributes.get("c", ""))
    return "\t" if name == "tab" else "\n"


def _count(value: str) -> int:
    return min(_REPEATED, int(value[:9])) if value.isdecimal() else 1
