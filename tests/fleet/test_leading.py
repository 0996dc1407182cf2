"""Whole accounts that are led in a database: messages, sends, and how a leadership ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests import simulated
from tests.fleet.keys.taken import TakenAccount, leaders_url
from tests.fleet.leading import led
from tests.postgres import PostgresServer
from whatsapp_mcp.models import ConnectionState, SendRequest, SendStatus, TextContent
from whatsapp_mcp.simulator import WhatsApp

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
