"""Hostile documents of Office and of OpenDocument programs."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from tests.media import document_files
from tests.media.document_files import docx, opendocument, paragraph, pptx, relations, xlsx, zipped
from tests.media.hostile_files.hostile_file import HostileFile, Kind, deflated
from tests.media.hostile_files.zips import Entry, made_of


def main_part(content: str | bytes) -> bytes:
    """A Word document with this main part."""
    return document_files.office("d.xml", {"d.xml": content})


def text_of(body: str) -> bytes:
    """A text of LibreOffice."""
    return opendocument("text", body)


def sheet_of(body: str) -> bytes:
    """A spreadsheet of LibreOffice."""
    return opendocument("spreadsheet", f'<table:table table:name="A">{body}</table:table>')


def part_of_a_gigabyte(name: str, unit: bytes) -> bytes:
    """An Office document one of whose parts unpacks to a gigabyte, and says that it is small."""
    rels = relations(("officeDocument", "d.xml")).encode()
    return made_of(
        Entry(b"[Content_Types].xml", b"<Types/>", 8, 0, crc=0x6EF2F9C9),
        Entry(b"_rels/.rels", rels, len(rels), 0, crc=zlib.crc32(rels)),
        Entry(name.encode(), deflated(1000, unit), 1_000_000),
    )


def nested(element: str, levels: int, inside: str) -> str:
    """An element inside itself, so many times."""
    name = element.split()[0]
    return f"<{element}>" * levels + inside + f"</{name}>" * levels


def same_slide(count: int) -> bytes:
    """A presentation that shows one large slide again and again."""
    shown = '<sldId id="1" r:id="rId1"/>' * count
    main = f'<presentation xmlns:r="{document_files.RELATIONS}">{shown}</presentation>'
    slide = document_files.slide_paragraphs(*["word " * 100] * 500)
    return rezipped(pptx([slide]), {"ppt/presentation.xml": main})


def rezipped(made: bytes, changed: document_files.Parts, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A package in which some parts are others."""
    with zipfile.ZipFile(io.BytesIO(made)) as package:
        parts: dict[str, str | bytes] = {name: package.read(name) for name in package.namelist()}
    return zipped({**parts, **changed}, method)


def stored(made: bytes) -> bytes:
    """A package in which nothing is packed: no ratio gives it away."""
    return rezipped(made, {}, zipfile.ZIP_STORED)


def rows(count: int, cells: str) -> str:
    """Equal rows of a sheet."""
    return f"<row>{cells}</row>" * count


