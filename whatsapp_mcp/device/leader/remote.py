"""Devices that act elsewhere or not at all.

`RemoteDevice` asks the leader, `OfflineDevice` stands in while there is none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import anyio

from whatsapp_mcp.device.operations import Device, Operation, control, never
from whatsapp_mcp.device.supervise import background_tasks
from whatsapp_mcp.errors import Busy, DeadlineExceeded, NotConnected, WhatsAppError
from whatsapp_mcp.models import ConnectionState, ConnectionStatus
from whatsapp_mcp.processes.rpc import Peer

PING: Final = "ping"
_PING_AFTER: Final = 2.0
"""Seconds without an answer after which the leader is pinged: one that was stopped keeps its socket open."""
_PING_DEADLINE: Final = 3.0
"""Seconds in which a leader that runs answers a ping."""
_OFFLINE_ACTION: Final = "Wait: a server takes over by itself."

logger = logging.getLogger(__name__)


class _Elsewhere(Device):
    """The account and its leader; where the leader cannot be asked, that is its status."""

    _account: str
    _leader_pid: int | None
    _since: datetime | None = None

    async def perform(
        self, operation: Operation, arguments: dict[str, Any], has_ended: Callable[[], bool] = never
    ) -> Any:
        """Ask the leader to do it."""
        try:
            return await self._ask(operation, arguments)
        except WhatsAppError as error:
            if operation.function is control.status:
                return self._offline(error, self._since or datetime.now(UTC))
            raise

    async def _ask(self, operation: Operation, arguments: dict[str, Any]) -> Any:
        raise NotImplementedError

    def _offline(self, error: WhatsAppError, since: datetime) -> ConnectionStatus:
        return ConnectionStatus(
            ConnectionState.OFFLINE,
            since,
            self._account,
            reason=error.message,
            action=error.action,
            leader_pid=self._leader_pid,
        )


class RemoteDevice(_Elsewhere):
    """The device through the leader.

    Args:
        peer: The connection to the leader.
        leader_pid: The leader's process id, for the error where it does not answer.
    """

    def __init__(self, account: str, peer: Peer, leader_pid: int) -> None:
        self._account = account
        self._peer = peer
        self._leader_pid = leader_pid

    async def _ask(self, operation: Operation, arguments: dict[str, Any]) -> Any:
        try:
            params = {"caller": asdict(self.caller), "arguments": operation.dump(arguments)}
            answer = await self._watched(operation.name, params, operation.patience(arguments))
        except NotConnected as error:
            if not self._peer.closed:
                raise
            raise Busy(
                f"The leader (process {self._leader_pid}) ended during the call.",
                "Another server takes over. Check connection_status, then whether the call took effect.",
            ) from error
        return operation.result.validate_python(answer)

    async def _watched(self, method: str, params: dict[str, Any], patience: float) -> Any:
        """Call, and while no answer comes make sure that the leader still runs."""
        answered = anyio.Event()

        async def watch() -> None:
            while not answered.is_set():
                with anyio.move_on_after(_PING_AFTER):
                    await answered.wait()
                    return
                try:
                    await self._peer.call(PING, deadline=_PING_DEADLINE)
                except (DeadlineExceeded, NotConnected):
                    call.cancel()
                    return
                except WhatsAppError as error:
                    logger.debug("leader: a ping was answered with %s", error.code)

        async with background_tasks() as tasks:
            call = anyio.CancelScope()
            tasks.start_soon(watch)
            with call:
                answer = await self._peer.call(method, params, deadline=patience)
                answered.set()
                return answer
        if self._peer.closed:
            raise NotConnected("The leader is gone.")
        raise Busy(
            f"The leader (process {self._leader_pid}) does not answer.",
            f"Resume or end process {self._leader_pid}; another server then takes over.",
        )


class OfflineDevice(_Elsewhere):
    """Stands in while no server leads; every operation fails with the reason."""

    def __init__(
        self, account: str, reason: str, action: str | None = None, *, leader_pid: int | None = None
    ) -> None:
        self._account = account
        self._error = Busy(reason, action or _OFFLINE_ACTION, retry_after=1.0)
        self._leader_pid = leader_pid
        self.has_leader = leader_pid is not None
        self._since = datetime.now(UTC)

    async def _ask(self, operation: Operation, arguments: dict[str, Any]) -> Any:
        # A new one for each caller: an exception that is raised twice collects the tracebacks of both.
        raise Busy(self._error.message, self._error.action, retry_after=1.0)
