"""A fleet whose nodes and replicas are of two versions, while it is upgraded and when that is undone."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

import tests
import whatsapp_fleet
import whatsapp_mcp
from tests.fixtures import call, client_of, said, until
from tests.fleet.keys.taken import leaders_url
from tests.fleet.node.fleet_of_tests import LONG_LEASE, Fleet, node
from tests.fleet.node.replica_role import replicas_url
from tests.fleet.node.test_replicas import link, replica
from tests.fleet.postgres import PostgresServer
from whatsapp_fleet.database import MIGRATIONS
from whatsapp_fleet.tenancy import create_principal
from whatsapp_simulator import WhatsApp

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ACCOUNT = "work"
LIMIT = 60.0
VERSION = "99.0.0"
EXPANDS = f"""
MIGRATIONS = (
    *MIGRATIONS,
    Migration(
        version={MIGRATIONS[-1].version + 1},
        needs=1,
        statements=("ALTER TABLE whatsapp_mcp.journal ADD COLUMN note text NOT NULL DEFAULT ''",),
    ),
)
"""
"""What the newer version has at the end of its schema."""


@pytest.fixture
async def wa() -> AsyncIterator[WhatsApp]:
    async with WhatsApp(seed=16) as whatsapp:
        yield whatsapp


@pytest.fixture
def fleet(postgres: PostgresServer, database: str) -> Iterator[Fleet]:
    with Fleet(leaders_url(postgres, database), ACCOUNT) as opened:
        opened.configure(ACCOUNT, '[policy]\nmode = "open"\n')
        yield opened


def newer(folder: Path) -> Path:
    """The packages as they are, in a folder, but for their version and a schema that has grown."""
    for package in (whatsapp_mcp, whatsapp_fleet, tests):
        source = Path(str(package.__file__)).parent
        shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("*.tar.xz"))
    file = folder / "whatsapp_mcp" / "__init__.py"
    text = file.read_text(encoding="utf-8")
    assert whatsapp_mcp.__version__ in text
    file.write_text(text.replace(whatsapp_mcp.__version__, VERSION), encoding="utf-8")
    with (folder / "whatsapp_fleet" / "database" / "schema.py").open("a", encoding="utf-8") as schema:
        schema.write(EXPANDS)
    return folder


async def test_an_account_goes_from_a_node_of_one_version_to_one_of_the_next_and_back(
    wa: WhatsApp, fleet: Fleet, tmp_path: Path, postgres: PostgresServer
) -> None:
    ann = wa.person("Ann")
    old = {**wa.environment(), **LONG_LEASE}
    next_version = newer(tmp_path / "next")
    new = {**old, "PYTHONPATH": os.pathsep.join([str(next_version), old["PYTHONPATH"]])}
    token = create_principal(fleet.session, "agent", ["read", "send", "admin"], [ACCOUNT])
    assert token is not None

    def programs() -> list[tuple[str, int]]:
        """The nodes, and the version of the schema that each one's program knows."""
        rows = fleet.session.execute("SELECT node, program FROM whatsapp_mcp.runs WHERE NOT ended ORDER BY 1")
        return rows.fetchall()

    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        one = await enter(node("one", tmp_path, fleet.url, old))
        server = await enter(replica("a", tmp_path, replicas_url(postgres, fleet.url), token))
        client = await enter(client_of(server, "http"))

        async def goes_on(leader: str, text: str) -> None:
            await fleet.until(lambda fleet: fleet.leaders().get(ACCOUNT) == leader)
            await until(client, lambda status: status["state"] == "online", "connection_status", within=LIMIT)
            await call(client, "send_message", chat=ann.number, text=text)
            assert text in await said(client, "list_messages", chat=ann.number)

        await fleet.until(lambda fleet: fleet.is_settled())
        await link(client, wa)
        await goes_on("one", "from the former version")
        two = await enter(node("two", tmp_path, fleet.url, new, next_version))
        await fleet.until(lambda fleet: len(fleet.nodes()) == 2)
        known = MIGRATIONS[-1].version
        assert programs() == [("one", known), ("two", known + 1)]
        assert await one.terminate() == 0
        await goes_on("two", "from the next version")
        again = await enter(node("one", tmp_path, fleet.url, old))
        # Whoever was never reached is not taken for dead because it cannot be.
        await fleet.until(lambda _: "reached the run two" in again.log.rpartition("has begun")[2])
        two.kill()
        await goes_on("one", "from the former version again")
        texts = await said(client, "list_messages", chat=ann.number)
        assert all(f"from the {which} version" in texts for which in ("former", "next"))
