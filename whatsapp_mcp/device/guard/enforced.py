"""`EnforcedDevice`: enforces the policy; the only way to the leader's device.

A server checks the policy before it runs a tool, to answer early. That binds nobody: a server may be older,
and other programs of this user can reach the leader's socket. What is decided here is final.

Files are the other half: the client process, which opens them, opens nothing but what lies in the account's
`media` folder (`client/arguments.py`); servers copy into it what their allowed folders hold
(`server/arguments/file_intake.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from whatsapp_mcp.device.guard.bookkeeping import Begin
from whatsapp_mcp.device.guard.gate import Gate
from whatsapp_mcp.device.local_device import LocalDevice
from whatsapp_mcp.device.operations import GeneratedDevice, Operation
from whatsapp_mcp.errors import Busy, WhatsAppError
from whatsapp_mcp.models import Approval, LeaderFigures, SendRequest, SendResult
from whatsapp_mcp.processes.tracing import traced
from whatsapp_mcp.storage import LeadershipOver

Operate = Callable[..., Awaitable[Any]]
"""Does an operation, with its arguments by their names."""
_NOTHING: Final[Mapping[str, Operate]] = MappingProxyType({})

_OF_THE_GATE: Final = frozenset({"approval", "ask_on_phone", "decide", "clear_exposures"})
"""Operations that the gate itself does."""
_OF_A_QUESTION: Final = frozenset({"approval", "ask_on_phone"})
"""Those of them that are about a question of the caller's."""

_TAKEOVER: Final = 3.0
"""Seconds after which another leader may have taken over."""


class EnforcedDevice(GeneratedDevice):
    """The leader's device, as its own tools and its followers get it.

    Args:
        device: Does what is allowed.
        gate: Decides.
        beside: Does operations beside the device, by their names.
    """

    def __init__(self, device: LocalDevice, gate: Gate, beside: Mapping[str, Operate] = _NOTHING) -> None:
        self._device = device
        self._gate = gate
        self._beside = beside

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
        try:
            arguments = await self._gate.limited(arguments, caller)
            if operation.name == "permit":
                admission = await self._gate.permit(arguments["wanted"], caller)
            else:
                admission = await self._gate.admit(operation, arguments, caller)
        except WhatsAppError as error:
            await books.refused(operation, arguments, caller, error)
            raise
        async with books.act(operation, arguments, caller, admission) as begin:
            if operation.name == "send":
                return await self._send(arguments["request"], has_ended, admission.approval, begin)
            await begin()
            return await self._do(operation, arguments, has_ended)

    async def _send(
        self, request: SendRequest, has_ended: Callable[[], bool], approval: Approval | None, begin: Begin
    ) -> SendResult:
        if approval is not None and approval.send_id is not None:  # it is on its way since the yes
            await begin()
            return await self._device.outbox.outcome(approval.send_id, request.wait)
        if request.at is not None:
            await begin()
            return await self._gate.held_sends.schedule(request, self.caller)
        authorship = await self._gate.held_sends.authorship(request, self.caller)
        return await self._device.send(request, has_ended, authorship, begin)

    async def _do(
        self,
        operation: Operation,
        arguments: dict[str, Any],
        has_ended: Callable[[], bool],
    ) -> Any:
        if operation.name == "permit":
            return None
        if operation.name == "withdraw":
            return await self._gate.withdraw(arguments["number"], self.caller)
        if operation.name == "approvals":
            return await self._gate.approvals(self.caller)
        if operation.name in _OF_A_QUESTION:
            self._gate.require_own(arguments["number"], self.caller)
        if operation.name in _OF_THE_GATE:
            return await getattr(self._gate, operation.name)(**arguments)
        if operation.name == "handed_on":
            arguments = {**arguments, "has_ended": has_ended}
        if (operate := self._beside.get(operation.name)) is not None:
            return await operate(**arguments)
        if operation.name == "forget_chat":
            await self._gate.books.forget_chat(arguments["chat"])
        answer = await getattr(self._device, operation.name)(**arguments)
        if isinstance(answer, LeaderFigures):
            return replace(answer, refusals=dict(self._gate.books.refusals))
        return await self._gate.seen(answer, self.caller) if operation.name == "activity" else answer
