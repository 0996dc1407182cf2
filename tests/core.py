"""What tests of the core go through: all tools and operations but those of features, which test their own."""

from __future__ import annotations

from typing import Final

from whatsapp_mcp.device.operations.protocol import Device
from whatsapp_mcp.device.operations.registry import OPERATIONS
from whatsapp_mcp.server.calls import spec_of
from whatsapp_mcp.server.tools import toolsets

FEATURES: Final = "whatsapp_mcp.features."

CORE_TOOLS: Final = {
    spec.name: spec
    for spec in map(spec_of, toolsets.load_tools(toolsets.ALL_TOOLSETS))
    if not spec.function.__module__.startswith(FEATURES)
}
CORE_OPERATIONS: Final = {
    name: operation
    for name, operation in OPERATIONS.items()
    if not getattr(Device, name).__module__.startswith(FEATURES)
}
