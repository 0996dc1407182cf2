"""Devices that do every operation in one place, with their methods made from the `Device` protocol."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any, Self, cast

from whatsapp_mcp.device.operations.protocol import Device, Devices
from whatsapp_mcp.device.operations.registry import OPERATIONS, Operation
from whatsapp_mcp.models import UNKNOWN, Caller


class GeneratedDevice:
    """Base of such devices: a subclass has a method for each operation, which calls `perform`.

    Attributes:
        caller: For whom operations are done.
    """

    caller: Caller = UNKNOWN

    def __init_subclass__(cls) -> None:
        for operation in OPERATIONS.values():
            if operation.name not in vars(cls):
                setattr(cls, operation.name, _method(operation))

    def acting_for(self, caller: Caller) -> Self:
        """The same device, whose operations are done for this caller."""
        bound = copy(self)
        bound.caller = caller
        return bound

    async def perform(self, operation: Operation, arguments: dict[str, Any]) -> Any:
        """Do an operation for the caller.

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


@dataclass(frozen=True, slots=True)
class CallersDevices:
    """`Devices` for one caller: what they lend acts for it."""

    devices: Devices
    caller: Caller

    @asynccontextmanager
    async def use(self, deadline: float | None = None) -> AsyncGenerator[Device]:
        """See `Devices.use`."""
        async with self.devices.use(deadline) as device:
            # What is not generated is a test's.
            yield as_device(device.acting_for(self.caller)) if isinstance(device, GeneratedDevice) else device
