"""Leader and follower meet at a port of loopback, as they do on Windows."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from whatsapp_mcp.device.connection.accessor import Accessor
from whatsapp_mcp.device.leader import observed_status
from whatsapp_mcp.device.leader.endpoint import connect
from whatsapp_mcp.device.leader.runtime import open_device
from whatsapp_mcp.device.leader.serving import PROTOCOL
from whatsapp_mcp.device.operations import Device, control
from whatsapp_mcp.errors import Denied
from whatsapp_mcp.models import ConnectionState, ConnectionStatus
from whatsapp_mcp.processes.rpc import Peer
from whatsapp_mcp.settings import AccountFolder, Settings
from whatsapp_mcp.system import LoopbackPort

pytestmark = pytest.mark.anyio
LIMIT = 30


@dataclass
class Place:
    """An account, and the servers of it."""

    settings: Settings

    @property
    def folder(self) -> AccountFolder:
        """The account's."""
        return self.settings.account_folder()

    @property
    def file(self) -> Path:
        """Names the port and the secret."""
        return self.folder.meeting_place.path

    @asynccontextmanager
    async def server(self) -> AsyncIterator[Accessor[Device]]:
        """One more server."""
        async with open_device(self.settings) as (devices, _, _):
            yield devices

    async def written(self) -> dict[str, object]:
        """What the file says, once it is there."""
        with anyio.fail_after(LIMIT):
            while not self.file.exists():  # noqa: ASYNC110
                await anyio.sleep(0.02)
        return json.loads(self.file.read_text())


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """An account whose servers meet as on Windows."""
    monkeypatch.setattr(
        AccountFolder, "meeting_place", property(lambda self: LoopbackPort(self.path / "host.json"))
    )
    return Place(Settings(home=tmp_path / "home"))


async def status_of(devices: Accessor[Device]) -> ConnectionStatus:
    async with devices.use() as device:
        return await device.do(control.status)


async def test_a_follower_is_served_and_an_observer_answered(place: Place) -> None:
    async with place.server() as leading:
        await place.written()
        async with place.server() as following:
            with anyio.fail_after(LIMIT):
                while (await status_of(following)).state is not ConnectionState.UNLINKED:  # noqa: ASYNC110
                    await anyio.sleep(0.02)
            assert (await status_of(following)).leader_pid == (await status_of(leading)).leader_pid
        assert (await observed_status(place.folder)).state is ConnectionState.UNLINKED
    assert not place.file.exists()


async def test_who_does_not_know_the_secret_is_refused(place: Place) -> None:
    async with place.server():
        await place.written()
        stream, secret = await connect(place.folder)
        async with stream, Peer(stream, stream) as peer:
            with pytest.raises(Denied):
                await ask(peer)
            for wrong in ("", secret[:-1], secret + "0", "\ud800", 0):
                await greet(peer, wrong)
                with pytest.raises(Denied):
                    await ask(peer)
            await greet(peer, secret)
            await ask(peer)


async def greet(peer: Peer, secret: object) -> None:
    await peer.call("hello", {"protocol": PROTOCOL, "version": "", "secret": secret}, deadline=LIMIT)


async def ask(peer: Peer) -> None:
    await peer.call("ping", deadline=LIMIT)


async def test_a_file_that_was_deleted_is_written_again(place: Place) -> None:
    async with place.server():
        before = await place.written()
        place.file.unlink()
        after = await place.written()
        assert after["secret"] == before["secret"]
        stream, _ = await connect(place.folder)
        await stream.aclose()
