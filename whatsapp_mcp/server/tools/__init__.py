"""The tools, each one typed function, and the toolsets that group them.

The module of a tool is imported only when its toolset is loaded: the handshake must not wait for it.
"""

from whatsapp_mcp.server.tools.approval_card import HTML as APPROVAL_HTML
from whatsapp_mcp.server.tools.approval_card import URI as APPROVAL_CARD
from whatsapp_mcp.server.tools.toolsets import (
    TOOLSET_ALIASES,
    TOOLSETS,
    declared,
    load_tools,
    parse_selection,
    toolset_of,
)

__all__ = [
    "APPROVAL_CARD",
    "APPROVAL_HTML",
    "TOOLSETS",
    "TOOLSET_ALIASES",
    "declared",
    "load_tools",
    "parse_selection",
    "toolset_of",
]
