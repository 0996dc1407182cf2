"""The proxy of an account, from its settings in the database to the socket: it moves with the account."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteStream, SocketAttribute

from tests import simulated
from tests.client.client_process import NOWHERE
from tests.device.socks import dial_through, socks_proxy
from tests.fleet.keys.taken import TakenAccount, leaders_url
from tests.fleet.leading import LIMIT, LedAccount, led
from tests.fleet.postgres import PostgresServer
from whatsapp_fleet.cli import CLIENT
from whatsapp_fleet.tenancy import account_overview, set_account_settings
from whatsapp_mcp.device.operations import control, sends
from whatsapp_mcp.models import ConnectionState, SendRequest, SendStatus, TextContent
from whatsapp_mcp.settings import loading
from whatsapp_simulator import WhatsApp, launcher

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def proxies_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of these tests goes beyond loopback, where no account may have its proxy."""

    def is_elsewhere(url: str) -> bool:
        return False

    monkeypatch.setattr(loading, "_is_of_the_machine", is_elsewhere)


NOBODY = "socks5://127.0.0.1:1"
"""A proxy at which nobody listens."""


@pytest.fixture
async def wa(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WhatsApp]:
    """WhatsApp, which is reached through proxies alone: without one, the way leads nowhere."""
    async with WhatsApp(seed=29) as whatsapp:
        for name, value in NOWHERE.items():
            monkeypatch.setenv(name, value)
        reached = whatsapp.environment().items()
        others = {name: value for name, value in reached if not name.lower().endswith("_proxy")}
        simulated.use_program(launcher.client_program(others, CLIENT), monkeypatch)
        yield whatsapp


@pytest.fixture
def account(postgres: PostgresServer, database: str) -> Iterator[TakenAccount]:
    with TakenAccount(leaders_url(postgres, database)) as taken:
        yield taken


def proxied_by(account: TakenAccount, proxy: str) -> Callable[[], str]:
    """Let the account go through a proxy; its settings as nodes read them."""
    set_account_settings(account.session, account.account, f'[network]\nproxy = "{proxy}"\n')
    text = account_overview(account.session, account.account).settings
    return lambda: text


def node(home: Path, proxy: str = NOBODY) -> Path:
    """The home of a node with a proxy of its own."""
    home.mkdir()
    (home / "config.toml").write_text(f'[network]\nproxy = "{proxy}"\n', encoding="utf-8")
    return home


@asynccontextmanager
async def broken_proxy() -> AsyncIterator[tuple[str, list[None]]]:
    """A proxy that hangs up; its URL, and as many entries as connections came."""
    came: list[None] = []

    async def hang_up(stream: ByteStream) -> None:
        came.append(None)
        await stream.aclose()

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, hang_up)
        yield f"socks5://127.0.0.1:{listener.extra(SocketAttribute.local_port)}", came
        tasks.cancel_scope.cancel()


async def send(leader: LedAccount, wa: WhatsApp, text: str) -> None:
    ann = wa.person(text)
    sent = await leader.device.do(sends.send, SendRequest(str(ann.pn), TextContent(text), wait=30.0))
    assert sent.status is SendStatus.SENT
    assert (await ann.receives()).message.conversation == text


async def test_the_next_leader_goes_through_the_accounts_proxy_from_its_first_connection_on(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path
) -> None:
    to_whatsapp = dial_through(wa.environment()["HTTPS_PROXY"])
    async with socks_proxy(to_whatsapp) as (proxy, seen):
        leads = partial(led, account, own=proxied_by(account, proxy))
        async with leads(node(tmp_path / "one")) as former:
            await former.link(wa)
            await send(former, wa, "before")
        await wa.me.offline()
        by_former = len(seen)
        async with leads(node(tmp_path / "two")) as leader:
            await leader.until(ConnectionState.ONLINE)
            await send(leader, wa, "after")
        assert {target.rpartition(":")[0] for target in seen} == {"web.whatsapp.com"}
        assert len(seen) > by_former > 0


async def test_a_leader_whose_account_has_a_proxy_that_does_not_answer_connects_by_no_other_way(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path
) -> None:
    to_whatsapp = dial_through(wa.environment()["HTTPS_PROXY"])
    async with socks_proxy(to_whatsapp) as (proxy, seen), broken_proxy() as (broken, asked):
        async with led(account, node(tmp_path / "one"), own=proxied_by(account, proxy)) as former:
            await former.link(wa)
        await wa.me.offline()
        by_former = len(seen)
        # The node itself could go the way that works.
        home = node(tmp_path / "two", proxy)
        async with led(account, home, own=proxied_by(account, broken)) as leader:
            with anyio.fail_after(LIMIT):
                while len(asked) < 2:  # noqa: ASYNC110
                    await anyio.sleep(0.02)
            assert (await leader.device.do(control.status)).state is not ConnectionState.ONLINE
        assert len(seen) == by_former
