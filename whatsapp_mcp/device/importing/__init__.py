"""Imports of what other programs have archived, run in the leader beside live messages."""

from whatsapp_mcp.device.importing.importer import Importer
from whatsapp_mcp.device.importing.imports import Imports
from whatsapp_mcp.device.importing.places import PlaceKind, described, identity_of, place_of
from whatsapp_mcp.device.importing.report_text import brought, how_far, left_out

__all__ = [
    "Importer",
    "Imports",
    "PlaceKind",
    "brought",
    "described",
    "how_far",
    "identity_of",
    "left_out",
    "place_of",
]
