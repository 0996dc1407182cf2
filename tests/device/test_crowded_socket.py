"""Connections at the leader's socket that say nothing, or no end of it, cost the leader next to nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteStream

from tests.device.server_process import server_process
from whatsapp_mcp.device.leader import endpoint
from whatsapp_mcp.device.leader.observer import leading_device
from whatsapp_mcp.device.operations import Device, control
from whatsapp_mcp.errors import NotConnected
from whatsapp_mcp.models import ConnectionState
from whatsapp_mcp.settings import AccountFolder, Settings

if sys.platform == "linux":
    import resource
else:
    pytest.skip("limits and peaks of another process", allow_module_level=True)

pytestmark = pytest.mark.anyio
LIMIT = 60
MEBIBYTE = 1 << 20
IDLE = 1_500
ROOM = 24
"""Descriptors that the leader has left for connections."""


@asynccontextmanager
async def leader(tmp_path: Path) -> AsyncIterator[tuple[int, AccountFolder]]:
    """A leader in a process of its own: its number, and the account."""
    settings = Settings(home=tmp_path / "home")
    async with server_process(settings.home) as process:
        folder = settings.account_folder()
        assert await newcomer_is_served(folder)  # the address is put up a moment later
        yield process.pid, folder


async def is_served(device: Device) -> bool:
    with anyio.fail_after(LIMIT):
        return (await device.do(control.status)).state is ConnectionState.UNLINKED


async def newcomer_is_served(folder: AccountFolder) -> bool:
    """Whether one who connects now is served; those before may have been in its way for a moment."""
    with anyio.fail_after(LIMIT):
        while True:
            with suppress(OSError, NotConnected):
                async with leading_device(folder) as device:
                    return await is_served(device)
            await anyio.sleep(0.05)


def peak(pid: int) -> int:
    """The most memory that a process has had, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [one for one in lines if one.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


async def send_without_end(stream: ByteStream, size: int) -> None:
    """Send a line that does not end, until so much is sent or the other side hangs up."""
    async with stream:
        with suppress(anyio.BrokenResourceError):
            for _ in range(size // MEBIBYTE):
                await stream.send(b"x" * MEBIBYTE)


async def test_unfinished_lines_of_forty_connections_cost_no_memory(tmp_path: Path) -> None:
    async with leader(tmp_path) as (pid, folder), leading_device(folder) as device:
        before = peak(pid)
        async with anyio.create_task_group() as tasks:
            for _ in range(40):
                stream, _secret = await endpoint.connect(folder)
                tasks.start_soon(send_without_end, stream, 8 * MEBIBYTE)
            assert await is_served(device)
        assert peak(pid) - before < 32 * MEBIBYTE
        assert await is_served(device)


@pytest.mark.parametrize("room", [None, ROOM], ids=["with descriptors", "without descriptors"])
async def test_idle_connections_neither_end_the_leadership_nor_keep_anybody_out(
    tmp_path: Path, room: int | None
) -> None:
    async with leader(tmp_path) as (pid, folder), leading_device(folder) as device, AsyncExitStack() as idle:
        if room is not None:
            used = len(os.listdir(f"/proc/{pid}/fd"))
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + room, used + room))
        for _ in range(IDLE):
            stream, _secret = await endpoint.connect(folder)
            idle.push_async_callback(anyio.aclose_forcefully, stream)
        assert await is_served(device)
        assert await newcomer_is_served(folder)
        assert await is_served(device)
