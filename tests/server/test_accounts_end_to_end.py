"""One server of two accounts on the simulated WhatsApp: each has a connection of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from tests import simulated
from tests.fixtures import HttpServer, call, client_of, http_server, said, until
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.calls import Accounts
from whatsapp_mcp.server.runtime import Runtime, Runtimes
from whatsapp_mcp.server.transports.tokens import Tokens
from whatsapp_mcp.settings import load
from whatsapp_mcp.text.choices import SCOPES
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.phone import Phone

pytestmark = pytest.mark.anyio
LIMIT = 60.0
PRIVATE, WORK = "private", "work"


@asynccontextmanager
async def serving(home: Path) -> AsyncIterator[Client]:
    """An MCP client of a server of both accounts, in this process."""
    settings = load(home)
    accounts = [Runtime(settings, name) for name in (PRIVATE, WORK)]
    for each in accounts:
        settings.account_folder(each.account).create()
    application = create(
        Accounts.of(*accounts), "core", structured=True, middleware=[each.note_answer for each in accounts]
    )
    runtimes = Runtimes(*accounts)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(runtimes.run)
        async with Client(application) as client:
            yield client
        await runtimes.close()


async def led(server: HttpServer) -> None:
    """Return once a server of one account leads it."""
    async with client_of(server, "http") as client:
        pid = server.process.pid
        await until(client, lambda told: told["leader_pid"] == pid, "connection_status", within=LIMIT)


async def status(client: Client, account: str, **wanted: Any) -> None:
    """Return once the connection of an account is as wanted."""

    def holds(answer: Any) -> bool:
        told = answer["accounts"].get(account, {})
        return all(told.get(name) == value for name, value in wanted.items())

    await until(client, holds, "connection_status", within=LIMIT, account=account)


async def link(client: Client, account: str, phone: Phone) -> None:
    """Link a phone to an account."""
    answer = await call(client, "link_device", account=account)
    await phone.scan(answer["qr"]["text"])
    await phone.online(LIMIT)
    await status(client, account, state="online", number=f"+{phone.pn.user}")


async def test_one_server_holds_two_accounts_and_one_goes_on_while_the_leader_of_the_other_is_killed(
    whatsapp: WhatsApp, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated.use(whatsapp, monkeypatch)
    own, office = whatsapp.account("+15550001111"), whatsapp.account("+15550002222", "Office")
    ann, carla = whatsapp.person("Ann"), whatsapp.person("Carla")
    async with AsyncExitStack() as stack:
        leader = await stack.enter_async_context(http_server(whatsapp, home, "--account", WORK))
        await led(leader)
        client = await stack.enter_async_context(serving(home))
        await status(client, WORK, leader_pid=leader.process.pid)
        await link(client, PRIVATE, own)
        await link(client, WORK, office)

        await said(client, "send_message", account=PRIVATE, chat=ann.number, text="from home")
        await said(client, "send_message", account=WORK, chat=carla.number, text="from the office")
        both = await said(client, "list_chats")

        leader.process.kill()
        await said(client, "send_message", account=PRIVATE, chat=ann.number, text="still here")
        await status(client, WORK, state="online")
        await said(client, "send_message", account=WORK, chat=carla.number, text="back again")

    private, work = both.split("account work:\n")
    assert ("from home" in private, "from the office" in work) == (True, True)
    assert ("from the office" in private, "from home" in work) == (False, False)
    assert [(got.sender, got.text) for got in ann.inbox] == [(own.lid, "from home"), (own.lid, "still here")]
    assert [(got.sender, got.text) for got in carla.inbox] == [
        (office.lid, "from the office"),
        (office.lid, "back again"),
    ]


async def test_a_server_that_is_told_no_account_serves_all_of_the_home_and_a_token_opens_its_own(
    whatsapp: WhatsApp, home: Path
) -> None:
    settings = load(home)
    for name in (PRIVATE, WORK):
        settings.account_folder(name).create()
    async with http_server(whatsapp, home) as server:
        token = Tokens(home).create("office", SCOPES, frozenset({WORK}))
        async with client_of(server, "http") as client:
            every = await call(client, "connection_status")
        async with client_of(replace(server, token=token), "http") as client:
            own = await call(client, "connection_status")

    assert [*every["accounts"]] == [PRIVATE, WORK]
    assert own["account"] == WORK
