"""Replicas and nodes as processes, on the simulated WhatsApp: whichever is asked, the leader answers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import pytest
from mcp import Client

from tests.fixtures import HttpServer, call, client_of, said, until
from tests.fleet.keys.taken import leaders_url
from tests.fleet.node.fleet_of_tests import LONG_LEASE, Fleet, kept, node
from tests.fleet.node.replica_role import replicas_url
from tests.fleet.postgres import PostgresServer
from tests.server.fakes import text_of
from whatsapp_fleet.tenancy import create_principal
from whatsapp_mcp.settings import ENV_PREFIX, HOME_VARIABLE
from whatsapp_simulator import WhatsApp

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ACCOUNT, OTHER = "work", "private"
LIMIT = 60.0


@pytest.fixture
async def wa() -> AsyncIterator[WhatsApp]:
    async with WhatsApp(seed=12) as whatsapp:
        yield whatsapp


@pytest.fixture
def fleet(postgres: PostgresServer, database: str) -> Iterator[Fleet]:
    with Fleet(leaders_url(postgres, database), ACCOUNT, OTHER) as opened:
        for account in (ACCOUNT, OTHER):
            opened.configure(account, '[policy]\nmode = "open"\n')
        yield opened


@asynccontextmanager
async def replica(
    name: str, folder: Path, url: str, token: str, *, admin: bool = False
) -> AsyncIterator[HttpServer]:
    """A replica in a process of its own, once it serves; with the admin API if it is to have it."""
    variables = {
        HOME_VARIABLE: str(folder / name),
        f"{ENV_PREFIX}DATABASE": url,
        f"{ENV_PREFIX}NODE__ALLOW_ASYNCHRONOUS": "true",
        f"{ENV_PREFIX}SERVER__ADMIN": str(admin).lower(),
    }
    serve = ["serve", "--structured", "--transport", "http", "--port", "0"]
    log = folder / f"{name}.log"
    with log.open("wb") as errors:
        process = await anyio.open_process(
            [sys.executable, "-m", "whatsapp_fleet", *serve],
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            env={**kept(), **variables},
        )
    async with process:
        try:
            with anyio.fail_after(LIMIT):
                while "/mcp" not in log.read_text():
                    assert process.returncode is None, log.read_text()
                    await anyio.sleep(0.05)
            base = log.read_text().partition("Serving MCP on ")[2].partition("/mcp")[0]
            yield HttpServer(base, token, process)
        finally:
            if process.returncode is None:
                process.kill()


async def link(client: Client, wa: WhatsApp) -> None:
    """Link the account's phone through a replica."""
    with anyio.fail_after(LIMIT):
        while True:
            shown = await client.call_tool("link_device", {})
            if not shown.is_error:
                break
            assert "BUSY" in text_of(shown.content)
    assert shown.structured_content is not None
    await wa.me.scan(shown.structured_content["qr"]["text"])
    await until(client, lambda status: status["state"] == "online", "connection_status", within=LIMIT)


async def test_a_send_through_one_replica_is_read_through_the_other_and_goes_on_when_the_leader_is_killed(
    wa: WhatsApp, fleet: Fleet, tmp_path: Path, postgres: PostgresServer
) -> None:
    url = replicas_url(postgres, fleet.url)
    environment = {**wa.environment(), **LONG_LEASE}
    ann = wa.person("Ann")
    token = create_principal(fleet.session, "agent", ["read", "send", "admin"], [ACCOUNT])
    assert token is not None
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        nodes = {name: await enter(node(name, tmp_path, fleet.url, environment)) for name in ("one", "two")}
        first = await enter(replica("a", tmp_path, url, token))
        a = await enter(client_of(first, "http"))
        b = await enter(client_of(await enter(replica("b", tmp_path, url, token)), "http"))
        await fleet.until(lambda fleet: len(fleet.nodes()) == 2 and fleet.is_settled())
        await link(a, wa)
        await call(a, "send_message", chat=ann.number, text="through a")
        assert "through a" in await said(b, "list_messages", chat=ann.number)
        leader = fleet.leaders()[ACCOUNT]
        nodes[leader].kill()
        await ann.says("meanwhile")
        online = await until(b, lambda status: status["state"] == "online", "connection_status", within=LIMIT)
        assert online["account"] == ACCOUNT
        await call(b, "send_message", chat=ann.number, text="through b")
        told = [await said(a, "list_messages", chat=ann.number)]
        for text in ("through a", "meanwhile", "through b"):
            assert text in told[0]
        assert OTHER not in await said(a, "connection_status")
        assert fleet.leaders()[ACCOUNT] != leader
        told.clear()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_wait_for_messages, a, ann.number, told)
            await _is_about_to_end(first)
            await ann.says("last words")
        assert "last words" in told[0]
        with anyio.fail_after(LIMIT):
            assert await first.process.wait() == 0


async def _wait_for_messages(client: Client, chat: str, told: list[str]) -> None:
    told.append(await said(client, "wait_for_messages", chat=chat, wait=50))


async def _is_about_to_end(server: HttpServer) -> None:
    """Ask a replica to end, and return once it says so."""
    server.process.terminate()
    async with httpx2.AsyncClient(trust_env=False, timeout=LIMIT) as http:
        with anyio.fail_after(LIMIT):
            while (await http.get(f"{server.base}/readyz")).status_code != 503:  # noqa: ASYNC110
                await anyio.sleep(0.05)


async def test_an_account_that_is_made_is_served_at_once_and_of_others_a_token_is_told_nothing(
    wa: WhatsApp, fleet: Fleet, tmp_path: Path, postgres: PostgresServer
) -> None:
    operator = create_principal(fleet.session, "operator", ["read", "admin"], None)
    limited = create_principal(fleet.session, "agent", ["read"], [OTHER])
    assert operator is not None
    assert limited is not None
    async with (
        node("one", tmp_path, fleet.url, wa.environment()),
        replica("a", tmp_path, fleet.url, operator, admin=True) as server,
        replica("b", tmp_path, replicas_url(postgres, fleet.url), operator) as public,
        client_of(server, "http") as client,
        client_of(HttpServer(server.base, limited, server.process), "http") as agent,
    ):
        async with httpx2.AsyncClient(headers=server.headers, trust_env=False, timeout=LIMIT) as http:
            made = await http.post(f"{server.base}/admin/v1/accounts", json={"name": "club"})
            assert made.is_success, made.text
            assert (await http.get(f"{public.base}/admin/v1/accounts")).status_code == 404
        with anyio.fail_after(LIMIT):
            while "account club" not in await said(client, "connection_status"):  # noqa: ASYNC110
                await anyio.sleep(0.05)
        own = await agent.call_tool("list_chats", {"account": "club"})
        unknown = await agent.call_tool("list_chats", {"account": "nobody"})
        assert text_of(own.content) == text_of(unknown.content).replace("nobody", "club")
