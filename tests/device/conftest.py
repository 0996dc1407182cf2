"""A local device against WhatsApp on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from tests import simulated
from tests.devices import direct
from whatsapp_mcp.archive import Archive, open_archive
from whatsapp_mcp.device.connection.keys import stored_device
from whatsapp_mcp.device.leader.leadership import readers_of_features
from whatsapp_mcp.device.local_device import LocalDevice
from whatsapp_mcp.device.operations import control
from whatsapp_mcp.device.supervise import background_tasks
from whatsapp_mcp.models import ConnectionState, ConnectionStatus
from whatsapp_mcp.settings import AccountFolder, CurrentSettings, Settings
from whatsapp_simulator import WhatsApp


@pytest.fixture(scope="module", autouse=True)
def _as_copies(as_copies: None) -> None:  # pyright: ignore[reportUnusedFunction]  pytest calls it
    """Processes begin with their modules loaded."""


@pytest.fixture
async def wa(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WhatsApp]:
    async with WhatsApp() as whatsapp:
        simulated.use(whatsapp, monkeypatch)
        yield whatsapp


@pytest.fixture
def folder(tmp_path: Path) -> AccountFolder:
    made = AccountFolder("default", tmp_path / "accounts" / "default")
    made.create()
    return made


@pytest.fixture
def folders(paths: Callable[[], Path]) -> Callable[[], AccountFolder]:
    """What makes the folder of an account for each row of a table."""

    def made() -> AccountFolder:
        folder = AccountFolder("default", paths() / "accounts" / "default")
        folder.create()
        return folder

    return made


def settings_of(folder: AccountFolder) -> CurrentSettings:
    """The settings of the home in which an account lies."""
    return CurrentSettings(Settings(home=folder.path.parent.parent))


@dataclass
class Leader:
    """A local device and its archive."""

    device: LocalDevice
    archive: Archive

    async def until(self, *states: ConnectionState, within: float = 30.0) -> ConnectionStatus:
        with anyio.fail_after(within):
            await self.device.wait_for(lambda now: now.state in states)
        return await direct(self.device).do(control.status)


Lead = Callable[[], AbstractAsyncContextManager[Leader]]


@pytest.fixture
def lead(folder: AccountFolder) -> Lead:
    """Opens the account's device; more than once, one after the other, is another host each time."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Leader]:
        async with open_archive(folder, write=True) as archive, background_tasks() as tasks:
            owner = stored_device(folder.client_db)
            device = LocalDevice(
                folder, settings_of(folder), archive, tasks, owner=owner, readers=readers_of_features
            )
            await device.start()
            yield Leader(device, archive)

    return opened


@pytest.fixture
async def leader(lead: Lead) -> AsyncIterator[Leader]:
    async with lead() as it:
        yield it


@pytest.fixture
async def linked(wa: WhatsApp, leader: Leader) -> Leader:
    """A device that is linked and online."""
    shown = await direct(leader.device).do(control.link)
    assert shown.qr is not None
    await wa.me.scan(shown.qr.text)
    await leader.until(ConnectionState.ONLINE)
    await wa.me.online()
    return leader
