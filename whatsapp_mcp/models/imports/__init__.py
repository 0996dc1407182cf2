"""Imports: what archives of other programs say, and how taking it over goes."""

from whatsapp_mcp.models.imports.foreign import (
    ExportedMessage,
    ExportOutline,
    ForeignChat,
    ForeignFile,
    ForeignMessage,
    ForeignPage,
    ForeignPerson,
    ForeignReaction,
    ForeignReceipt,
    ForeignVote,
    Unreadable,
)
from whatsapp_mcp.models.imports.progress import (
    ExportMatch,
    ImportRecord,
    ImportReport,
    ImportSource,
    ImportState,
)

__all__ = [
    "ExportMatch",
    "ExportOutline",
    "ExportedMessage",
    "ForeignChat",
    "ForeignFile",
    "ForeignMessage",
    "ForeignPage",
    "ForeignPerson",
    "ForeignReaction",
    "ForeignReceipt",
    "ForeignVote",
    "ImportRecord",
    "ImportReport",
    "ImportSource",
    "ImportState",
    "Unreadable",
]
