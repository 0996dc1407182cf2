"""`EnforcedDevice`: enforces the policy; the only way to the leader's device.

A server checks the policy before it runs a tool, to answer early. That binds nobody: a server may be older,
and other programs of this user can reach the leader's socket. What is decided here is final.

Files are the other half: the client process, which opens them, opens nothing but what lies in the account's
`media` folder (`client/arguments.py`); servers copy into it what their allowed folders hold
(`server/arguments/file_intake.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from whatsapp_mcp.device.local_device import LocalDevice
from whatsapp_mcp.device.operations import GeneratedDevice, Operation
from whatsapp_mcp.policy import Act, Policy, Situation, require
from whatsapp_mcp.settings import CurrentSettings


class EnforcedDevice(GeneratedDevice):
    """The leader's device, as its own tools and its followers get it.

    Args:
        device: Does what is allowed.
        settings: Name the policy; read again for every operation.
    """

    def __init__(self, device: LocalDevice, settings: CurrentSettings) -> None:
        self._device = device
        self._settings = settings

    async def perform(
        self,
        operation: Operation,
        arguments: dict[str, Any],
        has_ended: Callable[[], bool] = lambda: False,
    ) -> Any:
        """Do an operation if the policy allows it.

        Args:
            operation: Which.
            arguments: By name, defaults filled in.
            has_ended: Whether the process that asks is gone; then a send stays accepted.

        Raises:
            Denied: The policy does not allow it.
            WhatsAppError: What the operation raises.
        """
        act = Act(operation.name, operation.effect, operation.declared.audience)
        require(Policy.of(self._settings.now()), act, Situation(self.caller))
        if operation.name == "send":
            return await self._device.send(arguments["request"], has_ended)
        return await getattr(self._device, operation.name)(**arguments)
