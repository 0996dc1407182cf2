"""Which resources are offered: those whose tools are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.server.calls import resource_spec_of
from whatsapp_mcp.server.resources.media import media

if TYPE_CHECKING:
    from whatsapp_mcp.server.calls import ResourceFunction

RESOURCES: Final[Sequence[ResourceFunction]] = (media,)


def selected(toolsets: Collection[str], *, in_chat: bool = False) -> tuple[ResourceFunction, ...]:
    """The resources that belong to these toolsets; for callers that are bound to one chat, those for them."""
    specs = ((each, resource_spec_of(each)) for each in RESOURCES)
    return tuple(each for each, spec in specs if spec.toolset in toolsets and (spec.in_chat or not in_chat))
