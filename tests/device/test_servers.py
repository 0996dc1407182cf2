"""Servers of one account: one hosts, the others attach."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import pytest

from whatsapp_mcp.archive import ReadingArchive
from whatsapp_mcp.device.accessor import Accessor
from whatsapp_mcp.device.protocol import Device
from whatsapp_mcp.device.runtime import open_device
from whatsapp_mcp.models import ConnectionState, ConnectionStatus, SendRequest, SendStatus, TextContent
from whatsapp_mcp.settings import Settings
from whatsapp_mcp.simulator import WhatsApp

pytestmark = pytest.mark.anyio

Opened = tuple[Accessor[Device], ReadingArchive]
Open = Callable[[], AbstractAsyncContextManager[Opened]]


@pytest.fixture
def server(tmp_path: Path) -> Open:
    return lambda: open_device(Settings(home=tmp_path / "home"))


async def status_of(devices: Accessor[Device]) -> ConnectionStatus:
    async with devices.use() as device:
        return await device.status()


async def until(devices: Accessor[Device], state: ConnectionState) -> ConnectionStatus:
    with anyio.fail_after(20):
        while (status := await status_of(devices)).state is not state:  # noqa: ASYNC110
            await anyio.sleep(0.02)
    return status


async def link(wa: WhatsApp, devices: Accessor[Device]) -> None:
    await until(devices, ConnectionState.UNLINKED)
    async with devices.use() as device:
        shown = await device.link()
    assert shown.qr is not None
    await wa.me.scan(shown.qr.text)
    await until(devices, ConnectionState.ONLINE)


@asynccontextmanager
async def linked(wa: WhatsApp, server: Open) -> AsyncIterator[Opened]:
    async with server() as opened:
        await link(wa, opened[0])
        yield opened


async def test_a_server_that_hosts_links_and_sends(wa: WhatsApp, server: Open) -> None:
    ann = wa.person("Ann")
    async with linked(wa, server) as (devices, archive):
        async with devices.use() as device:
            result = await device.send(SendRequest(str(ann.pn), TextContent("hello")))
        assert result.status is SendStatus.SENT
        assert (await archive.message(result.ref or 0)).text == "hello"


async def test_ten_servers_share_one_link(wa: WhatsApp, server: Open) -> None:
    async with linked(wa, server):
        pass
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(server()) for _ in range(10)]
        statuses = [await until(devices, ConnectionState.ONLINE) for devices, _ in servers]
        assert {status.generation for status in statuses} == {2}
        ann = wa.person("Ann")
        for number, (devices, _) in enumerate(servers):
            async with devices.use() as device:
                result = await device.send(SendRequest(str(ann.pn), TextContent(f"hello {number}")))
            assert result.status is SendStatus.SENT
        assert len(wa.me.companions) == 1


async def test_when_the_host_ends_another_takes_over(wa: WhatsApp, server: Open) -> None:
    ready, leave = anyio.Event(), anyio.Event()

    async def first() -> None:
        async with linked(wa, server):
            ready.set()
            await leave.wait()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first)
        await ready.wait()
        async with server() as (devices, _):
            assert (await until(devices, ConnectionState.ONLINE)).generation == 1
            leave.set()
            with anyio.fail_after(3):
                while (await until(devices, ConnectionState.ONLINE)).generation != 2:  # noqa: ASYNC110
                    await anyio.sleep(0.02)
