"""Marks what was read from files that may lack something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, cast

from whatsapp_mcp.server.calls import Content, Result
from whatsapp_mcp.server.fencing import Text

MARK: Final = "stale_since"
"""In the data of a result: from when on something may be missing."""
_TEXT: Final = "text/plain"


def marked(result: Any, since: datetime) -> Any:
    """An answer that says since when it may lack something; what nobody reads, as it is.

    Args:
        result: Of a tool, a resource or another procedure.
        since: From then on something may be missing.
    """
    note = (
        f"(Stale: no node leads this account at the moment. What came or was done since "
        f"{since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC may be missing here.)"
    )
    if isinstance(result, Result):
        text = result.text.plus(note) if isinstance(result.text, Text) else f"{result.text} {note}"
        return replace(result, text=text, data={**result.data, MARK: since.isoformat()})
    if isinstance(result, Sequence) and not isinstance(result, str | bytes):
        parts = cast("Sequence[Any]", result)
        if any(isinstance(part, Content) for part in parts):
            return [*parts, Content(note, _TEXT)]
    return result
