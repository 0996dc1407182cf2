"""The content of an act: the facts about it, its origin, and what in it needs a person's review."""

from whatsapp_mcp.device.guard.content.concerns import Concerns
from whatsapp_mcp.device.guard.content.facts import (
    acts_of,
    content_hash,
    described_files,
    paths_of,
    reached,
    referred,
    subject_of,
    words_of,
)
from whatsapp_mcp.device.guard.content.origins import exposed_by, of_origin, readings, strictness

__all__ = [
    "Concerns",
    "acts_of",
    "content_hash",
    "described_files",
    "exposed_by",
    "of_origin",
    "paths_of",
    "reached",
    "readings",
    "referred",
    "strictness",
    "subject_of",
    "words_of",
]
