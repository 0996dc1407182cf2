"""What waits to go out, for its moment or for the user's yes, and what is deleted again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsapp_mcp.server.tools.pending import approvals, deleting, scheduled
from whatsapp_mcp.server.tools.pending.scheduled import name_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whatsapp_mcp.server.calls import ToolFunction

__all__ = ["TOOLS", "name_of"]

TOOLS: Sequence[ToolFunction] = (*approvals.TOOLS, *scheduled.TOOLS, *deleting.TOOLS)
