"""Devices of tests: those that do an operation by a method of its name, and a leader's without its guard."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Self

from whatsapp_mcp.device.local_device import LocalDevice
from whatsapp_mcp.device.operations import DIRECT, Device, Operation, never
from whatsapp_mcp.models import Approval, ApprovalState, Caller, SendRequest

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class ByName(Device):
    """A device that does each operation by its method of that name, for whoever asks."""

    def acting_for(self, caller: Caller) -> Self:
        """Itself."""
        return self

    async def perform(
        self, operation: Operation, arguments: dict[str, Any], has_ended: Callable[[], bool] = never
    ) -> Any:
        """Do it; a method may leave out parameters that do not matter to it, if they have their defaults."""
        defaults = {name: each.default for name, each in operation.signature.parameters.items()}
        method = getattr(self, operation.name)
        taken = inspect.signature(method).parameters
        given = {name: value for name, value in arguments.items() if name in taken or value != defaults[name]}
        return await method(**given)


class Direct(ByName):
    """A leader's device without its guard, which would ask a person.

    Args:
        local: It.
    """

    def __init__(self, local: LocalDevice) -> None:
        self.local = local
        self._parts = {type(part).__name__: part for part in local.parts}

    async def perform(
        self, operation: Operation, arguments: dict[str, Any], has_ended: Callable[[], bool] = never
    ) -> Any:
        """Do it by the part, or here what the guard does."""
        if (part := self._parts.get(operation.part)) is not None:
            return await operation.do(part, arguments, DIRECT)
        return await super().perform(operation, arguments)

    async def send(self, request: SendRequest) -> Any:
        """Put it into the outbox."""
        if request.at is not None:
            return (await self.local.outbox.hold(request, None)).result
        return await self.local.outbox.submit(request)

    async def cancel_send(self, chat: str, send_id: int) -> Any:
        """Take it back."""
        await self.local.outbox.cancel(send_id)
        return await self.local.outbox.outcome(send_id, 0.0)

    async def forget_chat(self, chat: str) -> Any:
        """Delete what is stored of it."""
        report = await self.local.whatsapp.archive.purge(chat=chat)
        self.local.outbox.forget(report.cancelled)
        return report

    async def permit(self, wanted: Any) -> None:
        """Agree."""

    async def approval(self, number: str, wait: float = 0.0) -> Approval:
        """One that a person has refused."""
        return Approval(number, ApprovalState.DENIED, "send_message", "test", (), "asked", NOON, NOON)


def direct(local: LocalDevice) -> Device:
    """A leader's device without its guard."""
    return Direct(local)
