"""The tools of imports, by their toolset."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whatsapp_mcp.server.calls import ToolFunction


def import_tools(toolset: str) -> Sequence[ToolFunction]:
    """Return the tools of imports in a toolset; they are loaded only where there are some."""
    if toolset != "chats":
        return ()
    from whatsapp_mcp.features.imports.import_tool import import_messages

    return (import_messages,)
