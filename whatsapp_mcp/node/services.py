"""The services of an account on this node: of one that it leads, and of one whose files it only has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from whatsapp_mcp.archive import ReadingArchive, open_archive
from whatsapp_mcp.device.leader import Led, background_tasks, offered, offline_devices
from whatsapp_mcp.device.operations import Devices
from whatsapp_mcp.ledger import Ledger, open_ledger
from whatsapp_mcp.node.context import NodeContext
from whatsapp_mcp.server.runtime import Runtime
from whatsapp_mcp.settings import AccountFolder, CurrentSettings, Settings

_NOT_LED: Final = "No node leads this account at the moment."

Opened = tuple[Devices, ReadingArchive, Ledger]


@asynccontextmanager
async def led_services(
    context: NodeContext, folder: AccountFolder, current: CurrentSettings, led: Led
) -> AsyncIterator[Runtime]:
    """Answer replicas, and programs on this machine, for an account that this node leads.

    Args:
        context: The node.
        folder: The account's files.
        current: Its settings.
        led: What leads it.
    """

    @asynccontextmanager
    async def opener(settings: Settings, account: str) -> AsyncIterator[Opened]:
        yield devices, archive, led.ledger

    async with offered(folder, led) as devices, open_archive(folder) as archive, background_tasks() as tasks:
        runtime = runtime_of(context, folder.name, current, opener)
        tasks.start_soon(runtime.run, context.worker)
        with context.served.led(folder.name, runtime):
            yield runtime


def runtime_of(
    context: NodeContext,
    account: str,
    current: CurrentSettings,
    opener: Callable[[Settings, str], AbstractAsyncContextManager[Opened]],
    *,
    is_copy: bool = False,
) -> Runtime:
    """A runtime that opens at once.

    Args:
        context: The node.
        account: Its name.
        current: Its settings.
        opener: Opens its device, archive and ledger.
        is_copy: Whether another process leads it.
    """
    runtime = Runtime(context.settings, account, opener, current=current, is_copy=is_copy)
    runtime.open_soon()
    return runtime


@asynccontextmanager
async def copied_services(settings: Settings, account: str) -> AsyncIterator[Opened]:
    """Open what this machine has of an account that it does not lead; nothing is written there."""
    folder = settings.account_folder(account)
    devices = await offline_devices(account, _NOT_LED)
    async with open_archive(folder) as archive, open_ledger(folder) as ledger:
        yield devices, archive, ledger
