"""Plain text and tables of it (CSV, TSV), in the encodings that people's programs write."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from typing import BinaryIO, Final

from whatsapp_mcp.errors import TooLong, Unsupported
from whatsapp_mcp.features.reading.documents.document import DOWNLOAD, Document, parts

_CODECS: Final = tuple(map(codecs.lookup, "cp1252 utf-8-sig utf-16 utf-16-le utf-16-be utf-32".split()))
"""Loaded now: once the reading process is confined nothing can be."""
TEXT_BYTES: Final = 8_000_000
"""Most bytes read of a text file; more than a reading holds, in any encoding."""
_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE: Final = 4_096
_CONTROLS: Final = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b"))
_TAB_TYPE: Final = "text/tab-separated-values"
_TABLE_TYPES: Final = frozenset({"text/csv", "application/csv", _TAB_TYPE})
_DELIMITERS: Final = ",;\t|"
_FIELD: Final = 100_000
"""Characters of one field of a table."""
csv.field_size_limit(_FIELD)


def text_of(file: BinaryIO) -> str:
    """The text of a file, in the encoding that it shows to have.

    Raises:
        Unsupported: It is no text.
    """
    file.seek(0)
    content = file.read(TEXT_BYTES)
    encoding = _encoding(content)
    if encoding is None:
        raise Unsupported("The file is neither text nor a document that is read here.", DOWNLOAD)
    return content.decode(encoding, "replace")


def open_text(text: str) -> Document:
    """A text, in parts of a page; a form feed begins one, too."""
    pages = text.split("\f", 10_000) if "\f" in text else [text]
    return Document((part for page in pages for part in parts(_lines(page))), "text")


def is_table(mime_type: str, file_name: str) -> bool:
    """Return whether the sender declares a text to be a table, by MIME type or file name."""
    return mime_type in _TABLE_TYPES or file_name.lower().endswith((".csv", ".tsv", ".tab"))


def open_table(text: str) -> Document:
    """A table: a line for each row, ` | ` between its fields.

    What separates them in the file is what the first line has most of.
    """
    first = text[:_SAMPLE].lstrip().partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    return Document(parts(_rows(text, delimiter)), "csv")


def row_line(fields: list[str]) -> str:
    """A row of a table as a line."""
    return " | ".join(" ".join(field.split()) for field in fields)


def _lines(text: str) -> Iterator[str]:
    # `splitlines` would make an object of each at once.
    return (line.rstrip("\n") for line in io.StringIO(text, newline=None))


def _rows(text: str, delimiter: str) -> Iterator[str]:
    # The reader takes a line that ends inside a quoted field together with the next.
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            yield row_line(row)
    except csv.Error:
        raise TooLong(f"The table has a field of more than {_FIELD:,} characters.", DOWNLOAD) from None


def _encoding(content: bytes) -> str | None:
    """The encoding of a text; None for what is none.

    What has no mark and is not UTF-8 is Windows-1252: nothing tells it from other encodings of its kind.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return encoding
    sample = content[:_SAMPLE]
    if 0 in sample:
        return _without_mark(sample)
    try:
        # Not to its end, which may lie inside a character.
        codecs.getincrementaldecoder("utf-8")().decode(content)
    except UnicodeDecodeError:
        return None if sample.translate(None, _CONTROLS) != sample else "cp1252"
    return "utf-8"


def _without_mark(sample: bytes) -> str | None:
    """UTF-16 shows by every other byte being 0, in scripts whose first block it is."""
    half = max(1, len(sample) // 2)
    high, low = sample[0::2].count(0), sample[1::2].count(0)
    if low > 0.7 * half and high == 0:
        return "utf-16-le"
    return "utf-16-be" if high > 0.7 * half and low == 0 else None
