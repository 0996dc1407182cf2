"""Imports of what other programs have archived, run in the leader beside live messages."""

from whatsapp_mcp.features.imports.importing.importer import Importer
from whatsapp_mcp.features.imports.importing.imports import Imports
from whatsapp_mcp.features.imports.importing.places import LocationKind, described, identity_of, place_of
from whatsapp_mcp.features.imports.importing.report_text import brought, how_far, left_out

__all__ = [
    "Importer",
    "Imports",
    "LocationKind",
    "brought",
    "described",
    "how_far",
    "identity_of",
    "left_out",
    "place_of",
]
