"""Reads and acts through a replica while the database does not answer, and while a node is lost as well."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from mcp import Client

from tests.fault_proxy import FaultProxy, fault_proxy
from tests.fixtures import call, client_of, said
from tests.fleet.keys.taken import leaders_url
from tests.fleet.node.fleet_of_tests import TTL_VARIABLE, Fleet, NodeProcess, node
from tests.fleet.node.replica_role import replicas_url
from tests.fleet.node.test_replicas import link, replica
from tests.fleet.postgres import PostgresServer
from tests.server.fakes import text_of
from whatsapp_fleet.tenancy import create_principal
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import WhatsApp

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ACCOUNT = "work"
LIMIT = 60.0


@pytest.fixture
async def wa() -> AsyncIterator[WhatsApp]:
    async with WhatsApp(seed=14) as whatsapp:
        yield whatsapp


@pytest.fixture
def fleet(postgres: PostgresServer, database: str) -> Iterator[Fleet]:
    with Fleet(leaders_url(postgres, database), ACCOUNT) as opened:
        opened.configure(ACCOUNT, '[policy]\nmode = "open"\n')
        yield opened


@pytest.fixture
def network(postgres: PostgresServer) -> Iterator[FaultProxy]:
    """What is between the database and everybody else but the test."""
    with fault_proxy(postgres.port) as opened:
        yield opened


def has(where: NodeProcess, text: str) -> bool:
    """Whether the archive of a node has a message."""
    archive = AccountFolder(ACCOUNT, where.home / "accounts" / ACCOUNT).archive_db
    try:
        with closing(sqlite3.connect(f"file:{archive}?mode=ro", uri=True)) as db:
            return bool(db.execute("SELECT 1 FROM messages WHERE text = ?", [text]).fetchone())
    except sqlite3.OperationalError:
        return False


async def stale(client: Client, chat: str, *texts: str) -> datetime:
    """Since when something may be missing, once a chat is read from a copy that has these messages."""
    with anyio.fail_after(LIMIT):
        while True:
            read = await client.call_tool("list_messages", {"chat": chat})
            if not read.is_error and "stale_since" in (read.structured_content or {}):
                break
            await anyio.sleep(0.1)
    shown = text_of(read.content)
    assert "Stale: no node leads this account" in shown
    assert all(text in shown for text in texts), shown
    assert read.structured_content is not None
    return datetime.fromisoformat(read.structured_content["stale_since"])


async def fresh(client: Client, chat: str, text: str) -> None:
    """Return once the leader answers, and has received a message that was waiting."""
    with anyio.fail_after(LIMIT):
        while True:
            read = await client.call_tool("list_messages", {"chat": chat})
            shown = text_of(read.content)
            if not read.is_error and text in shown:
                assert "Stale" not in shown
                return
            await anyio.sleep(0.1)


async def is_busy(client: Client, chat: str) -> None:
    """See that nothing is sent, and that this is said."""
    refused = await client.call_tool("send_message", {"chat": chat, "text": "into the void"})
    told = text_of(refused.content)
    assert refused.is_error
    assert "BUSY" in told
    assert "Nothing was done. Try again in a few seconds." in told


async def test_without_the_database_reads_are_marked_and_acts_busy_until_it_answers_again(
    wa: WhatsApp, fleet: Fleet, network: FaultProxy, tmp_path: Path, postgres: PostgresServer
) -> None:
    ann = wa.person("Ann")
    # The network is in this process, which is busy: a lease must not end because of it.
    environment = {**wa.environment(), TTL_VARIABLE: "15"}
    token = create_principal(fleet.session, "agent", ["read", "send", "admin"], [ACCOUNT])
    assert token is not None

    def through(url: str) -> str:
        return url.replace(f":{postgres.port}/", f":{network.port}/")

    async with (
        node("one", tmp_path, through(fleet.url), environment) as one,
        node("two", tmp_path, through(fleet.url), environment) as two,
        replica("a", tmp_path, through(replicas_url(postgres, fleet.url)), token) as server,
        client_of(server, "http") as client,
    ):
        await fleet.until(lambda fleet: len(fleet.nodes()) == 2 and fleet.is_settled())
        await link(client, wa)
        leader, other = (one, two) if fleet.leaders()[ACCOUNT] == "one" else (two, one)
        await ann.says("before")
        await fleet.until(lambda _: has(other, "before"))
        network.hold()
        held = datetime.now(UTC)
        await ann.says("meanwhile")
        # The node that has led it answers, until it ends; then the one that has a copy.
        assert await stale(client, ann.number, "before") <= held
        await is_busy(client, ann.number)
        leader.kill()
        assert await stale(client, ann.number, "before") <= held
        await is_busy(client, ann.number)
        network.release()
        await fresh(client, ann.number, "meanwhile")
        await call(client, "send_message", chat=ann.number, text="afterwards")
        assert "afterwards" in await said(client, "list_messages", chat=ann.number)
    assert "into the void" not in [received.text for received in ann.inbox]
