"""An account's device for commands: from the server that leads it, or by leading for a while.

`whatsapp-mcp pause` and `resume` too, which need no device.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

import anyio

from whatsapp_mcp import settings
from whatsapp_mcp.archive import ReadingArchive
from whatsapp_mcp.cli.options import known_account
from whatsapp_mcp.device import leader
from whatsapp_mcp.device.leader import observed_status
from whatsapp_mcp.device.operations import Device, Devices, control
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.models import PERSON, ConnectionStatus
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.system import INTERRUPT, receive_signals
from whatsapp_mcp.text.redaction import RedactingFormatter, describe, set_levels

T = TypeVar("T")
SETTLE_LIMIT: Final = 15.0
"""Seconds to wait for a connection that this command itself is opening."""
SETTLE_POLL: Final = 0.1
"""Seconds between two looks at the status."""
RECONNECT_LIMIT: Final = 5.0
"""Seconds in which `reconnect` finds a device, and again in which it waits for the connection."""


class BriefFormatter(RedactingFormatter):
    """A log for a person at a terminal: exceptions without tracebacks."""

    def formatException(self, ei: Any) -> str:  # noqa: N802  the name is logging's
        """The exception without its traceback."""
        return describe(ei[1])


def log_to_stderr(level: str) -> None:
    """Let every logger of this process write to standard error: `debug`, `info`, `warning` or `error`."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = RedactingFormatter if level == "debug" else BriefFormatter
    handler.setFormatter(formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler])
    set_levels(level)


def with_known_device(account: str, use: Callable[[Devices, ReadingArchive], Awaitable[T]]) -> T:
    """Run `use` as `with_device` does, for an account that is here.

    Raises:
        NotLinked: It is not here; nothing is made.
    """
    known_account(account)
    return with_device(account, use)


def with_device(account: str, use: Callable[[Devices, ReadingArchive], Awaitable[T]]) -> T:
    """Run `use` with the account's device and archive.

    Raises:
        InvalidArgument: The settings are wrong, the account's name cannot be one, or its folder be made.
        KeyboardInterrupt: Ctrl-C came first.
        WhatsAppError: What `use` raised.
    """
    from whatsapp_mcp.device.leader import background_tasks, open_device
    from whatsapp_mcp.device.operations import CallersDevices

    loaded = settings.load()
    log_to_stderr(loaded.log_level)
    outcome: list[T] = []

    async def run() -> None:
        with anyio.CancelScope() as scope:
            async with background_tasks() as tasks:
                tasks.start_soon(_cancel_on_interrupt, scope)
                async with open_device(loaded, account) as (devices, archive, _):
                    # A person at the terminal is not asked about what they do themselves.
                    outcome.append(await use(CallersDevices(devices, PERSON), archive))

    anyio.run(run)
    if not outcome:
        raise KeyboardInterrupt
    return outcome[0]


async def _cancel_on_interrupt(scope: anyio.CancelScope) -> None:
    """Let Ctrl-C cancel the scope: asyncio's own way cancels once, and a wait that just ends can miss it."""
    with receive_signals(INTERRUPT) as signals:
        async for _ in signals:
            scope.cancel()


async def settled_status(devices: Devices, limit: float = SETTLE_LIMIT) -> ConnectionStatus:
    """The status once a connection that is being made has come to an end, or after `limit` seconds."""
    deadline = anyio.current_time() + limit
    while True:
        async with devices.use() as device:
            status = await device.do(control.status)
        if not status.state.traits.connecting or anyio.current_time() >= deadline:
            return status
        await anyio.sleep(SETTLE_POLL)


async def asked(devices: Devices, ask: Callable[[Device], Awaitable[T]], limit: float = RECONNECT_LIMIT) -> T:
    """Ask the leader and return the answer; this command becomes the leader where there is none.

    Raises:
        Busy: No server could be asked in time, or it does not answer.
        WhatsAppError: What the operation raises.
    """
    deadline = anyio.current_time() + limit
    while True:
        try:
            async with devices.use() as device:
                return await ask(device)
        except Busy:  # this command is only just becoming, or reaching, the leader
            if anyio.current_time() >= deadline:
                raise
        await anyio.sleep(SETTLE_POLL)


async def reconnected(
    devices: Devices, _: ReadingArchive, limit: float = RECONNECT_LIMIT
) -> ConnectionStatus:
    """Reconnect, and the status after it.

    Raises:
        NotLinked: No phone is linked.
        Busy: No server could be asked in time, or it does not answer.
    """
    await asked(devices, lambda device: device.do(control.reconnect), limit)
    return await settled_status(devices, limit)


async def unlinked(devices: Devices, _: ReadingArchive) -> None:
    """Log the device out.

    Raises:
        NotLinked: No phone is linked.
    """
    # WhatsApp has to hear of it, and this command may only just be connecting.
    await settled_status(devices)
    async with devices.use() as device:
        await device.do(control.unlink)


def paused(account: str, until: datetime | None) -> ConnectionStatus:
    """Pause an account's connection, and the status after it.

    Raises:
        WhatsAppError: See `device.pausing.pause`.
        NotLinked: The account is not here.
    """
    return _run(account, partial(leader.pause, until=until))


def resumed(account: str, limit: float = RECONNECT_LIMIT) -> ConnectionStatus:
    """End the pause of an account, and the status once its server is online or `limit` seconds have passed.

    Raises:
        WhatsAppError: See `device.pausing.resume`.
        NotLinked: The account is not here.
    """

    async def resume_and_wait(folder: AccountFolder) -> ConnectionStatus:
        status = await leader.resume(folder)
        deadline = anyio.current_time() + limit
        while status.leader_pid and status.state.traits.connecting and anyio.current_time() < deadline:
            await anyio.sleep(SETTLE_POLL)
            status = await observed_status(folder)
        return status

    return _run(account, resume_and_wait)


def _run(account: str, ask: Callable[[AccountFolder], Awaitable[ConnectionStatus]]) -> ConnectionStatus:
    folder = known_account(account)
    log_to_stderr(settings.load().log_level)
    return anyio.run(ask, folder)
