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
    UnknownVersion,
    Unreadable,
)
from whatsapp_mcp.models.imports.progress import (
    ExportMatch,
    ImportProgress,
    ImportRecord,
    ImportReport,
    ImportRequest,
    ImportSource,
    ImportState,
    ImportStep,
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
    "ImportProgress",
    "ImportRecord",
    "ImportReport",
    "ImportRequest",
    "ImportSource",
    "ImportState",
    "ImportStep",
    "UnknownVersion",
    "Unreadable",
]
