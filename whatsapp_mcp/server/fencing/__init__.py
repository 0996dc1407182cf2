"""Other people's words: cleaned, and fenced so that a model can tell them from the server's."""

from whatsapp_mcp.policy import clean, clean_line, one_line
from whatsapp_mcp.server.fencing.fence import LIMIT, Text, cut, length, new_code
from whatsapp_mcp.server.fencing.sanitise import (
    called,
    chosen_name,
    clean_name,
    full_name,
    identifier,
    in_quotes,
    known_identifier,
    media_type,
    reaction_shown,
    spoken_of,
    titled,
)

__all__ = [
    "LIMIT",
    "Text",
    "called",
    "chosen_name",
    "clean",
    "clean_line",
    "clean_name",
    "cut",
    "full_name",
    "identifier",
    "in_quotes",
    "known_identifier",
    "length",
    "media_type",
    "new_code",
    "one_line",
    "reaction_shown",
    "spoken_of",
    "titled",
]
