"""Which tools are offered: toolsets are chosen at start-up and never change while the server runs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.processes.capabilities import is_offered, library_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whatsapp_mcp.server.calls import ToolFunction, ToolSpec

TOOLSETS: Final = {
    "core": ("connection", "reading", "searching", "sending", "files", "waiting", "approvals", "pending"),
    "messages": ("messages",),
    "groups": ("groups",),
    "contacts": ("contacts",),
    "chats": ("chats",),
    "profile": ("profile",),
    "channels": ("channels",),
    "planning": ("planning",),
}
"""Modules of `server/tools/` that make up each toolset; each lists its functions in `TOOLS`."""
ALL_TOOLSETS: Final = "all"
"""Every toolset."""


def parse_selection(selection: str) -> tuple[str, ...]:
    """The names in `core,groups`, in our order, each once; `all` is every one.

    Raises:
        InvalidArgument: A name is not a toolset, or none is given.
    """
    names = [name.strip() for name in selection.split(",") if name.strip()]
    unknown = [name for name in names if name not in TOOLSETS and name != ALL_TOOLSETS]
    if unknown or not names:
        what = f"There is no toolset {unknown[0]!r}." if unknown else "No toolset is selected."
        raise InvalidArgument(what, f"Toolsets: {', '.join(TOOLSETS)}, or all.")
    return tuple(name for name in TOOLSETS if name in names or ALL_TOOLSETS in names)


def load_tools(selection: str) -> tuple[ToolFunction, ...]:
    """The tools of the selected toolsets, as far as the client library can do what they need.

    Raises:
        InvalidArgument: As `parse_selection`.
    """
    from whatsapp_mcp.server.calls import spec_of

    version = library_version()
    return tuple(
        function
        for name in parse_selection(selection)
        for function in (*_of_modules(name), *_of_features(name))
        if is_offered(spec_of(function).name, version)
    )


def _of_modules(toolset: str) -> Iterator[ToolFunction]:
    for module in TOOLSETS[toolset]:
        yield from importlib.import_module(f"whatsapp_mcp.server.tools.{module}").TOOLS


def _of_features(toolset: str) -> list[ToolFunction]:
    """The tools that features have in a toolset."""
    from whatsapp_mcp.features.imports.tools import import_tools

    tools: list[ToolFunction] = []
    tools += import_tools(toolset)
    return tools


def toolset_of(name: str) -> str | None:
    """The toolset that has a tool of this name; None when none has."""
    spec = declared(name)
    return spec.toolset if spec else None


def declared(name: str) -> ToolSpec | None:
    """The declaration of the tool of this name, of whichever toolset; None where there is none."""
    return next((spec for spec in _declarations() if spec.name == name), None)


def tool_names() -> list[str]:
    """The names of the tools of all toolsets."""
    return [spec.name for spec in _declarations()]


def _declarations() -> Iterator[ToolSpec]:
    from whatsapp_mcp.server.calls import spec_of

    return (spec_of(function) for function in load_tools(ALL_TOOLSETS))
