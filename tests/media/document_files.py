"""Small documents of each family, made as the programs make them that people use."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

import pypdf

RELATIONS: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_WORD: Final = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_SHEET: Final = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_SLIDE: Final = (
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
    ' xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
)
_OASIS: Final = "urn:oasis:names:tc:opendocument:xmlns"
_ODF: Final = " ".join(
    f'xmlns:{name}="{_OASIS}:{of}:1.0"'
    for name, of in (
        ("office", "office"), ("text", "text"), ("table", "table"), ("draw", "drawing"),
        ("presentation", "presentation"),
    )
)  # fmt: skip

Parts = Mapping[str, str | bytes]


def zipped(parts: Parts, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as package:
        for name, content in parts.items():
            package.writestr(name, content)
    return buffer.getvalue()


def relations(*named: tuple[str, str]) -> str:
    """A part of relations: (kind, target) each, with the ids `rId1`, `rId2`, …"""
    lines = (
        f'<Relationship Id="rId{number}" Type="{RELATIONS}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(named, 1)
    )
    return f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{"".join(lines)}</Relationships>'


def office(main: str, parts: Parts) -> bytes:
    """An Office document whose main part has this name."""
    types = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
    return zipped({"[Content_Types].xml": types, "_rels/.rels": relations(("officeDocument", main)), **parts})


def paragraph(text: str) -> str:
    """A paragraph of a Word document."""
    return f'<w:p><w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'


def docx(body: str, beside: Parts | None = None, named: Sequence[tuple[str, str]] = ()) -> bytes:
    """A Word document: the XML of its body, other parts, and what the main part calls them."""
    main = f"<w:document {_WORD}><w:body>{body}</w:body></w:document>"
    return office(
        "word/document.xml",
        {"word/document.xml": main, "word/_rels/document.xml.rels": relations(*named), **(beside or {})},
    )


def word_part(root: str, body: str) -> str:
    """A part that stands beside the text, as a header does."""
    return f"<w:{root} {_WORD}>{body}</w:{root}>"


def xlsx(
    sheets: Mapping[str, str], strings: Iterable[str] = (), styles: str = "", setting: str = ""
) -> bytes:
    """A workbook: the XML of each sheet's rows by its name, shared strings, the inside of styles.xml."""
    listed = "".join(
        f'<sheet name="{escape(name)}" sheetId="{number}" r:id="rId{number}"/>'
        for number, name in enumerate(sheets, 1)
    )
    named = [("worksheet", f"worksheets/sheet{number}.xml") for number in range(1, len(sheets) + 1)]
    named += [("sharedStrings", "sharedStrings.xml"), ("styles", "/xl/styles.xml")]
    shared = "".join(f"<si><t>{escape(text)}</t></si>" for text in strings)
    inside = f"{setting}<sheets>{listed}</sheets>"
    parts = {
        "xl/workbook.xml": f'<workbook {_SHEET} xmlns:r="{RELATIONS}">{inside}</workbook>',
        "xl/_rels/workbook.xml.rels": relations(*named),
        "xl/sharedStrings.xml": f"<sst {_SHEET}>{shared}</sst>",
        "xl/styles.xml": f"<styleSheet {_SHEET}>{styles}</styleSheet>",
    }
    for number, rows in enumerate(sheets.values(), 1):
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f"<worksheet {_SHEET}><sheetData>{rows}</sheetData></worksheet>"
        )
    return office("xl/workbook.xml", parts)


def slide_paragraphs(*texts: str) -> str:
    """The shape of a slide with these paragraphs."""
    lines = "".join(f"<a:p><a:r><a:t>{escape(text)}</a:t></a:r></a:p>" for text in texts)
    return f"<p:sp><p:txBody>{lines}</p:txBody></p:sp>"


