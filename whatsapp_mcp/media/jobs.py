"""The jobs of the decoding process, by name. What they import is loaded before it is confined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from whatsapp_mcp.media import bridge_database, packed_export
from whatsapp_mcp.media.child import Job

JOBS: Final[Mapping[str, Job]] = {
    "bridge_page": bridge_database.bridge_page,
    "chat_export": packed_export.chat_export,
    "exported_file": packed_export.exported_file,
}
