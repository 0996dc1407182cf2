"""Documents as text: each family, its pages, and what is refused by name."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from PIL import Image

from tests.media.document_files import (
    docx,
    encrypted,
    office,
    opendocument,
    paragraph,
    pdf,
    pptx,
    relations,
    scanned_pdf,
    shown,
    slide_paragraphs,
    stream,
    word_part,
    xlsx,
    zipped,
)
from tests.tables import for_each
from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.features.reading.documents import Document, Words, open_document
from whatsapp_mcp.features.reading.readers.passages import reading_of
from whatsapp_mcp.features.reading.readers.reading_documents import read_document
from whatsapp_mcp.features.reading.readers.samples import pdf_of
from whatsapp_mcp.media import JobResult
from whatsapp_mcp.models import FileReading, ReadingKind


def read(content: bytes, words: Words | None = None, **said: str) -> FileReading:
    """What the job reads in a file."""
    facts, told = read_document(io.BytesIO(content), {"mime_type": "", "file_name": "", **said}, words)
    return reading_of(ReadingKind.DOCUMENT, JobResult(facts, told))


def texts(content: bytes) -> list[str]:
    """The text of each passage."""
    return [passage.text for passage in read(content).passages]


def opened(content: bytes, words: Any = None) -> Document:
    """A document as it is opened."""
    return open_document(io.BytesIO(content), "", "", words)


def test_a_pdf_is_read_page_by_page() -> None:
    found = read(pdf(["Mietvertrag\nDie Kaution beträgt 900 €.", "", "Seite (drei)"]))
    assert [one.text for one in found.passages] == [
        "Mietvertrag\nDie Kaution beträgt 900 €.",
        "",
        "Seite (drei)",
    ]
    assert (found.engine, found.passages_in_file) == ("pypdf", None)


def test_the_fields_of_a_form_and_comments_are_read_after_the_text_of_their_page() -> None:
    annotations = (
        b"<< /Subtype /Widget /T (Name) /V (Ann Lee) >> << /Subtype /Widget /T (Pets) /V /Off >>"
        b" << /Subtype /Widget /T (Smoker) /V /No >> << /Subtype /Widget /Parent 6 0 R >>"
        b" << /Subtype /Text /T (Bob) /Contents (too high) >> << /Subtype /Link >>"
    )
    page = b"<< /Type /Page /Contents 4 0 R /Resources << /Font << /F 5 0 R >> >> /Annots [%s] >>"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        page % annotations,
        stream(shown("Form")),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /T (Rent) /V (900) >>",
    ]
    assert texts(pdf_of(objects)) == ["Form\nName: Ann Lee\nSmoker: No\nRent: 900\ntoo high"]


def test_a_pdf_that_only_its_owner_may_change_is_read() -> None:
    assert texts(encrypted("")) == ["The deposit is 900 euros."]


def test_a_pdf_with_a_password_is_refused_by_name() -> None:
    with pytest.raises(Unsupported, match="protected with a password"):
        read(encrypted("secret"))


def test_a_pdf_of_pictures_says_that_it_is_one() -> None:
    scan = scanned_pdf(600, 800, bytes(480_000))
    with pytest.raises(Unsupported, match="pages of the PDF are pictures") as caught:
        read(scan)
    assert "[ocr]" in caught.value.action
    with pytest.raises(Unsupported, match="no words were recognised"):
        read(scan, lambda _: [])


def test_a_scanned_page_is_read_by_what_recognises_words() -> None:
    seen: list[Image.Image] = []

    def words(picture: Image.Image) -> list[str]:
        seen.append(picture)
        return ["Die Kaution", "beträgt 900 Euro."]

    scan = scanned_pdf(600, 800, b"\xff" * 480_000, "Scanned by a scanner")
    assert [one.text for one in read(scan, words).passages] == [
        "Scanned by a scanner\nDie Kaution\nbeträgt 900 Euro."
    ]
    assert [(image.mode, image.size) for image in seen] == [("RGB", (600, 800))]


def test_a_picture_that_nobody_can_recognise_leaves_the_pages_text() -> None:
    def words(picture: Image.Image) -> list[str]:
        raise Unsupported("No.")

    assert [one.text for one in read(scanned_pdf(600, 800, bytes(480_000), "Title"), words).passages] == [
        "Title"
    ]


def test_a_page_with_text_or_small_pictures_is_not_recognised() -> None:
    def words(picture: Image.Image) -> list[str]:
        raise AssertionError

    assert texts(pdf(["long " * 50]))
    assert [one.text for one in read(scanned_pdf(20, 30, bytes(600), "Logo"), words).passages] == ["Logo"]


@pytest.mark.parametrize("content", [b"%PDF-1.7\n", b"%PDF-1.4\n" + bytes(2000), pdf(["a"])[:200]])
def test_a_damaged_pdf_is_refused(content: bytes) -> None:
    with pytest.raises(Unsupported, match=r"damaged|no text"):
        read(content)


def test_a_word_document_is_read_paragraph_by_paragraph() -> None:
    body = (
        paragraph("Letter")
        + "<w:p><w:pPr><w:tabs><w:tab w:val='left'/></w:tabs><w:numPr/></w:pPr>"
        + "<w:r><w:t>first</w:t><w:tab/><w:t>x</w:t><w:br/><w:t>next line</w:t></w:r>"
        + "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>"
        + "<w:p><w:r><w:instrText>PAGE</w:instrText></w:r></w:p>"
    )
    assert texts(docx(body)) == ["Letter\n- first\tx\nnext line"]


def test_a_row_of_a_table_in_a_word_document_is_a_line() -> None:
    def cell(*inside: str) -> str:
        return f"<w:tc>{''.join(inside)}</w:tc>"

    inner = f"<w:tbl><w:tr>{cell(paragraph('x'))}{cell(paragraph('y'))}</w:tr></w:tbl>"
    rows = f"<w:tr>{cell(paragraph('Rent'), paragraph('cold'))}{cell(paragraph('900'))}</w:tr>"
    rows += f"<w:tr>{cell('<w:p/>')}{cell(paragraph('in'), inner)}</w:tr>"
    body = f"{paragraph('Costs')}<w:tbl>{rows}</w:tbl>{paragraph('End')}"
    assert texts(docx(body)) == ["Costs\nRent cold | 900\n | in x | y\nEnd"]


def test_a_word_document_has_the_pages_that_word_saw() -> None:
    broken = "<w:p><w:r><w:t>b</w:t><w:lastRenderedPageBreak/><w:t>c</w:t></w:r></w:p>"
    body = paragraph("a") + '<w:p><w:r><w:br w:type="page"/></w:r></w:p>' + broken
    assert texts(docx(body)) == ["a", "b", "c"]


def test_what_stands_beside_the_text_of_a_word_document_has_a_title() -> None:
    head = word_part("hdr", paragraph("Landlord Ltd"))
    beside = {
        "word/header1.xml": head,
        "word/header2.xml": head,
        "word/notes.xml": word_part("footnotes", paragraph("1 net")),
    }
    named = [("header", "header1.xml"), ("header", "header2.xml"), ("footnotes", "notes.xml")]
    found = read(docx(paragraph("a"), beside, named))
    assert [(one.title, one.text) for one in found.passages] == [
        (None, "a"),
        ("Headers", "Landlord Ltd"),
        ("Footnotes", "1 net"),
    ]


def test_what_a_text_box_says_is_read_once() -> None:
    box = f"<w:r><Choice>{paragraph('box')}</Choice><Fallback>{paragraph('box')}</Fallback></w:r>"
    assert texts(docx(f"<w:p>{box}</w:p>{paragraph('end')}")) == ["box\n\nend"]


def test_a_long_word_document_without_pages_is_divided() -> None:
    found = texts(docx("".join(paragraph(f"{number} " + "x" * 90) for number in range(1000))))
    assert len(found) > 10
    assert max(map(len, found)) < 9_000
    assert "".join(found).count("x") == 90_000


STYLES = (
    '<numFmts><numFmt numFmtId="164" formatCode="dd/mm/yy hh:mm"/>'
    '<numFmt numFmtId="165" formatCode="0.00 &quot;days&quot;"/>'
    '<numFmt numFmtId="166" formatCode="[Red]0.0"/></numFmts>'
    '<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>'
    '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/>'
    '<xf numFmtId="165"/><xf numFmtId="166"/></cellXfs>'
)


def test_a_workbook_is_read_sheet_by_sheet_as_it_is_shown() -> None:
    first = (
        '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="D1" t="inlineStr"><is><t>inline</t></is></c></row>'
        '<row r="2"><c r="A2"><v>0.30000000000000004</v></c><c r="B2" s="1"><v>45292</v></c>'
        '<c r="C2" s="2"><v>45292.75</v></c><c t="b"><v>1</v></c><c t="e"><v>#DIV/0!</v></c></row>'
        '<row r="3"><c r="A3" s="3"><v>2</v></c><c s="4"><v>45292</v></c>'
        '<c t="str"><f>A1&amp;"x"</f><v>of a formula</v></c></row>'
    )
    found = read(
        xlsx({"Rent": first, "Emp<ty": "", "Last": '<row><c t="s"><v>1</v></c></row>'}, ["a b", "c"], STYLES)
    )
    assert [(one.title, one.text) for one in found.passages] == [
        (
            "Rent",
            "a b |  |  | inline\n"
            "0.3 | 2024-01-01 | 2024-01-01 18:00 | TRUE | #DIV/0!\n"
            "2 | 45292 | of a formula",
        ),
        ("Last", "c"),
    ]


def test_dates_of_a_workbook_may_count_from_1904() -> None:
    row = "".join(f'<c s="1"><v>{value}</v></c>' for value in ("1", "-5", "9e99", "text"))
    found = texts(xlsx({"A": f"<row>{row}</row>"}, styles=STYLES, setting='<workbookPr date1904="1"/>'))
    assert found == ["1904-01-02 | -5 | 9e+99 | text"]


def test_how_a_shared_text_is_pronounced_is_left_out() -> None:
    content = xlsx({"A": '<row><c t="s"><v>0</v></c></row>'})
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    parts["xl/sharedStrings.xml"] = (
        "<sst><si><r><t>課</t></r><r><t>きく</t></r><rPh><t>カ</t></rPh></si></sst>".encode()
    )
    assert texts(zipped(parts)) == ["課きく"]


def test_each_slide_is_a_page_with_its_notes() -> None:
    table = (
        "<a:tbl><a:tr><a:tc><a:p><a:t>a</a:t></a:p></a:tc><a:tc><a:p><a:t>b</a:t></a:p></a:tc></a:tr></a:tbl>"
    )
    number = '<p:sp><p:nvPr><p:ph type="sldNum"/></p:nvPr><a:p><a:t>2</a:t></a:p></p:sp>'
    slides = [slide_paragraphs("Welcome", "to us"), "", table + number]
    found = read(pptx(slides, {1: slide_paragraphs("say hello")}))
    assert [one.text for one in found.passages] == ["Welcome\nto us\n\nNotes:\nsay hello", "", "a | b"]


def test_an_opendocument_text_is_read_with_its_pages() -> None:
    body = (
        "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>"
        '<text:h>Title</text:h><text:p>a<text:s text:c="3"/>b<text:tab/>c<text:line-break/>d'
        "<text:note><text:note-body><text:p>a note</text:p></text:note-body></text:note></text:p>"
        "<text:soft-page-break/><text:p>page two</text:p>"
    )
    assert texts(opendocument("text", body)) == ["Title\na   b\tc\nd [a note]", "page two"]


def test_an_opendocument_spreadsheet_is_read_sheet_by_sheet() -> None:
    row = (
        "<table:table-row><table:table-cell><text:p>a</text:p></table:table-cell>"
        '<table:table-cell table:number-columns-repeated="2"/>'
        "<table:table-cell><text:p>b</text:p><text:p>c</text:p></table:table-cell>"
        '<table:table-cell table:number-columns-repeated="16380"/></table:table-row>'
    )
    sheets = (
        f'<table:table table:name="One">{row}</table:table>'
        f'<table:table table:name="Two">{row}{row}</table:table>'
    )
    found = read(opendocument("spreadsheet", sheets))
    line = "a |  |  | b c"
    assert [(one.title, one.text) for one in found.passages] == [("One", line), ("Two", f"{line}\n{line}")]


def test_an_opendocument_presentation_is_read_slide_by_slide() -> None:
    body = (
        '<draw:page draw:name="one"><text:p>Hello</text:p>'
        "<presentation:notes><text:p>smile</text:p></presentation:notes></draw:page>"
        '<draw:page draw:name="two"/><draw:page draw:name="three"><text:p>Bye</text:p></draw:page>'
    )
    found = read(opendocument("presentation", body))
    assert [(one.title, one.text) for one in found.passages] == [
        ("one", "Hello\nNotes: smile"),
        ("two", ""),
        ("three", "Bye"),
    ]


def test_an_encrypted_document_is_refused_by_name() -> None:
    manifest = "<manifest><file-entry><encryption-data/></file-entry></manifest>"
    locked = opendocument("text", "", {"META-INF/manifest.xml": manifest})
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500) + "EncryptedPackage".encode("utf-16-le")
    plain = bytearray(docx(paragraph("a")))
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # the flag of each file's two heads
        start = plain.find(mark)
        while start >= 0:
            plain[start + at] |= 1
            start = plain.find(mark, start + 1)
    for content in (locked, ole, bytes(plain)):
        with pytest.raises(Unsupported, match="protected with a password"):
            read(content)


@for_each(
    ("stream", "label"),
    [
        ("WordDocument", r"old Word document \(\.doc\)"),
        ("Workbook", r"old Excel workbook \(\.xls\)"),
        ("PowerPoint Document", r"old PowerPoint presentation \(\.ppt\)"),
        ("anything", "old Office document"),
    ],
)
def test_an_old_office_document_is_refused_by_name(stream: str, label: str) -> None:
    with pytest.raises(Unsupported, match=label):
        read(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500) + stream.encode("utf-16-le"))


def test_a_zip_is_listed_and_not_unpacked() -> None:
    content = zipped({"photos/a.jpg": bytes(1500), "forged.txt (9 bytes)\nsecond": b"x", "empty/": b""})
    assert texts(content) == [
        "2 files, 1.5 kB unpacked\nphotos/a.jpg (1.5 kB)\nforged.txt (9 bytes) second (1 byte)"
    ]


def test_a_zip_that_only_has_the_types_of_office_is_listed() -> None:
    assert texts(zipped({"[Content_Types].xml": "<Types/>"})) == [
        "1 file, 8 bytes unpacked\n[Content_Types].xml (8 bytes)"
    ]


def test_an_office_document_of_another_program_is_refused() -> None:
    with pytest.raises(Unsupported, match="no Word, Excel or PowerPoint"):
        read(office("visio/document.xml", {"visio/document.xml": "<VisioDocument/>"}))


def test_the_main_part_of_a_document_may_have_any_name() -> None:
    part = word_part("document", paragraph("moved"))
    assert texts(office("/word/document22.xml", {"word/document22.xml": part})) == ["moved"]


def test_a_relation_that_leads_out_of_the_document_leads_nowhere() -> None:
    named = [("header", "../../../../etc/passwd"), ("header", "file:///etc/passwd")]
    assert texts(docx(paragraph("a"), named=named)) == ["a"]
    assert relations(("a", "b")).count("rId1") == 1


def test_a_document_type_declaration_is_refused() -> None:
    bomb = (
        '<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;">]><document><p><t>&y;</t></p></document>'
    )
    with pytest.raises(Unsupported, match="document type"):
        read(office("d.xml", {"d.xml": bomb}))


def test_a_contact_is_read_as_labelled_lines() -> None:
    card = (
        "BEGIN:VCARD\r\nVERSION:3.0\r\nN:Lee;Ann;;;\r\nFN:Ann Lee\r\n"
        "item1.TEL;TYPE=CELL:+1 555 000\r\n 2222\r\n"
        "ADR;TYPE=HOME:;;1 Main St\\, rear;Cologne;;50667;Germany\r\nNOTE:two\\nlines\r\n"
        "PHOTO;ENCODING=b:AAAA\r\nBDAY:19800131\r\nEND:VCARD\r\n"
        "BEGIN:VCARD\r\nVERSION:2.1\r\nFN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:"
        "J=C3=BCrgen=\r\n Kn=C3=B6\r\n"
        "TEL;HOME;VOICE:123\r\nEND:VCARD\r\n"
    )
    assert texts(card.encode()) == [
        "Name: Ann Lee\nPhone (cell): +1 555 0002222\n"
        "Address (home): 1 Main St, rear, Cologne, 50667, Germany\nNote: two\nlines\nBirthday: 1980-01-31",
        "Name: Jürgen Knö\nPhone (home): 123",
    ]


def test_a_calendar_is_read_event_by_event() -> None:
    calendar = (
        "BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VTIMEZONE\nDTSTART:16010101T000000\nEND:VTIMEZONE\n"
        "BEGIN:VEVENT\nUID:1\nSUMMARY:Viewing\\; flat 3\nDTSTART;TZID=Europe/Berlin:20261201T180000\n"
        'DTEND:20261201T173000Z\nORGANIZER;CN="Lee, Ann":mailto:ann@example.org\nRRULE:FREQ=WEEKLY;COUNT=3\n'
        "BEGIN:VALARM\nDESCRIPTION:Reminder\nEND:VALARM\nEND:VEVENT\n"
        "BEGIN:VTODO\nSUMMARY:Pay\nDUE;VALUE=DATE:20261203\nEND:VTODO\nEND:VCALENDAR\n"
    )
    assert texts(calendar.encode()) == [
        "Summary: Viewing; flat 3\nStart: 2026-12-01 18:00 (Europe/Berlin)\nEnd: 2026-12-01 17:30 UTC\n"
        "Organizer: Lee, Ann ann@example.org\nRepeats: FREQ=WEEKLY;COUNT=3",
        "Summary: Pay\nDue: 2026-12-03",
    ]


def test_the_text_of_an_rtf_is_read() -> None:
    content = (
        rb"{\rtf1\ansi{\fonttbl{\f0 Arial;}}{\*\generator Word;}{\info{\title secret}}"
        rb"\pard Gr\'fc\'dfe \u8364?5\par\b bold\b0\tab x\line {\field{\*\fldinst HYPERLINK}{\fldrslt link}}"
        rb"\par\uc0\u-10179\u-8704 \{a\}\par}"
    )
    assert texts(content) == ["Grüße €5\nbold\tx\nlink\n😀{a}"]


@pytest.mark.parametrize(
    ("content", "label"),
    [(b"Rar!\x1a\x07\x01\x00", "a RAR"), (b"7z\xbc\xaf\x27\x1c...", "a 7z"), (b"\x1f\x8b\x08....", "a gzip")],
)
def test_another_archive_is_refused_by_name(content: bytes, label: str) -> None:
    with pytest.raises(Unsupported, match=label):
        read(content)


@for_each("content", [b"\n \n", docx("<w:p/>"), pdf([""]), opendocument("text", ""), xlsx({"A": ""})])
def test_a_document_without_a_word_is_refused(content: bytes) -> None:
    with pytest.raises(Unsupported, match="contains no text"):
        read(content)


def test_what_a_file_is_called_does_not_decide_what_it_is() -> None:
    assert read(pdf(["a page"]), file_name="a.docx", mime_type="text/plain").engine == "pypdf"
    assert read(docx(paragraph("a")), file_name="a.pdf", mime_type="application/pdf").engine == "docx"
    assert opened(b"plain words").engine == "text"
