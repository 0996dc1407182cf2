"""What tests of the core go through: all tools and operations but those of features, which test their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from whatsapp_mcp.device.operations.registry import OPERATIONS
from whatsapp_mcp.server.calls import spec_of
from whatsapp_mcp.server.tools import toolsets


def is_of_core(function: Callable[..., Any]) -> bool:
    """Whether a function is no feature's."""
    return not function.__module__.startswith("whatsapp_mcp.features.")


CORE_TOOLS: Final = {
    spec.name: spec
    for spec in map(spec_of, toolsets.load_tools(toolsets.ALL_TOOLSETS))
    if is_of_core(spec.function)
}
CORE_OPERATIONS: Final = {
    name: operation for name, operation in OPERATIONS.items() if is_of_core(operation.function)
}
