"""One run: accounts on two nodes with traffic, a fault each minute, then the truth."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import anyio
import anyio.to_thread

from tests.fleet.chaos import truth
from tests.fleet.chaos.copies import Copies, archives, folder_of
from tests.fleet.chaos.database import Cluster, cluster
from tests.fleet.chaos.figures import Fault, Takeover, takeovers
from tests.fleet.chaos.linking import LINKING, link_all
from tests.fleet.chaos.network import Network
from tests.fleet.chaos.nodes import NodeProcess, Replica
from tests.fleet.chaos.traffic import Traffic
from tests.fleet.chaos.whatsapp import Login, WatchedWhatsApp
from tests.fleet.chaos.witness import LeaseChange, key_writers, lease_changes, watch
from whatsapp_fleet.database import Database, Reader, Session
from whatsapp_fleet.tenancy import create_principal
from whatsapp_simulator.phone import Phone

NODES: Final = ("a", "b")
BETWEEN_LOOKS: Final = 0.1
LIMIT: Final = 150
"""Seconds in which a fleet has to come to rest after a fault."""
_LEADERS: Final = """
SELECT account, CASE WHEN NOT ended THEN node END, coalesce((
    SELECT extract(epoch FROM min(at))::float8 FROM witness.leases AS noted
    WHERE noted.account = leases.account AND noted.epoch = leases.epoch
), 0)
FROM whatsapp_mcp.leases LEFT JOIN whatsapp_mcp.runs USING (run)
"""


_COUNTER: Final = "SELECT max(counter) FROM whatsapp_mcp.runs WHERE node = %s AND NOT ended"


_JOURNALED: Final = "SELECT account, seq FROM whatsapp_mcp.heads WHERE stream = 'journal'"


class Leader(NamedTuple):
    """The node that leads an account, if one does, and since when; seconds since 1970."""

    node: str | None
    since: float


@dataclass(frozen=True)
class Plan:
    """What a run does.

    Attributes:
        accounts: How many there are.
        faults: What happens, one after the other: `kill a`, `stop b`, `cut leader` (of the first account),
            `restart`, `failover`.
        minute: Seconds from one fault to the next; a fault may take longer.
        said: Messages that come in a second.
        sent: Messages that go out a second; 0 needs no replicas.
        burst: Messages that come while the database restarts.
        delay: Seconds by which all that a node and its database send is delayed.
        seed: Of all chance.
    """

    accounts: int
    faults: Sequence[str]
    minute: float = 60.0
    said: float = 10.0
    sent: float = 2.0
    burst: int = 500
    delay: float = 0.001
    seed: int = 1


@dataclass
class Report:
    """What came of it.

    Attributes:
        verdict: What must hold, and what was counted.
        takeovers: Of each kind of fault.
        send_seconds: What each first call of a send took that was accepted.
        refusals: How often each code came before.
    """

    verdict: truth.Verdict
    takeovers: Mapping[str, Sequence[Takeover]]
    send_seconds: Sequence[float]
    refusals: Mapping[str, int]


@dataclass
class _Fleet:
    plan: Plan
    servers: Cluster
    whatsapp: WatchedWhatsApp
    phones: Mapping[str, Phone]
    nodes: Mapping[str, NodeProcess]
    traffic: Traffic
    faults: list[Fault] = field(default_factory=list[Fault])
    exit_codes: list[int] = field(default_factory=list[int])

    async def leaders(self) -> dict[str, Leader]:
        """Who leads each account."""

        def look(session: Session) -> dict[str, Leader]:
            return {account: Leader(*rest) for account, *rest in session.execute(_LEADERS).fetchall()}

        return await anyio.to_thread.run_sync(self.servers.ask, look)

    async def until_led(self, accounts: Sequence[str], *, not_by: str = "") -> None:
        """Return once each of these accounts has a leader, and its client has logged in."""
        until = time.monotonic() + LIMIT
        while True:
            leaders = await self.leaders()
            waiting = {
                one: leaders[one]
                for one in accounts
                if leaders[one].node in {None, not_by, LINKING} or not self.is_online(one, leaders[one])
            }
            if not waiting:
                return
            if time.monotonic() > until:
                raise TimeoutError(f"Not online after {LIMIT} s: {waiting}. {await self._rows()}")
            await anyio.sleep(BETWEEN_LOOKS)

    async def _rows(self) -> str:
        """What the database says of its accounts."""

        def look(session: Session) -> str:
            statement = "SELECT account, state, failures, not_before, reason FROM whatsapp_mcp.accounts"
            return "\n".join(map(str, session.execute(statement).fetchall()))

        return await anyio.to_thread.run_sync(self.servers.ask, look)

    async def until_alive(self, node: str) -> None:
        """Return once a node has a run that goes on."""
        with anyio.fail_after(LIMIT):
            while True:
                counter = await self._counter(node)
                await anyio.sleep(BETWEEN_LOOKS)
                if counter is not None and await self._counter(node) not in {None, counter}:
                    return

    async def _counter(self, node: str) -> int | None:
        def look(session: Session) -> int | None:
            row = session.execute(_COUNTER, [node]).fetchone()
            return row and row[0]

        return await anyio.to_thread.run_sync(self.servers.ask, look)

    def is_online(self, account: str, leader: Leader) -> bool:
        """Whether a client of this leader is logged in."""
        phone = self.phones[account]
        return bool(phone.companion and phone.companion.active) and any(
            one.number == phone.pn.user and one.node == leader.node and one.at > leader.since
            for one in reversed(self.whatsapp.logins)
        )

    def logins(self) -> dict[str, list[Login]]:
        """The logins of each account."""
        return {
            account: [one for one in self.whatsapp.logins if one.number == phone.pn.user]
            for account, phone in self.phones.items()
        }

    async def happen(self, fault: str) -> None:
        """Let something happen, and everything be led again."""
        what, _, node = fault.partition(" ")
        leaders = await self.leaders()
        if node == "leader":
            node = leaders[min(self.phones)].node or NODES[0]
        led = [account for account, leader in leaders.items() if node in {"", leader.node}]
        self.faults.append(Fault(what, node, time.time(), tuple(led)))
        if node:
            await self._to_node(what, self.nodes[node], led)
        else:
            await self._to_database(what)
        await self.until_led(sorted(self.phones))

    async def _to_node(self, what: str, node: NodeProcess, led: Sequence[str]) -> None:
        begin, end = {
            "kill": (node.kill, node.start),
            "stop": (node.stop, node.go_on),
            "cut": (node.network.hold, node.network.release),
        }[what]
        begin()
        await self.until_led(led, not_by=node.name)
        end()
        await self.until_alive(node.name)

    async def _to_database(self, what: str) -> None:
        """In the middle of a burst."""
        happen = {"restart": self.servers.restart, "failover": self.servers.fail_over}[what]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.traffic.burst, self.plan.burst)
            await anyio.to_thread.run_sync(happen)

    def close_by(self) -> Database:
        """The database as whoever only reads finds it, also after a failover."""
        return Database(self.servers.url(self.servers.ports), patience=5.0)

    async def until_archived(self, third: Copies) -> None:
        """Return once all that is in the journals is in the archives."""

        def look(session: Session) -> dict[str, int]:
            return dict(session.execute(_JOURNALED).fetchall())

        journaled = await anyio.to_thread.run_sync(self.servers.ask, look)
        with anyio.fail_after(LIMIT):
            for account in self.phones:
                while third.position(account) < journaled[account]:  # noqa: ASYNC110
                    await anyio.sleep(BETWEEN_LOOKS)

    async def settle(self) -> None:
        """Wait until all that was said is acknowledged."""
        await self.until_led(sorted(self.phones))

        def is_quiet() -> bool:
            companions = [phone.companion for phone in self.phones.values()]
            return not any(node.tag == "message" for one in companions if one for node in one.pending)

        await self.whatsapp.network.until(is_quiet, LIMIT)


async def run(plan: Plan) -> Report:
    """Do all of it.

    Raises:
        TimeoutError: The fleet did not come to rest.
    """
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-", dir=memory)))
        servers = stack.enter_context(cluster())
        servers.ask(watch)
        whatsapp = await stack.enter_async_context(WatchedWhatsApp((*NODES, LINKING)))
        phones = {
            f"account{number:02}": whatsapp.account(f"+1555000{number:04}") for number in range(plan.accounts)
        }
        await link_all(servers, phones, whatsapp.environment_of(LINKING), home / "linked")
        nodes = {
            name: _node(stack, plan, servers, home / name, whatsapp.environment_of(name)) for name in NODES
        }
        people = [whatsapp.person(f"Person {number}") for number in range(10)]
        replicas = [
            await _replica(stack, servers, home / f"replica{number}", plan)
            for number in range(2)
            if plan.sent
        ]
        token = servers.ask(_admit)
        traffic = Traffic(phones, people, [one.url for one in replicas], token, plan.seed)
        fleet = _Fleet(plan, servers, whatsapp, phones, nodes, traffic)
        try:
            async with archives(fleet.close_by(), home / "third", sorted(phones), plan.seed) as third:
                await _go(fleet, third)
            return await _judged(fleet, home)
        except BaseException:
            for node in nodes.values():
                print(f"--- {node.name}\n{node.log.read_text(errors='replace')[-8000:]}")
            raise


def _admit(session: Session) -> str:
    token = create_principal(session, "traffic", ["read", "send"], None)
    assert token is not None
    return token


def _node(
    stack: AsyncExitStack, plan: Plan, servers: Cluster, home: Path, environment: Mapping[str, str]
) -> NodeProcess:
    network = stack.enter_context(Network(servers.ports, plan.delay))
    url = servers.url(network.ports)
    # Either node alone leads all of them.
    node = NodeProcess(home.name, home, url, plan.accounts, network, environment)
    stack.callback(node.end)
    node.start()
    return node


async def _replica(stack: AsyncExitStack, servers: Cluster, home: Path, plan: Plan) -> Replica:
    network = stack.enter_context(Network(servers.ports, plan.delay))
    replica = Replica(home, servers.url(network.ports))
    stack.callback(replica.end)
    await replica.start()
    return replica


async def _go(fleet: _Fleet, third: Copies) -> None:
    """The traffic and the faults, until the nodes have ended in order."""
    await fleet.until_led(sorted(fleet.phones))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(third.rebuild_now_and_then, fleet.plan.minute / 6)
        tasks.start_soon(fleet.traffic.run, fleet.plan.said, fleet.plan.sent)
        await _faults(fleet)
        fleet.traffic.stop()
        await fleet.traffic.stopped()
        tasks.cancel_scope.cancel()
    await fleet.settle()
    await fleet.until_archived(third)
    for node in fleet.nodes.values():
        fleet.exit_codes.append(await node.drain())


async def _faults(fleet: _Fleet) -> None:
    minute, chance = fleet.plan.minute, random.Random(fleet.plan.seed)
    for fault in fleet.plan.faults:
        began = time.monotonic()
        await anyio.sleep(minute / 6 * (0.5 + chance.random()))
        print(f"{fault} …", flush=True)
        await fleet.happen(fault)
        await anyio.sleep(max(0.0, minute - (time.monotonic() - began)))


async def _judged(fleet: _Fleet, home: Path) -> Report:
    """Bring every archive up to the log, and look for what must not be."""
    servers, accounts = fleet.servers, sorted(fleet.phones)
    database = servers.database()
    homes = [home / "fresh", home / "third", *(node.home for node in fleet.nodes.values())]
    for one in homes:
        async with archives(database, one, accounts) as copies:
            await copies.end()
    verdict, logins = truth.Verdict(), fleet.logins()
    changes = servers.ask(lease_changes)
    with Reader(database) as reader:
        journaled = {one: truth.journaled_texts(reader, one) for one in accounts}
    folders = {one: [folder_of(each, one) for each in homes] for one in accounts}
    archived = {one: truth.archived_texts(folders[one][0]) for one in accounts}
    outbox = {one: truth.outbox_states(folders[one][0]) for one in accounts}
    clients = {one: truth.ends_of_clients(one, logins[one], fleet.faults) for one in accounts}
    truth.check_incoming(verdict, fleet.traffic.said, archived, journaled, clients)
    truth.check_outgoing(verdict, fleet.traffic.sent, outbox)
    servers.ask(lambda session: truth.check_epochs(verdict, session, changes, key_writers(session), logins))
    verdict.count("nodes that did not end in order", sum(map(bool, fleet.exit_codes)), most=0)
    for account in accounts:
        truth.check_archives(verdict, folders[account], "archives")
    return Report(
        verdict,
        _by_kind([fault for fault in fleet.faults if fault.node], changes, logins),
        [one.seconds for one in fleet.traffic.sent if one.seconds is not None],
        Counter(code for one in fleet.traffic.sent for code in one.refusals),
    )


def _by_kind(
    faults: Sequence[Fault], changes: Sequence[LeaseChange], logins: Mapping[str, Sequence[Login]]
) -> dict[str, list[Takeover]]:
    found: dict[str, list[Takeover]] = {}
    for fault in faults:
        found.setdefault(fault.kind, []).extend(takeovers(fault, changes, logins))
    return found
