"""`open_device`: everything a server or a command needs of one account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import anyio.to_thread

from whatsapp_mcp.archive import ReadingArchive, open_archive
from whatsapp_mcp.device.connection import Accessor
from whatsapp_mcp.device.leader import endpoint
from whatsapp_mcp.device.leader.background import background_tasks
from whatsapp_mcp.device.leader.election import LeaderElection
from whatsapp_mcp.device.leader.led_account import Led, Program, kept_ledger
from whatsapp_mcp.device.leader.remote import OfflineDevice
from whatsapp_mcp.device.leader.serving import serve
from whatsapp_mcp.device.operations import Device, as_device
from whatsapp_mcp.device.supervise import supervised
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.ledger import Ledger
from whatsapp_mcp.settings import AccountFolder, CurrentSettings, Settings


async def offline_devices(account: str, reason: str) -> Accessor[Device]:
    """Holds the device of an account that nobody leads: every operation fails with the reason."""
    devices: Accessor[Device] = Accessor(lambda: Busy(reason))
    offline = as_device(OfflineDevice(account, reason))
    await devices.replace(lambda _: offline)
    return devices


@asynccontextmanager
async def offered(folder: AccountFolder, led: Led) -> AsyncIterator[Accessor[Device]]:
    """Holds the device of an account that this process leads; followers on this machine use it too."""
    devices = await offline_devices(folder.name, "The account is about to be led.")
    await devices.replace(lambda _: as_device(led.device))
    async with endpoint.listening(folder, partial(serve, devices)):
        try:
            yield devices
        finally:
            offline = as_device(OfflineDevice(folder.name, "This process leads the account no longer."))
            with anyio.CancelScope(shield=True):
                await devices.replace(lambda _: offline)


@asynccontextmanager
async def open_device(
    settings: Settings, account: str = "default", *, program: Program = None
) -> AsyncIterator[tuple[Accessor[Device], ReadingArchive, Ledger]]:
    """The device of an account, its archive and its ledger, at once: the connection comes up meanwhile.

    Leads if no other server does, else follows, until the body ends; then the client process
    is ended and nothing is left behind.

    Args:
        program: The client process's command, for tests.

    Raises:
        Busy: The ledger cannot be used.
        InvalidArgument: The account's name cannot be one, or it is encrypted and its key missing or wrong.
    """
    folder = settings.account_folder(account)
    await anyio.to_thread.run_sync(folder.vault.unlock)
    folder.create()
    devices: Accessor[Device] = Accessor(lambda: Busy("The server is starting."))
    starting = as_device(OfflineDevice(account, "The server is starting."))
    await devices.replace(lambda _: starting)
    current = CurrentSettings(settings, account)
    days = settings.for_account(account).retention.days
    async with (
        open_archive(folder) as archive,
        kept_ledger(folder) as ledger,
        background_tasks() as tasks,
    ):
        election = LeaderElection(folder, current, devices, ledger, retention_days=days, program=program)
        tasks.start_soon(partial(supervised, "leader election", election.run))
        yield devices, archive, ledger
