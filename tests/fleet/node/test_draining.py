"""A node that is asked to end in the middle of a conversation."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest

from tests.fixtures import client_of, until
from tests.fleet.chaos.traffic import Traffic
from tests.fleet.chaos.truth import archived_texts
from tests.fleet.keys.taken import leaders_url
from tests.fleet.node.fleet_of_tests import LONG_LEASE, Fleet, NodeProcess, node
from tests.fleet.node.replica_role import replicas_url
from tests.fleet.node.test_replicas import link, replica
from tests.fleet.postgres import PostgresServer
from whatsapp_fleet.tenancy import create_principal
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import WhatsApp

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ACCOUNT, OTHER = "work", "private"
LIMIT = 60.0
BEFORE, AFTER = 20, 40
"""Messages that have come when the node is asked to end, and at the end."""


@pytest.fixture
async def wa() -> AsyncIterator[WhatsApp]:
    async with WhatsApp(seed=15) as whatsapp:
        yield whatsapp


@pytest.fixture
def fleet(postgres: PostgresServer, database: str) -> Iterator[Fleet]:
    with Fleet(leaders_url(postgres, database), ACCOUNT, OTHER) as opened:
        opened.set(OTHER, "drained")
        opened.configure(ACCOUNT, '[policy]\nmode = "open"\n[policy.budgets]\ngap_seconds = 0\n')
        yield opened


async def at_least(traffic: Traffic, messages: int) -> None:
    """Return once so many messages were written."""
    with anyio.fail_after(LIMIT):
        while len(traffic.said) < messages:  # noqa: ASYNC110  nobody tells
            await anyio.sleep(0.05)


def texts(where: NodeProcess) -> Counter[str]:
    try:
        return archived_texts(AccountFolder(ACCOUNT, where.home / "accounts" / ACCOUNT))
    except sqlite3.OperationalError:
        return Counter()


async def test_a_node_that_is_asked_to_end_loses_and_doubles_nothing_of_what_comes_and_goes_meanwhile(
    wa: WhatsApp, fleet: Fleet, tmp_path: Path, postgres: PostgresServer
) -> None:
    environment = {**wa.environment(), **LONG_LEASE}
    people = [wa.person("Ann"), wa.person("Bob")]
    token = create_principal(fleet.session, "agent", ["read", "admin"], [ACCOUNT])
    sender = create_principal(fleet.session, "sender", ["send"], None)
    assert token is not None
    assert sender is not None
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        nodes = {name: await enter(node(name, tmp_path, fleet.url, environment)) for name in ("one", "two")}
        server = await enter(replica("a", tmp_path, replicas_url(postgres, fleet.url), token))
        client = await enter(client_of(server, "http"))
        await fleet.until(lambda fleet: len(fleet.nodes()) == 2 and fleet.is_settled())
        await link(client, wa)
        former = nodes.pop(fleet.leaders()[ACCOUNT])
        [other] = nodes.values()
        traffic = Traffic({ACCOUNT: wa.me}, people, [server.base], sender, seed=1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(traffic.run, 10.0, 4.0)
            await at_least(traffic, BEFORE)
            assert await former.terminate() == 0
            assert former.name not in fleet.nodes().values()
            await until(client, lambda status: status["state"] == "online", "connection_status", within=LIMIT)
            await at_least(traffic, AFTER)
            traffic.stop()
        assert fleet.rows()[ACCOUNT].failures == 0
        came = Counter(one.text for one in traffic.said)
        await fleet.until(lambda _: came.keys() <= texts(other).keys())
        assert {text: texts(other)[text] for text in came} == came
        assert [(one.text, one.refusals) for one in traffic.sent if not one.accepted] == []
        arrived = Counter(received.text for person in people for received in person.inbox)
        assert arrived == Counter(one.text for one in traffic.sent)
