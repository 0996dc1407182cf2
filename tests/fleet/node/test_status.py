"""What a node tells the machines that watch it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from tests.fleet.led import patient
from tests.fleet.node.fleet_of_tests import LIMIT, LOOK, Fleet
from tests.fleet.node.fleet_of_tests import node as node_process
from tests.fleet.postgres import free_port
from whatsapp_fleet.database import DatabaseCalls, begin_run, end_run, quarantine, raise_epoch
from whatsapp_fleet.node.node import Node
from whatsapp_fleet.node.status import FLEET_METRICS, NodeStatus
from whatsapp_fleet.protocol import Lease
from whatsapp_fleet.settings import NodeSettings

pytestmark = pytest.mark.anyio
NOBODY = "postgres://127.0.0.1:1/nothing"
Samples = dict[tuple[str, tuple[str, ...]], float]


@dataclass
class FakeRun:
    name: str = "run of tests"
    left: float = 4.0
    commit_seconds: float | None = 0.004

    def until(self) -> float:
        return 100.0 + self.left

    def holds(self) -> bool:
        return self.left > 0


@dataclass
class FakeNode:
    """What a node lets be seen: it has taken one account over, and has a copy of another."""

    certificate: Path | None = None
    run: FakeRun = field(default_factory=FakeRun)
    takeovers: Counter[str] = field(default_factory=lambda: Counter(warm=3, cold=1))
    fenced: int = 2
    rewound: int = 0

    @property
    def accounts(self) -> dict[str, Any]:
        return {"club": SimpleNamespace(state="leading", last_takeover_seconds=0.8)}

    @property
    def copies(self) -> Any:
        return SimpleNamespace(accounts=["work"], as_of={"work": 0.0}.get)

    @property
    def context(self) -> Any:
        settings = SimpleNamespace(
            node=NodeSettings.model_construct(accounts=7, certificate=self.certificate)
        )
        return SimpleNamespace(run=self.run, clock=lambda: 100.0, settings=settings)

    def runtimes(self) -> list[Any]:
        return []


@pytest.fixture
def fleet(database: str) -> Iterator[Fleet]:
    """Three accounts, of which the node leads one and nobody another; the third is quarantined."""
    with Fleet(database, "club", "home", "work") as made:
        session = made.session
        begin_run(session, FakeRun.name, "node", 3, address="", machine="", capacity=7)
        begin_run(session, "former", "node", 3, address="", machine="", capacity=9)
        assert raise_epoch(session, "club", Lease(None, 0), FakeRun.name)
        quarantine(session, "work", "It crashes.")
        end_run(session, "former")
        yield made


@pytest.fixture
def node() -> FakeNode:
    """The node."""
    return FakeNode()


async def asking(url: str, node: FakeNode | None) -> AsyncIterator[httpx2.AsyncClient]:
    async with DatabaseCalls(patient(url, patience=2)) as calls:
        status = NodeStatus(calls)
        status.node = cast("Node | None", node)
        transport = httpx2.ASGITransport(app=Starlette(routes=status.routes()))
        async with httpx2.AsyncClient(transport=transport, base_url="http://node") as client:
            yield client


@pytest.fixture
async def client(fleet: Fleet, node: FakeNode) -> AsyncIterator[httpx2.AsyncClient]:
    """Asks the node, whose database answers."""
    async for made in asking(fleet.url, node):
        yield made


@pytest.fixture
async def alone(node: FakeNode) -> AsyncIterator[httpx2.AsyncClient]:
    """Asks the node, whose database does not answer."""
    async for made in asking(NOBODY, node):
        yield made


async def samples(client: httpx2.AsyncClient) -> Samples:
    """The values of a scrape, by name and labels."""
    answer = await client.get("/metrics")
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_the_fleet_is_told_as_the_database_has_it(client: httpx2.AsyncClient) -> None:
    told = await samples(client)
    assert told["whatsapp_node_database_up", ()] == 1
    assert (told["whatsapp_fleet_nodes", ()], told["whatsapp_fleet_capacity", ()]) == (1, 7)
    assert told["whatsapp_fleet_accounts", ("active",)] == 2
    assert told["whatsapp_fleet_accounts", ("quarantined",)] == 1
    assert told["whatsapp_fleet_accounts_without_leader", ()] == 1
    assert told["whatsapp_fleet_accounts_backing_off", ()] == 0
    assert told["whatsapp_account_epoch", ("club",)] == 1
    assert told["whatsapp_log_rows_since_snapshot", ("club",)] == 0
    assert told["whatsapp_database_synchronous_standbys", ()] == 0


async def test_the_node_tells_of_itself_also_without_its_database(alone: httpx2.AsyncClient) -> None:
    told = await samples(alone)
    assert told["whatsapp_node_database_up", ()] == 0
    assert told["whatsapp_node_lease_seconds", ()] == 4
    assert told["whatsapp_node_commit_seconds", ()] == 0.004
    assert told["whatsapp_node_capacity", ()] == 7
    assert told["whatsapp_node_accounts", ("leading",)] == 1
    assert told["whatsapp_node_takeovers_total", ("warm",)] == 3
    assert told["whatsapp_node_fenced_total", ()] == 2
    assert told["whatsapp_account_takeover_seconds", ("club",)] == 0.8
    assert told["whatsapp_copy_age_seconds", ("work",)] > 0
    assert not [name for name, _ in told if name.startswith("whatsapp_fleet_")]


async def test_every_metric_of_the_catalogue_is_told(
    client: httpx2.AsyncClient, node: FakeNode, tmp_path: Path
) -> None:
    node.certificate = certificate(tmp_path)
    names = {name for name, _ in await samples(client)}
    assert {metric.full_name for metric in FLEET_METRICS} - names == set()


def certificate(folder: Path) -> Path:
    import trustme

    path = folder / "tls.crt"
    trustme.CA().issue_cert("node").cert_chain_pems[0].write_to_path(path)
    return path


async def test_a_node_without_a_lease_is_alive_and_not_ready(
    alone: httpx2.AsyncClient, node: FakeNode
) -> None:
    assert (await alone.get("/readyz")).text == "ready\n"
    node.run.left = 0
    assert (await alone.get("/healthz")).text == "ok\n"
    refused = await alone.get("/readyz")
    assert (refused.status_code, refused.text) == (503, "not ready: the lease is not renewed\n")


async def test_a_process_without_a_run_is_not_ready() -> None:
    async for client in asking(NOBODY, None):
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/metrics")).status_code == 503


async def test_a_node_answers_at_its_status_while_it_runs(database: str, tmp_path: Path) -> None:
    place = f"127.0.0.1:{free_port()}"
    with Fleet(database) as fleet:
        async with (
            node_process("one", tmp_path, database, status=place),
            httpx2.AsyncClient(base_url=f"http://{place}", trust_env=False) as client,
        ):
            await fleet.until(lambda fleet: len(fleet.nodes()) == 1)
            with anyio.fail_after(LIMIT):
                while (await client.get("/readyz")).text != "ready\n":  # noqa: ASYNC110
                    await anyio.sleep(LOOK)
            told = await samples(client)
    assert told["whatsapp_fleet_nodes", ()] == 1
    assert told["whatsapp_node_lease_seconds", ()] > 0
