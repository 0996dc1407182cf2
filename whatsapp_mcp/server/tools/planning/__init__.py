"""The toolset `planning`: what is owed, and what is to happen later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsapp_mcp.server.tools.planning import catching_up, scheduling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whatsapp_mcp.server.calls import ToolFunction

TOOLS: Sequence[ToolFunction] = (*catching_up.TOOLS, *scheduling.TOOLS)
