"""The sheets of an Excel workbook."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from whatsapp_mcp.features.reading.documents.document import Document, parts
from whatsapp_mcp.features.reading.documents.packages import Package
from whatsapp_mcp.features.reading.documents.relations import related, relations
from whatsapp_mcp.features.reading.documents.xml_events import Attributes, End, Start, events
from whatsapp_mcp.models import Passage

SHEETS: Final = 1_000
STRINGS: Final = 1_000_000
"""Texts that cells share."""
STRING_CHARACTERS: Final = 32_000_000
"""Most characters of all shared texts; any more mostly belong to sheets that are not read."""
GAP: Final = 20
"""Empty cells in a row that are shown as such."""
_STYLES: Final = 100_000
_DATE_FORMATS: Final = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
"""Formats of dates and times that every workbook has (ECMA-376, part 1, 18.8.30)."""
_LAST_DAY: Final = 2_958_466
"""31 December 9999."""


def open_workbook(package: Package, main: str) -> Document:
    """A workbook; a sheet is one or more passages with its name, a row is a line."""
    return Document(_passages(package, main), "xlsx")


def _passages(package: Package, main: str) -> Iterator[Passage]:
    named = relations(package, main)
    sheets, epoch = _sheets(package, main)
    strings = [text for part in related(named, "sharedStrings")[:1] for text in _strings(package, part)]
    dates = [is_date for part in related(named, "styles")[:1] for is_date in _date_styles(package, part)]
    for name, identifier in sheets:
        if identifier in named:
            rows = _Rows(strings, dates, epoch)
            yield from parts(_lines(package, named[identifier].part, rows), name)


def _sheets(package: Package, main: str) -> tuple[list[tuple[str, str]], datetime]:
    """The names and relations of the sheets in their order, and the day that dates count from."""
    sheets: list[tuple[str, str]] = []
    epoch = datetime(1899, 12, 30)  # noqa: DTZ001  a wall clock, as all dates in workbooks
    for event in events(package.chunks(main)):
        if not isinstance(event, Start):
            continue
        if event.name == "sheet" and len(sheets) < SHEETS:
            sheets.append((event.attributes.get("name", ""), event.attributes.get("r:id", "")))
        elif event.name == "workbookPr" and event.attributes.get("date1904") in {"1", "true"}:
            epoch = datetime(1904, 1, 1)  # noqa: DTZ001
    return sheets, epoch


def _strings(package: Package, part: str) -> Iterator[str]:
    """The texts that cells share, without how they are pronounced."""
    pieces: list[str] = []
    is_text, is_reading, count, left = False, False, 0, STRING_CHARACTERS
    for event in events(package.chunks(part)):
        if isinstance(event, str):
            if is_text and not is_reading:
                pieces.append(event)
        elif event.name == "t":
            is_text = isinstance(event, Start)
        elif event.name == "rPh":
            is_reading = isinstance(event, Start)
        elif event.name == "si" and isinstance(event, End):
            text = "".join(pieces)
            pieces.clear()
            count, left = count + 1, left - len(text)
            if count > STRINGS or left < 0:
                return
            yield text


def _date_styles(package: Package, part: str) -> Iterator[bool]:
    """Yield for each cell style whether it shows a date or a time."""
    custom: dict[str, bool] = {}
    is_cells, count = False, 0
    for event in events(package.chunks(part)):
        if event == End("cellXfs"):
            return
        if not isinstance(event, Start):
            continue
        if event.name == "numFmt" and len(custom) < _STYLES:
            custom[event.attributes.get("numFmtId", "")] = _shows_date(event.attributes.get("formatCode", ""))
        elif event.name == "cellXfs":
            is_cells = True
        elif event.name == "xf" and is_cells and count < _STYLES:
            count += 1
            number = event.attributes.get("numFmtId", "")
            yield custom.get(number, number.isdecimal() and int(number[:9]) in _DATE_FORMATS)


def _shows_date(code: str) -> bool:
    """Return whether a number format has a year, a day or an hour outside of quoted text."""
    plain = "".join(code[:1_000].split('"')[::2]).lower()
    bare = "".join(piece.partition("]")[2] if at else piece for at, piece in enumerate(plain.split("[")))
    return any(letter in bare.replace("\\d", "") for letter in "ydh")


def _lines(package: Package, part: str, rows: _Rows) -> Iterator[str]:
    for event in events(package.chunks(part)):
        if isinstance(event, str):
            rows.add(event)
        elif isinstance(event, Start):
            rows.start(event.name, event.attributes)
        else:
            line = rows.end(event.name)
            if line:
                yield line


class _Rows:
    """The rows of a sheet as lines."""

    def __init__(self, strings: list[str], dates: list[bool], epoch: datetime) -> None:
        self._strings = strings
        self._dates = dates
        self._epoch = epoch
        self._cells: list[str] = []
        self._column = 0
        self._kind = ""
        self._is_date = False
        self._value: list[str] = []
        self._is_value = False

    def start(self, name: str, attributes: Attributes) -> None:
        """An element begins."""
        if name == "row":
            self._cells, self._column = [], 0
        elif name == "c":
            self._begin_cell(attributes)
        elif name in {"v", "t"}:
            self._is_value = True

    def add(self, text: str) -> None:
        """Text between elements."""
        if self._is_value:
            self._value.append(text)

    def end(self, name: str) -> str:
        """An element ends; the line of a row when it is one."""
        if name in {"v", "t"}:
            self._is_value = False
        elif name == "c":
            self._cells.append(" ".join(self._shown("".join(self._value)).split()))
        elif name == "row":
            return " | ".join(self._cells).rstrip(" |")
        return ""

    def _begin_cell(self, attributes: Attributes) -> None:
        column = column_of(attributes.get("r", "")) or self._column + 1
        gap = min(GAP, column - self._column - 1)
        self._cells += [""] * gap
        self._column = column
        self._kind = attributes.get("t", "n")
        style = attributes.get("s", "")
        index = int(style) if style.isdecimal() and len(style) < 7 else len(self._dates)
        self._is_date = index < len(self._dates) and self._dates[index]
        self._value = []

    def _shown(self, value: str) -> str:
        """Return the text of the cell, approximately as it is shown."""
        if self._kind == "s":
            index = int(value) if value.isdecimal() and len(value) < 9 else len(self._strings)
            return self._strings[index] if index < len(self._strings) else ""
        if self._kind == "b":
            return {"1": "TRUE", "0": "FALSE"}.get(value, value)
        return number_text(value, self._epoch if self._is_date else None) if self._kind == "n" else value


def column_of(reference: str) -> int:
    """The number of a cell's column, A being 1; 0 if it tells none."""
    letters = reference.rstrip("0123456789")
    number = 0
    for letter in letters[:4]:
        if not "A" <= letter <= "Z":
            return 0
        number = number * 26 + ord(letter) - 64
    return number


def number_text(value: str, epoch: datetime | None = None) -> str:
    """A number without what binary fractions add to it; with an epoch, the date and time that it means."""
    try:
        number = float(value[:40])
    except ValueError:
        return value
    if epoch is None or not 0 <= number < _LAST_DAY:
        return format(number, ".15g")
    day, seconds = divmod(round(number * 86_400), 86_400)
    try:
        moment = epoch + timedelta(days=day, seconds=seconds)
    except OverflowError:
        return format(number, ".15g")
    if day == 0:
        return f"{moment:%H:%M}"
    return f"{moment:%Y-%m-%d %H:%M}" if seconds else f"{moment:%Y-%m-%d}"
