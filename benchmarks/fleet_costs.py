"""Cost of an account in a fleet, idle and busy: `python -m benchmarks.fleet_costs`.

One node as a process, its accounts on the simulated WhatsApp, and PostgreSQL without a standby. Memory is the
proportional share (PSS), processor time that of the processes' own counters (10 ms steps).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
from pydantic import SecretStr

from benchmarks.verdicts import amount
from tests.fleet.node.fleet_of_tests import Fleet, NodeProcess, node
from tests.fleet.postgres import PostgresServer, postgres_server
from whatsapp_fleet.database import add_account
from whatsapp_fleet.settings import FleetSettings
from whatsapp_mcp.archive import ReadingArchive
from whatsapp_mcp.device.leader import open_device
from whatsapp_mcp.models import ConnectionState, MessageFilter, SendRequest, SendStatus, TextContent
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.phone import Phone

ACCOUNTS: Final = amount(4, 2)
MESSAGES: Final = amount(200, 5)
SINGLE: Final = amount(100, 2)
SENDS: Final = amount(100, 2)
IDLE: Final = amount(10.0, 1.0)
LIMIT: Final = 60.0
TEXT: Final = "The boat needs paint, and somebody has to look after the engine before the season begins."
Sizes = dict[str, tuple[int, int]]
"""Rows and bytes, by table."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def children(pid: int) -> Iterator[int]:
    """The processes below one, all levels."""
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            yield child
            yield from children(child)


def seconds(pid: int) -> float:
    """Processor time of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def megabytes(pid: int) -> float:
    """The memory of a process, its part of what is shared included."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


@dataclass(frozen=True)
class Usage:
    """Processor seconds and bytes of WAL used up to a moment.

    Attributes:
        node: Of the node's process.
        clients: Of all client processes.
        postgres: Of the server.
        wal: Bytes of the write-ahead log.
    """

    node: float
    clients: float
    postgres: float
    wal: int


