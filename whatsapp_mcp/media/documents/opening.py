"""Which family a document belongs to, judged by its content."""

from __future__ import annotations

from typing import BinaryIO

from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.media.documents import plain
from whatsapp_mcp.media.documents.document import Document
from whatsapp_mcp.media.formats import HEAD_BYTES, format_of

_DOWNLOAD = "Download it."


def open_document(file: BinaryIO, mime_type: str, file_name: str) -> Document:
    """The document in an open file.

    Args:
        file: At any place; it is sought in.
        mime_type, file_name: What its sender calls it: that tells a table from other text.

    Raises:
        Unsupported: It is nothing that is read here.
        TooLong: It is over a limit.
    """
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if not head:
        raise Unsupported("The file is empty.", "Tell the user.")
    known = format_of(head)
    if known is not None and not known.refers:
        raise Unsupported(f"The file is {known.label}, not a document that is read here.", _DOWNLOAD)
    text = plain.text_of(file)
    return plain.open_table(text) if plain.is_table(mime_type, file_name) else plain.open_text(text)
