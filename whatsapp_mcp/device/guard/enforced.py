"""`EnforcedDevice`: enforces the policy; the only way to the leader's device.

A server checks the policy before it runs a tool, to answer early. That binds nobody: a server may be older,
and other programs of this user can reach the leader's socket. What is decided here is final.

Files are the other half: servers copy what their allowed folders hold into the account's `media` folder
(`server/arguments/file_intake.py`), and the client process is handed copies from there alone
(`device/connection/handover.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from whatsapp_mcp.device.guard.gate import Gate
from whatsapp_mcp.device.operations import Device, Invocation, Operation, never
from whatsapp_mcp.errors import Busy, WhatsAppError
from whatsapp_mcp.processes.tracing import traced
from whatsapp_mcp.storage import LeadershipOver

_TAKEOVER: Final = 3.0
"""Seconds after which another leader may have taken over."""


class EnforcedDevice(Device):
    """The leader's device, as its own tools and its followers get it.

    Args:
        gate: Decides.
        parts: Do what is allowed; each does the operations whose first parameter is of its class.
    """

    def __init__(self, gate: Gate, parts: Iterable[object]) -> None:
        self._gate = gate
        self._parts = {type(part).__name__: part for part in (gate.sends, gate.approvals, *parts)}

    async def perform(
        self, operation: Operation, arguments: dict[str, Any], has_ended: Callable[[], bool] = never
    ) -> Any:
        """Do an operation if the policy allows it.

        Args:
            operation: Which.
            arguments: By name, defaults filled in.
            has_ended: Whether the process that asks is gone; then a send stays accepted.

        Raises:
            Denied: The policy does not allow it.
            Busy: The leadership ended meanwhile.
            ApprovalRequired: A person has to approve it, and is asked now.
            WhatsAppError: What the operation raises.
        """
        try:
            with traced(f"operation {operation.name}"):
                return await self._perform(operation, arguments, has_ended)
        except LeadershipOver as error:
            raise Busy(
                "Another leader takes this account over, or its database does not answer.",
                "Check whether it took effect before retrying.",
                retry_after=_TAKEOVER,
            ) from error

    async def _perform(
        self, operation: Operation, arguments: dict[str, Any], has_ended: Callable[[], bool]
    ) -> Any:
        books, caller = self._gate.books, self.caller
        if operation.declared.is_state:
            answer = await self._do(operation, arguments, Invocation(caller, has_ended))
            return await self._gate.seen(answer, caller)
        try:
            arguments = await self._gate.limited(arguments, caller)
            admission = await self._gate.admit(operation, arguments, caller)
        except WhatsAppError as error:
            await books.refused(operation, arguments, caller, error)
            raise
        async with books.act(operation, arguments, caller, admission) as begin:
            if not operation.declared.begins_itself:
                await begin()
            invocation = Invocation(caller, has_ended, begin, admission.approval)
            return await self._do(operation, arguments, invocation)

    async def _do(self, operation: Operation, arguments: dict[str, Any], invocation: Invocation) -> Any:
        return await operation.do(self._parts[operation.part], arguments, invocation)
