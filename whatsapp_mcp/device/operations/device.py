"""`Device`: the linked device of an account, as tools, pages and commands use it.

`await device.do(groups.create_group, name="Family", members=...)` does what `groups.create_group` does, here
or in the process that leads the account: the leader's device asks the policy first (`EnforcedDevice`), a
follower's (`RemoteDevice`) asks the leader over its socket. So arguments and results are JSON-able:
primitives and the dataclasses of `models`. Reading what was said is no operation: every server reads the
archive itself.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, Protocol, Self, TypeVar

from whatsapp_mcp.device.operations.operation import Operation, never, operation_of
from whatsapp_mcp.models import UNKNOWN, Caller

P = ParamSpec("P")
R = TypeVar("R")


class Device:
    """The linked device of one account.

    Every operation answers or fails with a `WhatsAppError` within its deadline; none blocks on a dead
    connection.

    Attributes:
        caller: For whom operations are done.
        has_leader: Whether some process leads the account, as far as this one knows.
    """

    caller: Caller = UNKNOWN
    has_leader: bool = True

    async def do(
        self, function: Callable[Concatenate[Any, P], Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Do an operation for the caller; its function says what it answers and raises.

        Args:
            function: Of a part, which is left out here.
            args: The other arguments.
            kwargs: The same by name.

        Raises:
            Denied: The policy forbids it.
            ApprovalRequired: A person has to approve it, and is asked now.
            RateLimited: It is beyond a budget, or a person would be asked too often.
            Busy: Nobody leads the account, or not for now.
        """
        operation = operation_of(function)
        return await self.perform(operation, operation.bind(args, kwargs))

    def acting_for(self, caller: Caller) -> Self:
        """The same device, whose operations are done for this caller."""
        bound = copy(self)
        bound.caller = caller
        return bound

    async def perform(
        self, operation: Operation, arguments: dict[str, Any], has_ended: Callable[[], bool] = never
    ) -> Any:
        """Do an operation for the caller.

        Args:
            operation: Which.
            arguments: By name, defaults filled in.
            has_ended: Whether the process that asks is gone.
        """
        raise NotImplementedError


class Devices(Protocol):
    """The accessor that lends tools and pages the current device."""

    def use(self, deadline: float | None = None) -> AbstractAsyncContextManager[Device]:
        """Lend the device for one call of at most `deadline` seconds; nobody keeps it.

        Raises:
            WhatsAppError: There is none at the moment, or it went while it was lent.
        """
        ...


@dataclass(frozen=True, slots=True)
class CallersDevices:
    """`Devices` for one caller: what they lend acts for it."""

    devices: Devices
    caller: Caller

    @asynccontextmanager
    async def use(self, deadline: float | None = None) -> AsyncGenerator[Device]:
        """Lend the device, acting for the caller; raises what `Devices.use` does."""
        async with self.devices.use(deadline) as device:
            yield device.acting_for(self.caller)