def pptx(slides: Sequence[str], notes: Mapping[int, str] | None = None) -> bytes:
    """A presentation: the XML of each slide's shapes, and of the notes to some, by number from 1."""
    ids = "".join(f'<p:sldId id="{255 + n}" r:id="rId{n}"/>' for n in range(1, len(slides) + 1))
    inside = f"<p:sldIdLst>{ids}</p:sldIdLst>"
    parts = {
        "ppt/presentation.xml": f'<p:presentation {_SLIDE} xmlns:r="{RELATIONS}">{inside}</p:presentation>',
        "ppt/_rels/presentation.xml.rels": relations(
            *(("slide", f"slides/slide{n}.xml") for n in range(1, len(slides) + 1))
        ),
    }
    for n, shapes in enumerate(slides, 1):
        parts[f"ppt/slides/slide{n}.xml"] = f"<p:sld {_SLIDE}>{shapes}</p:sld>"
    for n, shapes in (notes or {}).items():
        parts[f"ppt/notesSlides/notes{n}.xml"] = f"<p:notes {_SLIDE}>{shapes}</p:notes>"
        parts[f"ppt/slides/_rels/slide{n}.xml.rels"] = relations(
            ("notesSlide", f"../notesSlides/notes{n}.xml")
        )
    return office("ppt/presentation.xml", parts)


def opendocument(kind: str, body: str, beside: Parts | None = None) -> bytes:
    """An OpenDocument: `text`, `spreadsheet` or `presentation`, and the XML of its body."""
    inside = f"<office:body><office:{kind}>{body}</office:{kind}></office:body>"
    content = f"<office:document-content {_ODF}>{inside}</office:document-content>"
    mime_type = f"application/vnd.oasis.opendocument.{kind}"
    return zipped({"mimetype": mime_type, "content.xml": content, **(beside or {})})


def stream(content: bytes, more: bytes = b"") -> bytes:
    """A packed stream of a PDF."""
    packed = zlib.compress(content)
    return b"<< /Length %d /Filter /FlateDecode %s >>\nstream\n%s\nendstream" % (len(packed), more, packed)


def pdf(pages: Sequence[bytes | str], resources: bytes = b"", more: Sequence[bytes] = ()) -> bytes:
    """A PDF: the text of each page, or its content as bytes.

    Args:
        pages: A text's lines stand below one another.
        resources: Of each page, beside the font `/F`.
        more: Further objects; the first has the number 4.
    """
    first = 4 + len(more)
    kids = b" ".join(b"%d 0 R" % (first + 2 * number) for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d /MediaBox [0 0 595 842] >>" % (kids, len(pages)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        *more,
    ]
    for number, page in enumerate(pages):
        at = first + 2 * number
        held = b"<< /Font << /F 3 0 R >> %s >>" % resources
        objects.append(b"<< /Type /Page /Parent 2 0 R /Contents %d 0 R /Resources %s >>" % (at + 1, held))
        objects.append(stream(page if isinstance(page, bytes) else shown(page)))
    return _pdf_of(objects)


def shown(text: str) -> bytes:
    """The content of a page with this text."""
    lines = (
        line.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
        for line in text.split("\n")
    )
    return b"BT /F 12 Tf 14 TL 50 800 Td " + b"".join(b"(%s) Tj T* " % line for line in lines) + b"ET"


def picture_object(width: int, height: int, grey: bytes) -> bytes:
    """A grey picture for a PDF's page."""
    look = b"/Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceGray /BitsPerComponent 8"
    return stream(grey, look % (width, height))


def scanned_pdf(width: int, height: int, grey: bytes, text: str = "") -> bytes:
    """A PDF of one page that is a picture, as scanners make them."""
    content = b"q 595 0 0 842 0 0 cm /Scan Do Q " + (shown(text) if text else b"")
    return pdf([content], b"/XObject << /Scan 4 0 R >>", [picture_object(width, height, grey)])


def encrypted(password: str, text: str = "The deposit is 900 euros.") -> bytes:
    """A PDF that is encrypted with a password."""
    writer = pypdf.PdfWriter(io.BytesIO(pdf([text])))
    writer.encrypt(password, "owner", algorithm="AES-256")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def _pdf_of(objects: Iterable[bytes]) -> bytes:
    """A PDF of these objects, numbered from 1; the first is its catalog."""
    content, offsets = bytearray(b"%PDF-1.4\n"), list[int]()
    for number, each in enumerate(objects, 1):
        offsets.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    rows = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(offsets) + 1
    table = b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Root 1 0 R /Size %d >>\n" % (size, rows, size)
    return bytes(content) + table + b"startxref\n%d\n%%%%EOF\n" % len(content)
