"""Documents of Word, Excel and PowerPoint since 2007 (ECMA-376), also with macros, which are never run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.features.reading.documents.document import DOWNLOAD, Document
from whatsapp_mcp.features.reading.documents.packages import Package
from whatsapp_mcp.features.reading.documents.presentations import open_presentation
from whatsapp_mcp.features.reading.documents.relations import related, relations
from whatsapp_mcp.features.reading.documents.spreadsheets import open_workbook
from whatsapp_mcp.features.reading.documents.word import open_word
from whatsapp_mcp.features.reading.documents.xml_events import Start, events

CONTENT_TYPES: Final = "[Content_Types].xml"
"""The part that every Office document has."""
_FAMILIES: Final[dict[str, Callable[[Package, str], Document]]] = {
    "document": open_word,
    "workbook": open_workbook,
    "presentation": open_presentation,
}
"""By the root element of the main part."""


def open_office(package: Package) -> Document | None:
    """The document in an Office package; None if its main part is missing.

    Raises:
        Unsupported: Its main part is of another program.
    """
    parts = related(relations(package, ""), "officeDocument")
    if not parts or not package.has(parts[0]):
        return None
    root = next((event.name for event in events(package.chunks(parts[0])) if isinstance(event, Start)), "")
    opened = _FAMILIES.get(root)
    if opened is None:
        raise Unsupported("The file is no Word, Excel or PowerPoint document.", DOWNLOAD)
    return opened(package, parts[0])
