"""The tools of imports, by their toolset."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whatsapp_mcp.server.calls import ToolFunction


def import_tools(toolset: str) -> Sequence[ToolFunction]:
    """What a toolset has of imports; loaded only where it has something."""
    if toolset != "chats":
        return ()
    from whatsapp_mcp.features.imports.import_tool import import_messages

    return (import_messages,)
