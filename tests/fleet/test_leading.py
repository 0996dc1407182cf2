"""Whole accounts that are led in a database: messages, sends, and how a leadership ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from tests import simulated
from tests.fleet.keys.taken import TakenAccount, leaders_url
from tests.fleet.leading import LIMIT, led
from tests.postgres import PostgresServer
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.models import ConnectionState, SendRequest, SendStatus, TextContent
from whatsapp_mcp.simulator import WhatsApp
from whatsapp_mcp.storage import Fenced, Unavailable
from whatsapp_mcp.system import boottime

pytestmark = pytest.mark.anyio


@pytest.fixture
async def wa(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WhatsApp]:
    async with WhatsApp(seed=23) as whatsapp:
        simulated.use(whatsapp, monkeypatch)
        yield whatsapp


@pytest.fixture
def account(postgres: PostgresServer, database: str) -> Iterator[TakenAccount]:
    with TakenAccount(leaders_url(postgres, database)) as taken:
        yield taken


async def test_an_account_goes_on_where_its_former_leader_ended_on_a_machine_that_has_nothing_of_it(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    async with led(account, tmp_path / "one") as former:
        await former.link(wa)
        await ann.says("before")
        await former.archived("before")
        generation = (await former.device.status()).generation
    await wa.me.offline()
    await ann.says("meanwhile")
    async with led(account, tmp_path / "two") as leader:
        status = await leader.until(ConnectionState.ONLINE)
        assert status.generation > generation
        await leader.archived("before", "meanwhile")
        sent = await leader.device.send(SendRequest(str(ann.pn), TextContent("after"), wait=20.0))
        assert sent.status is SendStatus.SENT
    assert [one.text for one in ann.inbox] == ["after"]
    assert not list((tmp_path / "two").rglob("client.db"))
    assert not list((tmp_path / "two").rglob("inbox.db"))


async def test_a_leader_that_is_fenced_ends_and_its_calls_say_that_another_takes_over(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    async with led(account, tmp_path / "one") as former:
        await former.link(wa)
        await anyio.to_thread.run_sync(account.take_over)
        with pytest.raises(Busy):
            await former.device.send(SendRequest(str(ann.pn), TextContent("too late")))
        with anyio.fail_after(LIMIT):
            assert isinstance(await former.led.wait_ended(), Fenced)
    async with led(account, tmp_path / "two") as leader:
        await leader.until(ConnectionState.ONLINE)
        assert await leader.texts() == []
    assert not ann.inbox


async def test_a_leader_that_only_listens_ends_when_it_is_fenced(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    async with led(account, tmp_path / "one") as former:
        await former.link(wa)
        await anyio.to_thread.run_sync(account.take_over)
        await ann.says("for the next one")
        with anyio.fail_after(LIMIT):
            assert isinstance(await former.led.wait_ended(), Fenced)
    await wa.me.offline()
    async with led(account, tmp_path / "two") as leader:
        await leader.archived("for the next one")


async def test_a_leadership_ends_before_its_lease_and_its_client_with_it(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path
) -> None:
    until = [boottime() + 3600]
    async with led(account, tmp_path / "one", until=lambda: until[0]) as former:
        await former.link(wa)
        until[0] = boottime() + 3
        with anyio.fail_after(LIMIT):
            assert isinstance(await former.led.wait_ended(), Unavailable)
        assert boottime() < until[0]
    await wa.me.offline()
    async with led(account, tmp_path / "one") as again:
        await again.until(ConnectionState.ONLINE)
