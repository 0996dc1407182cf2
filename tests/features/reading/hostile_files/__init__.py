"""Documents that are made to do harm, of every kind that is read: bombs, loops, lies about sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from tests.features.reading.hostile_files import office, pdfs, texts
from tests.media import document_files as make
from tests.media.hostile_files import HostileFile, Kind, damaged, zips

__all__ = ["damaged_documents", "hostile_documents"]


def hostile_documents() -> Iterator[HostileFile]:
    """All that are made one by one; each is made when it is asked for, since some are large."""
    for family in (pdfs, office, zips, texts):
        yield from family.files()


def damaged_documents(each: int, seed: int = 1) -> Iterator[HostileFile]:
    """So many damaged ones of each family."""
    yield from damaged.files(_samples(), each, seed)


@cache
def _samples() -> Mapping[str, tuple[Kind, bytes]]:
    """A small document of each family."""
    words = "The deposit is 900 euros.\n" * 5
    grid = '<row r="1"><c r="A1" t="s"><v>0</v></c><c><v>1</v></c></row>' * 5
    cells = "<table:table-row><table:table-cell><text:p>a</text:p></table:table-cell></table:table-row>"
    documents = {
        "PDF": make.pdf([words, words]),
        "encrypted PDF": make.encrypted("", "words"),
        "Word": make.docx(make.paragraph(words) * 5),
        "Excel": make.xlsx({"A": grid}, ["a"]),
        "PowerPoint": make.pptx([make.slide_paragraphs(words)] * 2),
        "OpenDocument": make.opendocument("spreadsheet", f"<table:table>{cells * 5}</table:table>"),
        "ZIP": make.zipped({"a": "b" * 99, "c/d": "e"}),
        "text": words.encode("utf-16"),
        "CSV": b'a,"b ""c""",d\n' * 20,
        "vCard": b"BEGIN:VCARD\nFN:Ann\nTEL;TYPE=CELL:1\nNOTE;ENCODING=QUOTED-PRINTABLE:=41=\n b\nEND:VCARD\n"
        * 3,
        "iCalendar": b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260101T100000Z\nSUMMARY:a\nEND:VEVENT\nEND:VCALENDAR\n",
        "RTF": rb"{\rtf1{\fonttbl{\f0 A;}}\pard a\'fc\u8364?\par {\b c}}" * 3,
    }
    return {family: (Kind.DOCUMENT, content) for family, content in documents.items()}
