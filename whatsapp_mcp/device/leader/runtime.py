"""`open_device`: everything a server or a command needs of one account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio.to_thread

from whatsapp_mcp.archive import ReadingArchive, open_archive
from whatsapp_mcp.device.connection import Accessor
from whatsapp_mcp.device.leader.background import background_tasks
from whatsapp_mcp.device.leader.election import LeaderElection, Program
from whatsapp_mcp.device.leader.remote import OfflineDevice
from whatsapp_mcp.device.operations import Device, as_device
from whatsapp_mcp.device.supervise import supervised
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.settings import CurrentSettings, Settings


@asynccontextmanager
async def open_device(
    settings: Settings, account: str = "default", *, program: Program = None
) -> AsyncIterator[tuple[Accessor[Device], ReadingArchive]]:
    """The device of an account and its archive, at once: the connection comes up meanwhile.

    Leads if no other server does, else follows, until the body ends; then the client process
    is ended and nothing is left behind.

    Args:
        program: The client process's command, for tests.

    Raises:
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
    election = LeaderElection(folder, current, devices, retention_days=days, program=program)
    async with open_archive(folder) as archive, background_tasks() as tasks:
        tasks.start_soon(partial(supervised, "leader election", election.run))
        yield devices, archive
