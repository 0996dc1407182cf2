"""The tools, each one typed function, and the toolsets that group them.

The module of a tool is imported only when its toolset is loaded: the handshake must not wait for it.
"""

from whatsapp_mcp.server.tools.toolsets import (
    ALL_TOOLSETS,
    TOOLSETS,
    declared,
    load_tools,
    parse_selection,
    tool_names,
    toolset_of,
)

__all__ = [
    "ALL_TOOLSETS",
    "TOOLSETS",
    "declared",
    "load_tools",
    "parse_selection",
    "tool_names",
    "toolset_of",
]
