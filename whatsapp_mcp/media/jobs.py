"""The jobs of the decoding process, by name. What they import is loaded before it is confined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from whatsapp_mcp.media.child import Job

JOBS: Final[Mapping[str, Job]] = {}