@dataclass(frozen=True)
class Bench:
    """The parts."""

    server: PostgresServer
    fleet: Fleet
    node: NodeProcess

    @property
    def pid(self) -> int:
        """Process id of the node."""
        return self.node.pid

    def ask(self, statement: str) -> Any:
        """One value of the database."""
        self.fleet.session.deadline = self.fleet.session.monotonic() + LIMIT
        row = self.fleet.session.execute(statement.encode()).fetchone()
        return None if row is None else row[0]

    def usage(self) -> Usage:
        """Until now."""
        postgres = self.server.pid
        return Usage(
            seconds(self.pid),
            sum(map(seconds, children(self.pid))),
            seconds(postgres) + sum(map(seconds, children(postgres))),
            int(self.ask("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")),
        )

    def sizes(self) -> Sizes:
        """Measure rows and bytes of the tables that grow, and bytes of the first account's keys."""
        found = {
            table: (
                int(self.ask(f"SELECT count(*) FROM whatsapp_mcp.{table}")),
                int(self.ask(f"SELECT pg_total_relation_size('whatsapp_mcp.{table}')")),
            )
            for table in ("log", "journal", "ledger")
        }
        keys = "FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = 'keys_a0'"
        found["keys"] = (0, int(self.ask(f"SELECT sum(pg_relation_size(pg_class.oid)) {keys}")))
        return found

    def report_memory(self, what: str) -> None:
        """Print memory and connections."""
        clients = [megabytes(pid) for pid in children(self.pid)]
        postgres = [megabytes(pid) for pid in (self.server.pid, *children(self.server.pid))]
        connections = self.ask(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        print(
            f"  {what:18} node {megabytes(self.pid):6.1f} MB, {len(clients)} child processes"
            f" {sum(clients):6.1f} MB, connections {connections}, PostgreSQL {sum(postgres):6.1f} MB"
        )


class Account:
    """One account, as a program on the node's machine uses it."""

    def __init__(self, devices: Any, archive: ReadingArchive) -> None:
        self.devices = devices
        self.archive = archive

    async def until(self, state: ConnectionState) -> None:
        """Wait for a state."""
        with anyio.fail_after(LIMIT):
            while True:
                async with self.devices.use() as device:
                    if (await device.status()).state is state:
                        return
                await anyio.sleep(0.05)

    async def link(self, phone: Phone) -> None:
        """Link its phone."""
        await self.until(ConnectionState.UNLINKED)
        async with self.devices.use() as device:
            shown = await device.link()
        await phone.scan(shown.qr.text)
        await self.until(ConnectionState.ONLINE)

    async def send(self, to: str) -> None:
        """Send one."""
        async with self.devices.use() as device:
            sent = await device.send(SendRequest(to, TextContent(TEXT), wait=20.0))
        assert sent.status is SendStatus.SENT

    async def count(self, chat: str) -> int:
        """Count the archived messages of a chat, up to 500."""
        return len((await self.archive.messages(MessageFilter(chat=chat), limit=500)).items)


@asynccontextmanager
async def used(bench: Bench, name: str) -> AsyncIterator[Account]:
    """An account."""
    settings = FleetSettings(home=bench.node.home, database=SecretStr(bench.fleet.url))
    async with open_device(settings, name) as (devices, archive, _):
        yield Account(devices, archive)


def report(what: str, before: Usage, after: Usage, count: int) -> None:
    """Print what each of several messages has used."""
    each = [
        1000 * (getattr(after, name) - getattr(before, name)) / count
        for name in ("node", "clients", "postgres")
    ]
    wal = (after.wal - before.wal) / count
    print(
        f"  {what:18} node {each[0]:5.2f} ms, client {each[1]:5.2f} ms, PostgreSQL {each[2]:5.2f} ms,"
        f" write-ahead log {wal:,.0f} bytes"
    )


def report_sizes(before: Sizes, after: Sizes, count: int) -> None:
    """Print what each of several messages has left."""
    for table, (rows, size) in after.items():
        was = before[table]
        print(
            f"    {table:10} {(rows - was[0]) / count:5.2f} rows, {(size - was[1]) / count:,.0f} bytes each"
        )


async def idle(bench: Bench) -> tuple[float, ...]:
    """Percent of a core of node, clients and server while nothing happens, and bytes of log a second."""
    await anyio.sleep(IDLE)  # what has begun settles
    before = bench.usage()
    await anyio.sleep(IDLE)
    after = bench.usage()
    parts = [getattr(after, part) - getattr(before, part) for part in ("node", "clients", "postgres", "wal")]
    return *(100 * part / IDLE for part in parts[:3]), parts[3] / IDLE


def report_idle(what: str, used: tuple[float, ...]) -> None:
    """Print it."""
    print(
        f"  {what:18} node {used[0]:.2f} %, client {used[1]:.2f} %, PostgreSQL {used[2]:.2f} % of a core,"
        f" write-ahead log {used[3]:,.0f} bytes/s"
    )


async def measured(bench: Bench, wa: WhatsApp) -> None:
    """Everything, with the first account busy."""
    rows = "(SELECT count(*) FROM pg_class) + (SELECT count(*) FROM pg_attribute)"
    catalogue = bench.ask(f"SELECT {rows}")
    names = [f"a{number}" for number in range(ACCOUNTS)]
    phones = {name: wa.account(f"+1555000{number:04}") for number, name in enumerate(names)}
    idles: list[tuple[float, ...]] = []
    for name in names:
        add_account(bench.fleet.session, name)
        bench.fleet.configure(name, '[policy]\nmode = "open"\n')
        await bench.fleet.until(lambda fleet, name=name: name in fleet.leaders())
        phones[name].app_state.name_contact(wa.person("Ben"), "Ben Byrne")
        async with used(bench, name) as account:
            await account.link(phones[name])
        await phones[name].hand_over()  # the address book is no longer looked for
        await anyio.sleep(IDLE / 5)
        bench.report_memory(f"led: {name}")
        if name == names[0]:
            idles.append(await idle(bench))
    classes = bench.ask(
        "SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'keys_a0'"
    )
    each = (bench.ask(f"SELECT {rows}") - catalogue) / ACCOUNTS
    print(f"  keys of an account: {classes} tables and indexes, {each:.0f} rows of catalogue")
    await anyio.sleep(IDLE / 2)
    bench.report_memory(f"{ACCOUNTS} idle")
    idles.append(await idle(bench))
    more = tuple((last - first) / (ACCOUNTS - 1) for first, last in zip(*idles, strict=True))
    report_idle("idle, one account", idles[0])
    report_idle("idle, each more", more)
    await busy(bench, wa, phones["a0"])
    bench.report_memory(f"{ACCOUNTS}, one was busy")


async def busy(bench: Bench, wa: WhatsApp, phone: Phone) -> None:
    """Messages in and out of the first account."""
    ann = wa.person("Ann")
    chat = str(ann.pn)
    async with used(bench, "a0") as account:
        await ann.says("first", to=phone)
        start, sizes = bench.usage(), bench.sizes()
        with anyio.fail_after(LIMIT):
            for _ in range(MESSAGES):
                await ann.says(TEXT, to=phone)
            while await account.count(chat) < MESSAGES + 1:  # noqa: ASYNC110
                await anyio.sleep(0.1)
        received, grown = bench.usage(), bench.sizes()
        report("received in a burst", start, received, MESSAGES)
        report_sizes(sizes, grown, MESSAGES)
        with anyio.fail_after(LIMIT):
            for number in range(SINGLE):
                await ann.says(TEXT, to=phone)
                while await account.count(chat) < MESSAGES + number + 2:  # noqa: ASYNC110
                    await anyio.sleep(0.02)
        single, sizes = bench.usage(), bench.sizes()
        report("received one by one", received, single, SINGLE)
        report_sizes(grown, sizes, SINGLE)
        for _ in range(SENDS):
            await account.send(chat)
        sent, grown = bench.usage(), bench.sizes()
        report("sent one by one", single, sent, SENDS)
        report_sizes(sizes, grown, SENDS)


async def main() -> None:
    """Print the costs."""
    with tempfile.TemporaryDirectory() as folder, postgres_server({"autovacuum": "on"}) as server:
        url = server.new_database()
        with Fleet(url) as fleet:
            async with (
                WhatsApp(seed=7) as wa,
                node("one", Path(folder), url, wa.environment()) as one,
            ):
                await measured(Bench(server, fleet, one), wa)


if __name__ == "__main__":
    anyio.run(main)
