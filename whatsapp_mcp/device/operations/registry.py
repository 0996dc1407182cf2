"""`OPERATIONS`: all that can be asked of a device, for those who get its name over a socket."""

from __future__ import annotations

from types import ModuleType
from typing import Final

from whatsapp_mcp.device.operations import (
    agents,
    approvals,
    channels,
    chats,
    contacts,
    control,
    files,
    groups,
    profile,
    sends,
)
from whatsapp_mcp.device.operations.operation import Operation, operations_of


def topics() -> list[ModuleType]:
    """The modules that declare operations."""
    from whatsapp_mcp.features.imports import operations as imports

    modules: list[ModuleType] = [
        agents,
        approvals,
        channels,
        chats,
        control,
        contacts,
        files,
        groups,
        profile,
        sends,
    ]
    modules.append(imports)
    return modules


OPERATIONS: Final[dict[str, Operation]] = operations_of(topics())
