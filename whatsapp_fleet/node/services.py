"""The services of an account on this node: of one that it leads, and of one whose files it only has."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from typing import Final

import anyio
import anyio.to_thread

from whatsapp_fleet.database import Database, PostgresStatements
from whatsapp_fleet.node.run import NodeContext
from whatsapp_fleet.settings import FleetSettings
from whatsapp_mcp.archive import ReadingArchive, open_archive
from whatsapp_mcp.device.leader import LeaderAccount, background_tasks, offered, offline_devices
from whatsapp_mcp.device.operations import Devices
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.ledger import Ledger, follow_ledger, open_ledger
from whatsapp_mcp.media import open_worker
from whatsapp_mcp.server.runtime import Runtime
from whatsapp_mcp.settings import AccountFolder, CurrentSettings, Settings
from whatsapp_mcp.storage import StorageError

_PATIENCE: Final = 3.0
"""Seconds in which the database answers."""
_FOLLOW_EVERY: Final = 30.0
"""Seconds after which the ledger of a copy is brought up to date."""
_IDLE: Final = 2.0
"""Seconds for which a decoding process is kept without a job; another one takes half a second to start."""
_NOT_LED: Final = "No node leads this account at the moment."

logger = logging.getLogger(__name__)

Opened = tuple[Devices, ReadingArchive, Ledger]


@asynccontextmanager
async def led_services(
    context: NodeContext, folder: AccountFolder, current: CurrentSettings, led: LeaderAccount
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
        tasks.start_soon(keep_open, context, runtime)
        with context.served.led(folder.name, runtime):
            yield runtime


async def keep_open(context: NodeContext, runtime: Runtime) -> None:
    """Keep the services of an account open until cancelled; its files are decoded in a process of its own."""
    async with open_worker(idle_seconds=_IDLE, turns=context.decoding) as worker:
        await runtime.run(worker)


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
    """Open what this machine has of an account that it does not lead; nothing is written there.

    Raises:
        Busy: It has no ledger of the account: then it could not be kept in mind what is handed out.
    """
    assert isinstance(settings, FleetSettings)
    folder = settings.account_folder(account)
    devices = await offline_devices(account, _NOT_LED)
    await anyio.to_thread.run_sync(_follow, settings, folder)
    async with open_archive(folder) as archive, open_ledger(folder) as ledger:
        if not ledger.is_copy:
            raise Busy("This node has no ledger of the account.")
        async with background_tasks() as tasks:
            tasks.start_soon(_keep_up, settings, folder)
            yield devices, archive, ledger


async def _keep_up(settings: FleetSettings, folder: AccountFolder) -> None:
    while True:
        await anyio.sleep(_FOLLOW_EVERY)
        await anyio.to_thread.run_sync(_follow, settings, folder)


def _follow(settings: FleetSettings, folder: AccountFolder) -> None:
    """Bring the ledger up to date; while the database is away it stays as it is."""
    url, allow = settings.database.get_secret_value(), settings.node.allow_asynchronous
    database = Database(url, patience=_PATIENCE, allow_asynchronous=allow)
    try:
        with closing(PostgresStatements(database, folder.name)) as log:
            follow_ledger(folder, log)
    except (StorageError, sqlite3.Error) as error:
        logger.warning("node: the ledger of %s cannot be followed: %s", folder.name, type(error).__name__)
