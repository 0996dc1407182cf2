"""Devices that do every operation in one place, with their methods made from the `Device` protocol."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from whatsapp_mcp.device.operations import OPERATIONS, Device, Operation


class GeneratedDevice:
    """Base of such devices: a subclass has a method for each operation, which calls `perform`."""

    def __init_subclass__(cls) -> None:
        for operation in OPERATIONS.values():
            if operation.name not in vars(cls):
                setattr(cls, operation.name, _method(operation))

    async def perform(self, operation: Operation, arguments: dict[str, Any]) -> Any:
        """Do an operation.

        Args:
            operation: Which.
            arguments: By name, defaults filled in.
        """
        raise NotImplementedError


def _method(operation: Operation) -> Callable[..., Awaitable[Any]]:
    async def method(self: GeneratedDevice, *args: Any, **kwargs: Any) -> Any:
        return await self.perform(operation, operation.bind(args, kwargs))

    method.__name__ = operation.name
    method.__doc__ = f"See `Device.{operation.name}`."
    return method


def as_device(generated: GeneratedDevice) -> Device:
    """The same object, by the type that its class was given while it was made."""
    return cast("Device", generated)
