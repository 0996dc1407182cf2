"""Accounts that nodes lead, on the simulated WhatsApp: what a person sees of takeovers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import pytest
from pydantic import SecretStr

from tests.fault_proxy import FaultProxy, fault_proxy
from tests.fleet.keys.taken import leaders_url
from tests.fleet.node.fleet_of_tests import LONG_LEASE, Fleet, NodeProcess, node
from tests.fleet.postgres import PostgresServer
from whatsapp_fleet.settings import FleetSettings
from whatsapp_mcp.archive import ReadingArchive
from whatsapp_mcp.device.connection import Accessor
from whatsapp_mcp.device.leader import open_device
from whatsapp_mcp.device.operations import Device, control, sends
from whatsapp_mcp.errors import Busy, NotConnected
from whatsapp_mcp.models import ConnectionState, MessageFilter, SendRequest, SendStatus, TextContent
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio

ACCOUNT = "work"
LIMIT = 60.0


@pytest.fixture
async def wa() -> AsyncIterator[WhatsApp]:
    async with WhatsApp(seed=11) as whatsapp:
        yield whatsapp


@pytest.fixture
def fleet(postgres: PostgresServer, database: str) -> Iterator[Fleet]:
    with Fleet(leaders_url(postgres, database), ACCOUNT) as opened:
        opened.configure(ACCOUNT, '[policy]\nmode = "open"\n')
        yield opened


class Account:
    """The account as a program on its node's machine uses it."""

    def __init__(self, devices: Accessor[Device], archive: ReadingArchive) -> None:
        self._devices = devices
        self._archive = archive

    async def until(self, state: ConnectionState) -> None:
        """Return once a leader says that it is in this state; a lease that ends has none for a while."""
        with anyio.fail_after(LIMIT):
            while True:
                with suppress(Busy, NotConnected):
                    async with self._devices.use() as device:
                        if (await device.do(control.status)).state is state:
                            return
                await anyio.sleep(0.05)

    async def link(self, wa: WhatsApp) -> None:
        await self.until(ConnectionState.UNLINKED)
        async with self._devices.use() as device:
            shown = await device.do(control.link)
        assert shown.qr is not None
        await wa.me.scan(shown.qr.text)
        await self.until(ConnectionState.ONLINE)

    async def send(self, to: str, text: str) -> SendStatus:
        async with self._devices.use() as device:
            return (await device.do(sends.send, SendRequest(to, TextContent(text)))).status

    async def hear(self, chat: str, text: str) -> None:
        """Return once the archive has a message."""
        with anyio.fail_after(LIMIT):
            while text not in await self.texts(chat):  # noqa: ASYNC110
                await anyio.sleep(0.05)

    async def texts(self, chat: str) -> list[str | None]:
        """Of the messages of a chat, oldest first."""
        page = await self._archive.messages(MessageFilter(chat=chat), oldest_first=True)
        return [message.text for message in page.items if message.text]


@asynccontextmanager
async def used(where: NodeProcess, fleet: Fleet) -> AsyncIterator[Account]:
    settings = FleetSettings(home=where.home, database=SecretStr(fleet.url))
    async with open_device(settings, ACCOUNT) as (devices, archive, _):
        yield Account(devices, archive)


@pytest.fixture
def proxied(postgres: PostgresServer, fleet: Fleet) -> Iterator[tuple[str, FaultProxy]]:
    """The address of the database through a network that can be cut, and that network."""
    with fault_proxy(postgres.port) as network:
        yield fleet.url.replace(f":{postgres.port}/", f":{network.port}/"), network


async def test_without_the_database_a_node_ends_its_client_and_goes_on_afterwards(
    wa: WhatsApp, fleet: Fleet, proxied: tuple[str, FaultProxy], tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    chat, (url, network) = str(ann.pn), proxied
    async with node("one", tmp_path, url, wa.environment()) as one:
        await fleet.until(lambda fleet: fleet.is_settled())
        async with used(one, fleet) as account:
            await account.link(wa)
            await ann.says("before")
            await account.hear(chat, "before")
            network.hold()
            await account.until(ConnectionState.OFFLINE)
            with pytest.raises(Busy):
                await account.send(chat, "hello")
            assert await account.texts(chat) == ["before"]
            await ann.says("meanwhile")
            network.release()
            await account.until(ConnectionState.ONLINE)
            await account.hear(chat, "meanwhile")
            assert await account.send(chat, "again") is SendStatus.SENT


async def test_a_node_that_stood_still_does_nothing_for_an_account_that_another_leads(
    wa: WhatsApp, fleet: Fleet, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    chat, environment = str(ann.pn), wa.environment()
    async with (
        node("one", tmp_path, fleet.url, environment) as one,
        node("two", tmp_path, fleet.url, environment) as two,
    ):
        await fleet.until(lambda fleet: len(fleet.nodes()) == 2 and fleet.is_settled())
        first, second = (one, two) if fleet.leaders()[ACCOUNT] == "one" else (two, one)
        async with used(first, fleet) as account:
            await account.link(wa)
        former = fleet.rows()[ACCOUNT]
        first.stop()
        await ann.says("meanwhile")
        await fleet.until(lambda fleet: fleet.leaders().get(ACCOUNT) == second.name)
        async with used(second, fleet) as account:
            await account.until(ConnectionState.ONLINE)
            await account.hear(chat, "meanwhile")
            first.go_on()
            await fleet.until(lambda fleet: former.run not in fleet.nodes() and len(fleet.nodes()) == 2)
            assert len(wa.me.companions) == 1
        assert "gives up" not in first.log


async def test_an_account_goes_on_at_another_node_when_its_own_is_killed(
    wa: WhatsApp, fleet: Fleet, tmp_path: Path
) -> None:
    environment = {**wa.environment(), **LONG_LEASE}
    ann = wa.person("Ann")
    chat = str(ann.pn)
    async with (
        node("one", tmp_path, fleet.url, environment) as one,
        node("two", tmp_path, fleet.url, environment) as two,
    ):
        await fleet.until(lambda fleet: len(fleet.nodes()) == 2 and fleet.is_settled())
        first, second = (one, two) if fleet.leaders()[ACCOUNT] == "one" else (two, one)
        async with used(first, fleet) as account:
            await account.link(wa)
            await ann.says("before")
            await account.hear(chat, "before")
            assert await account.send(chat, "hello") is SendStatus.SENT
        first.kill()
        await ann.says("meanwhile")
        async with used(second, fleet) as account:
            await account.until(ConnectionState.ONLINE)
            await account.hear(chat, "meanwhile")
            assert await account.send(chat, "again") is SendStatus.SENT
            assert [text for text in await account.texts(chat) if text] == [
                "before",
                "hello",
                "meanwhile",
                "again",
            ]
        assert not fleet.snapshots()
        assert await second.terminate() == 0
        assert fleet.snapshots() == {ACCOUNT}
