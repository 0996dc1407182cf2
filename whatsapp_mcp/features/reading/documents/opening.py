"""Which family a document belongs to, judged by its content."""

from __future__ import annotations

from typing import BinaryIO, Final

from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.features.reading.documents import opendocument, plain, rtf
from whatsapp_mcp.features.reading.documents.cards import open_cards
from whatsapp_mcp.features.reading.documents.document import DOWNLOAD, Document, protected
from whatsapp_mcp.features.reading.documents.office import CONTENT_TYPES, open_office
from whatsapp_mcp.features.reading.documents.packages import Package
from whatsapp_mcp.features.reading.documents.pdf import Words, open_pdf
from whatsapp_mcp.features.reading.documents.zips import open_zip
from whatsapp_mcp.media.formats import HEAD_BYTES, format_of

_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""Signature of OLE files: Office documents until 2007, and encrypted documents since."""
_ENCRYPTED: Final = "EncryptedPackage"
_OLE_STREAMS: Final = {
    _ENCRYPTED: "an encrypted document",
    "WordDocument": "an old Word document (.doc)",
    "Workbook": "an old Excel workbook (.xls)",
    "Book": "an old Excel workbook (.xls)",
    "PowerPoint Document": "an old PowerPoint presentation (.ppt)",
    "__substg1.0_": "an Outlook message (.msg)",
}
_ARCHIVES: Final = {b"Rar!\x1a\x07": "a RAR", b"7z\xbc\xaf\x27\x1c": "a 7z", b"\x1f\x8b": "a gzip"}
_PDF: Final = b"%PDF-"


def open_document(file: BinaryIO, mime_type: str, file_name: str, words: Words | None = None) -> Document:
    """The document in an open file.

    Args:
        file: At any place; it is sought in.
        mime_type, file_name: What its sender calls it: that tells a table from other text.
        words: What recognises the words in a picture; None: nothing does.

    Raises:
        Unsupported: It is nothing that is read here, or protected with a password.
        TooLong: It is over a limit.
    """
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if not head:
        raise Unsupported("The file is empty.", "Tell the user.")
    # Mail gateways put bytes before the signature of a PDF; readers look for it in the first kilobyte.
    if _PDF in head:
        return open_pdf(file, words)
    if head.startswith(b"PK"):
        return _open_package(Package(file))
    if head.startswith(rtf.SIGNATURE):
        return rtf.open_rtf(file)
    _refuse_others(file, head)
    return _open_text(file, head, mime_type, file_name)


def _open_package(package: Package) -> Document:
    if package.has(opendocument.CONTENT) and package.content("mimetype").startswith(opendocument.MIME_TYPES):
        return opendocument.open_opendocument(package)
    opened = open_office(package) if package.has(CONTENT_TYPES) else None
    return opened or open_zip(package)


def _open_text(file: BinaryIO, head: bytes, mime_type: str, file_name: str) -> Document:
    text = plain.text_of(file)
    begins = text[:100].lstrip("\ufeff \t\r\n").upper()
    if begins.startswith("BEGIN:VCARD"):
        return open_cards(text, "vcard")
    if begins.startswith("BEGIN:VCALENDAR"):
        return open_cards(text, "icalendar")
    return plain.open_table(text) if plain.is_table(mime_type, file_name) else plain.open_text(text)


def _refuse_others(file: BinaryIO, head: bytes) -> None:
    """Refuse by its name what is known and not read."""
    if head.startswith(_OLE):
        raise _old_office(file)
    label = next((label for start, label in _ARCHIVES.items() if head.startswith(start)), None)
    known = format_of(head)
    if label is None and known is not None and not known.refers:
        label = known.label
    if label is not None:
        raise Unsupported(f"The file is {label}, not a document that is read here.", DOWNLOAD)


def _old_office(file: BinaryIO) -> Unsupported:
    """The refusal of an OLE file, by the names of the streams in it."""
    file.seek(0)
    content = file.read()
    stream = next((one for one in _OLE_STREAMS if one.encode("utf-16-le") in content), "")
    if stream == _ENCRYPTED:
        return protected()
    label = _OLE_STREAMS.get(stream, "an old Office document")
    return Unsupported(f"The file is {label}, which is not read here.", "Ask for it as a PDF.")
