"""A whole account that is led in a database of tests, on the simulated WhatsApp."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from tests.fleet.keys.taken import TakenAccount
from whatsapp_fleet.node.account import opened_storage
from whatsapp_fleet.settings import FleetSettings
from whatsapp_mcp.device.leader import LeaderAccount, LeaderLease, lead_account
from whatsapp_mcp.device.operations import Device, control
from whatsapp_mcp.models import PERSON, ConnectionState, ConnectionStatus
from whatsapp_mcp.settings import CurrentSettings
from whatsapp_mcp.system import boottime
from whatsapp_simulator import WhatsApp

LIMIT = 60.0
TTL = 10.0


def for_ever() -> float:
    """A lease that holds."""
    return boottime() + 3600


@dataclass(frozen=True)
class LedAccount:
    """An account that is led.

    Attributes:
        led: What is led.
        epoch: Of the leadership.
        home: The home of its machine.
    """

    led: LeaderAccount
    epoch: int
    home: Path

    @property
    def device(self) -> Device:
        """Its device, for a person."""
        return self.led.device.acting_for(PERSON)

    async def until(self, *states: ConnectionState) -> ConnectionStatus:
        """Wait until the connection is in one of these states."""
        with anyio.fail_after(LIMIT):
            while (status := await self.device.do(control.status)).state not in states:  # noqa: ASYNC110
                await anyio.sleep(0.02)
        return status

    async def link(self, wa: WhatsApp) -> None:
        """Link the phone of the account."""
        await self.until(ConnectionState.UNLINKED)
        shown = await self.device.do(control.link)
        assert shown.qr is not None
        await wa.me.scan(shown.qr.text)
        await self.until(ConnectionState.ONLINE)
        await wa.me.online()

    async def texts(self) -> list[str | None]:
        """What is archived, oldest first."""
        return [one.text for one in reversed((await self.led.archive.messages(limit=100)).items)]

    async def archived(self, *said: str) -> None:
        """Wait until these are archived."""
        seen = 0
        with anyio.fail_after(LIMIT):
            while not {*said} <= {*await self.texts()}:
                seen = await self.led.archive.wait_change(seen, 1.0)


@asynccontextmanager
async def led(
    account: TakenAccount,
    home: Path,
    *,
    until: Callable[[], float] = for_ever,
    returns_after: float = TTL,
    own: Callable[[], str] | None = None,
    **more: Any,
) -> AsyncIterator[LedAccount]:
    """Take the account over, and lead it on a machine with that home.

    Args:
        account: Which.
        home: Of the machine; an empty folder will do.
        until: When the lease ends.
        returns_after: Seconds after which a replaced client is started again.
        own: The text of the account's own settings.
        more: For `lead_account`.
    """
    login = await anyio.to_thread.run_sync(account.take_over)
    epoch = account.epoch()
    settings = FleetSettings(home=home)
    folder = settings.account_folder(account.account)
    folder.create()
    lease = LeaderLease(until, returns_after)
    async with (
        opened_storage(account.database, account.account, login, epoch, lease) as storage,
        lead_account(folder, CurrentSettings(settings, account.account, own), storage, **more) as it,
    ):
        yield LedAccount(it, epoch, home)