WORD: Final[dict[str, Callable[[], bytes]]] = {
    "a text that unpacks to a gigabyte": lambda: part_of_a_gigabyte("d.xml", b" "),
    "paragraphs that unpack to a gigabyte": lambda: part_of_a_gigabyte("d.xml", b"<p><t>a</t></p>"),
    "a million paragraphs": lambda: docx("<w:p><w:r><w:t>a</w:t></w:r></w:p>" * 1_000_000),
    "a million empty paragraphs": lambda: docx("<w:p/>" * 2_000_000),
    "a paragraph of 20 million letters": lambda: docx(paragraph("word " * 4_000_000)),
    "paragraphs inside paragraphs": lambda: docx(nested("w:p", 100_000, "")),
    "tables inside tables": lambda: docx(nested("w:tbl", 120, nested("w:tr", 1, nested("w:tc", 1, "")))),
    "rows inside rows": lambda: docx(nested("w:tr", 250, nested("w:tc", 200, paragraph("a")))),
    "a row of a million cells": lambda: docx(f"<w:tr>{'<w:tc><w:p/></w:tc>' * 1_000_000}</w:tr>"),
    "a cell of 500,000 paragraphs": lambda: docx(
        f"<w:tr><w:tc>{'<w:p><w:t>ab</w:t></w:p>' * 500_000}</w:tc></w:tr>"
    ),
    "500,000 page breaks": lambda: docx('<w:p><w:t>a</w:t><w:br w:type="page"/></w:p>' * 300_000),
    "entities that grow": lambda: main_part(
        "<!DOCTYPE d [<!ENTITY a0 'ha'>"
        + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10))
        + "]><document><p><t>&a9;</t></p></document>"
    ),
    "an entity that is a file": lambda: main_part(
        "<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><document><p><t>&x;</t></p></document>"
    ),
    "a document type that is elsewhere": lambda: main_part(
        "<!DOCTYPE d SYSTEM 'http://127.0.0.1:1/a.dtd'><document/>"
    ),
    "an attribute of 10 MB": lambda: main_part(f"<document a='{'x' * 10_000_000}'/>"),
    "a hundred thousand attributes": lambda: main_part(
        "<document" + "".join(f' a{n}=""' for n in range(100_000)) + "/>"
    ),
    "a name of a megabyte": lambda: main_part(f"<{'d' * 1_000_000}/>"),
    "a hundred thousand namespaces": lambda: main_part(
        "<document>" + "".join(f'<a xmlns="u:{n}"/>' for n in range(100_000)) + "</document>"
    ),
    "a comment of 50 MB": lambda: main_part(f"<document><!--{'x' * 50_000_000}--></document>"),
    "half of a surrogate pair": lambda: main_part("<document><p><t>&#xD800;</t></p></document>"),
    "control characters": lambda: main_part("<document><p><t>a&#0;\x1b\x07</t></p></document>"),
    "UTF-7": lambda: main_part(b"<?xml version='1.0' encoding='UTF-7'?><document>+ADw-p+AD4-</document>"),
    "an encoding that nobody knows": lambda: main_part(b"<?xml version='1.0' encoding='x-evil'?><document/>"),
    "an encoding of several bytes": lambda: main_part(b"<?xml version='1.0' encoding='gbk'?><document/>"),
    "its text as UTF-16": lambda: main_part(
        "<document><p><t>\ud83d\ude00 a</t></p></document>".encode("utf-16", "surrogatepass")
    ),
    "a main part that is missing": lambda: zipped(
        {"[Content_Types].xml": "<Types/>", "_rels/.rels": relations(("officeDocument", "none.xml"))}
    ),
    "a main part that is itself beside itself": lambda: docx(
        paragraph("a"), named=[("header", "document.xml")] * 500
    ),
    "ten thousand headers": lambda: docx(
        paragraph("a"),
        {"word/h.xml": document_files.word_part("hdr", paragraph("word " * 50) * 200)},
        [("header", "h.xml")] * 10_000,
    ),
    "two hundred thousand relations": lambda: docx(paragraph("a"), named=[("header", "h.xml")] * 200_000),
    "a part without its end": lambda: docx(paragraph("a" * 9_000))[:300],
}
EXCEL: Final[dict[str, Callable[[], bytes]]] = {
    "every cell there can be": lambda: xlsx(
        {"A": '<dimension ref="A1:XFD1048576"/><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'}
    ),
    "a million rows that begin at the end": lambda: xlsx({"A": rows(300_000, '<c r="XFD1"><v>1</v></c>')}),
    "a million cells in a row": lambda: xlsx({"A": rows(1, "<c><v>1</v></c>" * 1_000_000)}),
    "two million empty rows": lambda: xlsx({"A": "<row/>" * 2_000_000}),
    "a million shared texts": lambda: xlsx(
        {"A": rows(1, '<c t="s"><v>7</v></c>')}, ("word" for _ in range(1_200_000))
    ),
    "a shared text of 20 MB in each cell": lambda: xlsx(
        {"A": rows(2_000, '<c t="s"><v>0</v></c>')}, ["word " * 4_000_000]
    ),
    "shared texts that are not there": lambda: xlsx(
        {"A": rows(1, '<c t="s"><v>-1</v></c><c t="s"><v>99999999999999999999</v></c><c t="s"><v>x</v></c>')}
    ),
    "ten thousand sheets": lambda: xlsx({f"{n}": rows(1, "<c><v>1</v></c>") for n in range(10_000)}),
    "a million styles": lambda: xlsx(
        {"A": rows(1, '<c s="999999"><v>1</v></c>')}, styles=f"<cellXfs>{'<xf/>' * 1_000_000}</cellXfs>"
    ),
    "numbers that are none": lambda: xlsx(
        {
            "A": rows(
                1, "".join(f'<c s="0"><v>{value}</v></c>' for value in ("1e999", "nan", "-inf", "9" * 5_000))
            )
        },
        styles='<cellXfs><xf numFmtId="14"/></cellXfs>',
    ),
    "a format of a megabyte": lambda: xlsx(
        {"A": rows(1, '<c s="0"><v>1</v></c>')},
        styles=f'<numFmts><numFmt numFmtId="200" formatCode="{"[" * 900_000}"/></numFmts>'
        '<cellXfs><xf numFmtId="200"/></cellXfs>',
    ),
    "columns that nobody has": lambda: xlsx(
        {"A": rows(1, '<c r="ZZZZZZZ1"><v>1</v></c><c r="a\u0661"><v>1</v></c>')}
    ),
    "formulas that ask for files": lambda: xlsx(
        {"A": rows(1, '<c><f>WEBSERVICE("http://127.0.0.1:1")</f><v>1</v></c><c><f>cmd|"/c calc"!A1</f></c>')}
    ),
}
POWERPOINT: Final[dict[str, Callable[[], bytes]]] = {
    "one slide 50,000 times": lambda: same_slide(50_000),
    "notes that are the slide": lambda: rezipped(
        pptx([document_files.slide_paragraphs("a")]),
        {"ppt/slides/_rels/slide1.xml.rels": relations(*[("notesSlide", "slide1.xml")] * 1_000)},
    ),
    "slides that are not there": lambda: rezipped(
        pptx(["", ""]), {"ppt/_rels/presentation.xml.rels": relations(("slide", "a.xml"), ("slide", "b.xml"))}
    ),
    "500,000 paragraphs on a slide": lambda: pptx(["<a:p><a:t>a</a:t></a:p>" * 500_000]),
    "a table of a million cells": lambda: pptx([f"<a:tr>{'<a:tc/>' * 1_000_000}</a:tr>"]),
}
LIBREOFFICE: Final[dict[str, Callable[[], bytes]]] = {
    "two billion equal rows": lambda: sheet_of(
        '<table:table-row table:number-rows-repeated="2147483647"><table:table-cell'
        ' table:number-columns-repeated="2147483647"><text:p>a</text:p></table:table-cell></table:table-row>'
    ),
    "two billion spaces": lambda: text_of('<text:p>a<text:s text:c="2147483647"/>b</text:p>' * 1_000),
    "counts that are none": lambda: text_of(
        '<text:p>a<text:s text:c="-5"/><text:s text:c="\u0661"/>b</text:p>'
    ),
    "a million repeated cells": lambda: sheet_of(
        "<table:table-row>"
        + '<table:table-cell table:number-columns-repeated="9"><text:p>ab</text:p></table:table-cell>'
        * 500_000
        + "</table:table-row>"
    ),
    "notes inside notes": lambda: text_of(nested("text:p", 400, "a")),
    "paragraphs 100,000 deep": lambda: text_of(nested("text:p", 100_000, "a")),
    "tables inside cells": lambda: sheet_of(
        nested("table:table-row", 120, nested("table:table-cell", 2, "<text:p>a</text:p>"))
    ),
    "a million page breaks": lambda: text_of("<text:soft-page-break/>" * 1_000_000 + "<text:p>a</text:p>"),
    "a kind that unpacks to a gigabyte": lambda: made_of(
        Entry(b"content.xml", b"", 0, 0), Entry(b"mimetype", deflated(1000), 9)
    ),
    "a list of parts that unpacks to a gigabyte": lambda: made_of(
        Entry(
            b"mimetype",
            b"application/vnd.oasis.opendocument.text",
            39,
            0,
            crc=zlib.crc32(b"application/vnd.oasis.opendocument.text"),
        ),
        Entry(b"content.xml", b"<a/>", 4, 0, crc=zlib.crc32(b"<a/>")),
        Entry(b"META-INF/manifest.xml", deflated(1000, b" "), 999_999_999),
    ),
}


_STORED: Final = frozenset(
    {
        "a million paragraphs",
        "a million empty paragraphs",
        "a paragraph of 20 million letters",
        "a row of a million cells",
        "a cell of 500,000 paragraphs",
        "500,000 page breaks",
        "an attribute of 10 MB",
        "a comment of 50 MB",
        "a million rows that begin at the end",
        "a million cells in a row",
        "two million empty rows",
        "a million shared texts",
        "a shared text of 20 MB in each cell",
        "500,000 paragraphs on a slide",
        "a million repeated cells",
        "a million page breaks",
    }
)
"""What its ratio gives away when it is packed."""


def files() -> Iterator[HostileFile]:
    """All of them."""
    families = {"Word": WORD, "Excel": EXCEL, "PowerPoint": POWERPOINT, "OpenDocument": LIBREOFFICE}
    for family, members in families.items():
        for name, made in members.items():
            yield HostileFile(Kind.DOCUMENT, family, name, made)
        for name in sorted(_STORED & members.keys()):
            unpacked = partial(_stored, members[name])
            yield HostileFile(Kind.DOCUMENT, family, f"{name}, not packed", unpacked)


def _stored(made: Callable[[], bytes]) -> bytes:
    return stored(made())
