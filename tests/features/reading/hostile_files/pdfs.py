"""Hostile PDFs."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Final

from tests.media.document_files import encrypted, pdf, picture_object, scanned_pdf, stream
from tests.media.hostile_files.hostile_file import HostileFile, Kind, zlib_bomb
from whatsapp_mcp.features.reading.readers.samples import pdf_of

CATALOG: Final = b"<< /Type /Catalog /Pages 2 0 R >>"
PAGE: Final = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> >> >>"
FONT: Final = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
TEXT: Final = b"BT /F 12 Tf 9 9 Td (words) Tj ET"


def raw(content: bytes, filters: bytes = b"") -> bytes:
    """A stream as it is."""
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), filters, content)


def one_page(content: bytes, page: bytes = PAGE, font: bytes = FONT, *more: bytes) -> bytes:
    """A PDF of one page: the object of its content, of the page, of the font."""
    return pdf_of([CATALOG, b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>", page, content, font, *more])


def with_pages(pages: bytes, *more: bytes) -> bytes:
    """A PDF with this root of the tree of pages."""
    return pdf_of([CATALOG, pages, PAGE, stream(TEXT), FONT, *more])


def forms(calls: int, levels: int) -> bytes:
    """A page with forms of which each shows the next so many times."""
    objects: list[bytes] = []
    for level in range(levels):
        following = 6 + level + 1 if level + 1 < levels else 6
        objects.append(
            stream(
                b"/X Do " * calls,
                b"/Type /XObject /Subtype /Form /BBox [0 0 9 9]"
                b" /Resources << /XObject << /X %d 0 R >> >>" % following,
            )
        )
    page = PAGE.replace(b"/Resources <<", b"/Resources << /XObject << /X 6 0 R >>")
    return one_page(stream(b"/X Do " + TEXT), page, FONT, *objects)


def cross_references(table: bytes, previous: bytes = b"") -> bytes:
    """A PDF with another table of where its objects are."""
    content = pdf(["words"])
    start = content.rindex(b"xref\n0")
    content = content[:start] + table
    return content + b"trailer\n<< /Root 1 0 R /Size 9 %s >>\nstartxref\n%d\n%%%%EOF\n" % (previous, start)


def object_stream_loop() -> bytes:
    """Objects in a stream of objects that stands in itself."""
    body = b"%PDF-1.5\n"
    inside = b"1 0 2 40 << /Type /Catalog /Pages 2 0 R >>              << /Type /Pages /Kids [] /Count 0 >>"
    body += (
        b"3 0 obj\n<< /Type /ObjStm /N 2 /First 9 /Extends 3 0 R /Length %d >>\nstream\n%s\nendstream\nendobj\n"
        % (
            len(inside),
            inside,
        )
    )
    table = len(body)
    rows = b"".join(
        bytes([kind, *place.to_bytes(2), number])
        for kind, place, number in ((0, 0, 0), (2, 3, 0), (2, 3, 1), (2, 3, 0), (1, table, 0))
    )
    body += (
        b"4 0 obj\n<< /Type /XRef /W [1 2 1] /Size 5 /Root 1 0 R /Prev %d /Length %d >>\nstream\n%s\nendstream\nendobj\n"
        % (table, len(rows), rows)
    )
    return body + b"startxref\n%d\n%%%%EOF\n" % table


def chain(levels: int) -> bytes:
    """A tree of pages that is a chain."""
    objects = [
        b"<< /Type /Pages /Kids [%d 0 R] /Count 1 /Parent %d 0 R >>" % (6 + number, 4 + number)
        for number in range(levels)
    ]
    return with_pages(b"<< /Type /Pages /Kids [6 0 R] /Count 1 >>", *objects)


def mapped(cmap: bytes) -> bytes:
    """A page whose font maps its letters by this."""
    font = b"<< /Type /Font /Subtype /Type0 /BaseFont /A /Encoding /Identity-H /ToUnicode 6 0 R >>"
    return one_page(stream(b"BT /F 12 Tf <00010002> Tj ET"), PAGE, font, stream(cmap))


def wide(widths: bytes) -> bytes:
    """A page whose font has these widths."""
    font = b"<< /Type /Font /Subtype /Type0 /BaseFont /A /Encoding /Identity-H /DescendantFonts [6 0 R] >>"
    below = b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /A /W %s >>" % widths
    return one_page(stream(b"BT /F 12 Tf <00010002> Tj ET"), PAGE, font, below)


def acting() -> bytes:
    """A PDF that wants to open files and addresses, and to run programs and scripts."""
    catalog = (
        b"<< /Type /Catalog /Pages 2 0 R /OpenAction << /S /Launch /F (/bin/sh) >>"
        b" /AA << /WC << /S /JavaScript /JS (app.launchURL) >> >>"
        b" /Names << /EmbeddedFiles << /Names [(a) << /F (/etc/passwd) >>] >> >> >>"
    )
    page = PAGE.replace(
        b"/Contents", b"/Annots [<< /Subtype /Link /A << /S /URI /URI (file:///etc/passwd) >> >>] /Contents"
    )
    content = b"<< /Length 0 /F (/etc/passwd) /FFilter /FlateDecode >>\nstream\n\nendstream"
    return pdf_of([catalog, b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>", page, content, FONT])


def lzw_bomb() -> bytes:
    """Bytes that LZW unpacks to hundreds of times their size: ever longer codes that repeat one byte."""
    bits, width, following = f"{256:09b}{0:09b}", 9, 258
    pieces = [bits]
    for code in range(258, 4_095):
        pieces.append(f"{code:0{width}b}")
        following += 1
        width = 9 + (following > 510) + (following > 1022) + (following > 2046)
    text = "".join(pieces) + f"{256:0{width}b}"
    once = int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")
    return once * 40


MADE: Final[dict[str, Callable[[], bytes]]] = {
    "a tree of pages that holds itself": lambda: with_pages(
        b"<< /Type /Pages /Kids [2 0 R 3 0 R] /Count 2 >>"
    ),
    "a chain of 20,000 pages inside pages": lambda: chain(20_000),
    "a count of pages that is a lie": lambda: with_pages(
        b"<< /Type /Pages /Kids [3 0 R] /Count 2147483647 >>"
    ),
    "10,000 pages": lambda: pdf([b"BT /F 12 Tf 9 9 Td (words) Tj ET"] * 10_000),
    "one page 90,000 times": lambda: with_pages(
        b"<< /Type /Pages /Kids [%s] /Count 90000 >>" % (b"3 0 R " * 90_000)
    ),
    "pages that are shared at each level": lambda: with_pages(
        b"<< /Type /Pages /Kids [%s] /Count 1 >>" % (b"6 0 R " * 50),
        *(b"<< /Type /Pages /Kids [%s] /Count 1 >>" % (b"%d 0 R " % (7 + n) * 50) for n in range(6)),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
    ),
    "a form that shows itself": lambda: forms(1, 1),
    "forms that show the next one ten times": lambda: forms(10, 12),
    "forms in a loop": lambda: forms(2, 40),
    "content that unpacks to a gigabyte": lambda: one_page(raw(zlib_bomb(1000), b"/Filter /FlateDecode")),
    "content of words that unpacks to a gigabyte": lambda: one_page(
        raw(zlib_bomb(1000, b"(a) Tj q "), b"/Filter /FlateDecode")
    ),
    "content packed twice": lambda: one_page(
        raw(zlib.compress(zlib_bomb(1000)), b"/Filter [/FlateDecode /FlateDecode]")
    ),
    "content under a hundred filters": lambda: one_page(
        raw(b"00>" * 10_000, b"/Filter [%s]" % (b"/ASCIIHexDecode " * 100))
    ),
    "a predictor with a billion columns": lambda: one_page(
        raw(
            zlib_bomb(20),
            b"/Filter /FlateDecode /DecodeParms << /Predictor 15 /Columns 999999999 /Colors 32 >>",
        )
    ),
    "content packed by LZW": lambda: one_page(raw(lzw_bomb(), b"/Filter /LZWDecode")),
    "content packed by run lengths": lambda: one_page(raw(b"\x81q" * 500_000, b"/Filter /RunLengthDecode")),
    "a million states that are saved": lambda: one_page(stream(b"q " * 1_000_000 + TEXT)),
    "arrays inside arrays": lambda: one_page(stream(b"[" * 200_000 + TEXT)),
    "dictionaries inside dictionaries": lambda: one_page(
        stream(TEXT), PAGE[:-2] + b"/A << " * 5_000 + b">> " * 5_001
    ),
    "an array of two million numbers": lambda: one_page(stream(b"[" + b"1 " * 2_000_000 + b"] TJ")),
    "two million letters on a page": lambda: one_page(
        stream(b"BT /F 9 Tf (" + b"word " * 400_000 + b") Tj ET")
    ),
    "a million pieces of text": lambda: one_page(stream(b"BT /F 9 Tf " + b"(a) Tj " * 500_000 + b"ET")),
    "a string without an end": lambda: one_page(stream(b"BT /F 9 Tf (" + b"(" * 500_000)),
    "an inline picture without an end": lambda: one_page(stream(b"BI /W 9 /H 9 ID " + b"\xff" * 3_000_000)),
    "a table of two billion objects": lambda: cross_references(b"xref\n0 2147483647\n0000000000 65535 f \n"),
    "tables in a loop": lambda: cross_references(
        b"xref\n0 1\n0000000000 65535 f \n", b"/Prev %d" % pdf(["words"]).rindex(b"xref\n0")
    ),
    "a stream of objects that holds itself": object_stream_loop,
    "a reference that leads to itself": lambda: one_page(stream(TEXT), b"3 0 R"),
    "references in a loop": lambda: one_page(b"6 0 R", PAGE, FONT, b"7 0 R", b"6 0 R"),
    "a length that is the stream itself": lambda: one_page(
        b"<< /Length 4 0 R >>\nstream\n" + TEXT + b"\nendstream"
    ),
    "a length beyond the file": lambda: one_page(
        b"<< /Length 9223372036854775807 >>\nstream\n" + TEXT + b"\nendstream"
    ),
    "a font that maps four billion letters": lambda: mapped(
        b"begincmap 1 beginbfrange <0000> <FFFFFFFF> <0041> endbfrange"
    ),
    "a font that maps a letter to a megabyte": lambda: mapped(
        b"begincmap 1 beginbfchar <0001> <" + b"0041" * 500_000 + b"> endbfchar"
    ),
    "a font with four billion widths": lambda: wide(b"[0 4294967295 500]"),
    "a font with a million widths": lambda: wide(b"[" + b"1 [5] " * 300_000 + b"]"),
    "resources that hold themselves": lambda: one_page(
        stream(TEXT), PAGE.replace(b"/Resources <<", b"/Resources 3 0 R /Old <<")
    ),
    "actions, scripts and foreign files": acting,
    "annotations that are their own parents": lambda: one_page(
        stream(TEXT),
        PAGE.replace(b"/Contents", b"/Annots [%s] /Contents" % (b"6 0 R " * 90_000)),
        FONT,
        b"<< /Parent 6 0 R >>",
    ),
    "an annotation of 10 MB on each place": lambda: one_page(
        stream(TEXT),
        PAGE.replace(b"/Contents", b"/Annots [%s] /Contents" % (b"6 0 R " * 9_000)),
        FONT,
        b"<< /Subtype /Text /Contents (%s) >>" % (b"word " * 2_000_000),
    ),
    "a password": lambda: encrypted("secret"),
    "encryption that is a lie": lambda: cross_references(
        b"xref\n0 1\n0000000000 65535 f \n", b"/Encrypt << /Filter /Standard /V 99 /R 99 /Length -1 >>"
    ),
    "encryption by itself": lambda: cross_references(b"xref\n0 1\n0000000000 65535 f \n", b"/Encrypt 1 0 R"),
    "300,000 objects": lambda: with_pages(
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>", *(b"null" for _ in range(300_000))
    ),
    "no table, and 300,000 objects": lambda: (
        b"%PDF-1.4\n" + b"1 0 obj null endobj\n" * 300_000 + b"startxref\n5\n%%EOF"
    ),
    "two hundred thousand ends": lambda: b"%PDF-1.4\n" + b"startxref\n%%EOF\n" * 200_000,
    "a scan of four billion pixels": lambda: scanned_pdf(65_535, 65_535, b""),
    "a scan that unpacks to a gigabyte": lambda: pdf(
        [b"/Scan Do"],
        b"/XObject << /Scan 4 0 R >>",
        [
            raw(
                zlib_bomb(1000),
                b"/Type /XObject /Subtype /Image /Width 31000 /Height 31000 /ColorSpace /DeviceGray"
                b" /BitsPerComponent 8 /Filter /FlateDecode",
            )
        ],
    ),
    "five thousand scans on a page": lambda: pdf(
        [b"/Scan Do"],
        b"/XObject << %s >>" % b" ".join(b"/S%d 4 0 R" % n for n in range(5_000)),
        [picture_object(600, 600, bytes(360_000))],
    ),
    "only its signature": lambda: b"%PDF-1.7\n",
    "its signature before a megabyte of nothing": lambda: b"%PDF-1.7\n" + bytes(1_000_000),
}


def files() -> Iterator[HostileFile]:
    """All of them."""
    for name, made in MADE.items():
        yield HostileFile(Kind.DOCUMENT, "PDF", name, made, "application/pdf")
