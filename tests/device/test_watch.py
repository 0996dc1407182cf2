"""A machine that has slept is noticed soon after it wakes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import anyio
import pytest

from tests.device.conftest import settings_of
from tests.device.fake_clock import FakeClock
from tests.devices import direct
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.device.clock import SystemClock
from whatsapp_mcp.device.connection.reconnect import ASLEEP, LOOK, notice_sleep
from whatsapp_mcp.device.connection.state import Connection
from whatsapp_mcp.device.local_device import LocalDevice
from whatsapp_mcp.device.operations import control
from whatsapp_mcp.device.supervise import background_tasks
from whatsapp_mcp.models import ConnectionState
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def noticed() -> AsyncIterator[tuple[FakeClock, list[float]]]:
    """A clock that is looked at; gives when sleep was noticed, too."""
    clock, times = FakeClock(), list[float]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(notice_sleep, clock, lambda: times.append(clock.monotonic()))
        await clock.advance(60)
        yield clock, times
        tasks.cancel_scope.cancel()


async def test_sleep_during_which_the_monotonic_clock_stands_still_is_noticed_within_seconds() -> None:
    async with noticed() as (clock, times):
        await clock.suspend(3600)
        await clock.advance(LOOK)
        assert times == [60 + LOOK]
        await clock.advance(600)
        assert len(times) == 1


async def test_sleep_during_which_both_clocks_go_on_is_noticed_at_once() -> None:
    async with noticed() as (clock, times):
        await clock.jump(3600)
        assert times == [3660]


async def test_a_clock_that_is_set_back_and_a_busy_machine_are_no_sleep() -> None:
    async with noticed() as (clock, times):
        await clock.suspend(-3600)
        await clock.advance(LOOK)
        await clock.jump(ASLEEP)
        await clock.advance(LOOK)
        assert times == []


class Slipping(SystemClock):
    """The machine's time, of which the wall clock may be ahead."""

    ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


async def test_a_device_checks_its_connection_after_sleep(wa: WhatsApp, folder: AccountFolder) -> None:
    clock, states = Slipping(), list[ConnectionState]()

    def passes(link: Connection) -> bool:
        states.append(link.state)
        return states[-2:] == [ConnectionState.DEGRADED, ConnectionState.ONLINE]

    async with open_archive(folder, write=True) as archive, background_tasks() as tasks:
        device = LocalDevice(folder, settings_of(folder), archive, tasks, owner=None, clock=clock)
        await device.start()
        with anyio.fail_after(30):
            shown = await direct(device).do(control.link)
            assert shown.qr is not None
            await wa.me.scan(shown.qr.text)
            await device.wait_for(lambda now: now.state is ConnectionState.ONLINE)
            clock.ahead = timedelta(hours=1)
            await device.wait_for(passes)
