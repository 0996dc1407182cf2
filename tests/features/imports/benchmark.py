"""The backup of a phone, imported beside live messages: its speed, what live messages wait for, its memory.

A server on the simulated WhatsApp imports a `msgstore.db` of `--messages`, 200,000 unless told otherwise,
while Ben writes five messages a second and a message is sent every second. Measured are

* messages a second, from the first page to the last,
* the milliseconds from Ben's sending until his message is in the archive, and those of a send, before the
  import and during it,
* the most memory of the server and of the process that reads the backup,
* whether anything is missing or doubled once the server was killed in the middle and the import went on.

The backup is made once for each size and kept in the folder for temporary files.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import Process

from benchmarks.history import whatsapp
from benchmarks.verdicts import Verdict, amount, judged, timed
from tests.device.server_process import server_process
from tests.features.imports.backups.android import many
from whatsapp_mcp.device.connection.accessor import Accessor
from whatsapp_mcp.device.leader.runtime import open_device
from whatsapp_mcp.device.operations import CallersDevices, Device, control, sends
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.features.imports import operations as imports
from whatsapp_mcp.features.imports.requests import ImportProgress, ImportRequest
from whatsapp_mcp.models import PERSON, ConnectionState, ImportState, SendRequest, TextContent
from whatsapp_mcp.settings import Settings
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.people import Person

MESSAGES: Final = amount(200_000, 20_000)
RATE: Final = 8_000.0
"""Messages a second at least."""
SLOWER: Final = 2.0
"""Times what live messages take without an import, at most; of the medians."""
MEGABYTES: Final = 300.0
QUIET_SECONDS: Final = amount(20.0, 1.0)
LIVE_SECONDS: Final = 0.2
SEND_SECONDS: Final = amount(1.0, 0.1)
KILLS: Final = amount(3, 1)
LIMIT: Final = 3_600.0
_BEN: Final = "15559999902"
_EACH: Final = 0.004
_NEWEST: Final = "SELECT wa_id FROM messages ORDER BY id DESC LIMIT 20"


@dataclass
class Waits:
    """Milliseconds that live messages and sends took."""

    received: list[float] = field(default_factory=list[float])
    sent: list[float] = field(default_factory=list[float])


@dataclass
class Running:
    """A server that runs, and what it is asked with."""

    home: Path
    ben: Person
    devices: Accessor[Device]
    process: Process

    @property
    def archive(self) -> Path:
        """Its file."""
        return Settings(home=self.home).account_folder().archive_db

    async def begin(self, path: Path) -> int:
        """Ask for an import; its ticket."""
        async with CallersDevices(self.devices, PERSON).use() as device:
            return await device.do(imports.begin_import, ImportRequest(str(path)))

    async def progress(self, ticket: int) -> ImportProgress:
        """How far it is."""
        async with self.devices.use() as device:
            (found,) = await device.do(imports.imports, ticket)
        return found


def configure(home: Path) -> None:
    """Let everything be sent."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.toml").write_text('[policy]\nmode = "open"\n', encoding="utf-8")


@asynccontextmanager
async def serving(wa: WhatsApp, ben: Person, home: Path) -> AsyncGenerator[Running]:
    """A server in a process of its own, which is linked and online."""
    configure(home)
    async with server_process(home) as process, open_device(Settings(home=home)) as (devices, _, _):
        state = None
        while state is not ConnectionState.ONLINE:
            await anyio.sleep(0.05)
            with suppress(WhatsAppError):
                async with devices.use() as device:
                    status = await device.do(control.status)
                    state = status.state
                    if status.leader_pid is not None and state is ConnectionState.UNLINKED:
                        shown = await device.do(control.link)
                        assert shown.qr is not None
                        await wa.me.scan(shown.qr.text)
        await wa.me.online()
        yield Running(home, ben, devices, process)


async def live(server: Running, waits: Waits) -> None:
    """Let Ben write, and write to him, until cancelled."""

    async def receive() -> None:
        with closing(sqlite3.connect(f"file:{server.archive}?mode=ro", uri=True)) as db:
            while True:
                began = time.perf_counter()
                sent = await server.ben.says(f"live {random.random()}")
                while (sent,) not in db.execute(_NEWEST).fetchall():  # noqa: ASYNC110
                    await anyio.sleep(_EACH)
                waits.received.append((time.perf_counter() - began) * 1000)
                await anyio.sleep(max(0.0, LIVE_SECONDS - (time.perf_counter() - began)))

    async def send() -> None:
        while True:
            await anyio.sleep(SEND_SECONDS)
            began = time.perf_counter()
            async with server.devices.use() as device:
                await device.do(
                    sends.send, SendRequest(f"{_BEN}@s.whatsapp.net", TextContent(f"sent {random.random()}"))
                )
            waits.sent.append((time.perf_counter() - began) * 1000)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(receive)
        tasks.start_soon(send)


@dataclass
class Course:
    """What was seen of an import while it ran.

    Attributes:
        pid: Of the server.
        now: How far it is.
        seen: When its first and its last page were seen: of the clock, of the server's and of the reading
            process's processor, and how many messages were done.
        reader: The most megabytes of the reading process.
    """

    pid: int
    now: ImportProgress
    seen: list[tuple[float, float, float, int]] = field(default_factory=list[tuple[float, float, float, int]])
    reader: float = 0.0

    def look(self, now: ImportProgress) -> None:
        """Take down how far it is."""
        self.now = now
        reading = _reading_process(self.pid)
        if reading is None:
            return
        self.reader = max(self.reader, _peak(reading))
        if now.done and (not self.seen or now.done > self.seen[-1][3]):
            self.seen[1:] = [(time.perf_counter(), _seconds(self.pid), _seconds(reading), now.done)]
            self.seen = self.seen if len(self.seen) > 1 else self.seen * 2

    def rates(self) -> tuple[float, float, float]:
        """Messages a second: of the clock, of the server's processor, and of the reading process's."""
        first, last = self.seen
        done = last[3] - first[3]
        of = [done / max(last[at] - first[at], 0.01) for at in range(3)]
        return of[0], of[1], of[2]


async def measure(folder: Path, backup: Path) -> bool:
    """Import it beside live messages."""
    quiet, busy = Waits(), Waits()
    async with whatsapp() as wa, serving(wa, wa.person("Ben", _BEN), folder) as server:
        with anyio.move_on_after(QUIET_SECONDS):
            await live(server, quiet)
        ticket = await server.begin(backup)
        course = Course(server.process.pid, await server.progress(ticket))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(live, server, busy)
            while not course.now.is_over:
                await anyio.sleep(0.1)
                course.look(await server.progress(ticket))
            tasks.cancel_scope.cancel()
        leader = _peak(server.process.pid)
    report = course.now.report
    print(f"{report.new:,} new, {report.known:,} known, {sum(report.unreadable.values())} unreadable")
    rate, of_server, of_reader = course.rates()
    print(
        f"  to a second of processor: {of_server:,.0f} of the server, {of_reader:,.0f} of the reading process"
    )
    passed = verdict("messages a second", rate, RATE, at_least=True)
    for what, one, other in (
        ("live message", quiet.received, busy.received),
        ("send", quiet.sent, busy.sent),
    ):
        print(f"  ms of a {what}: {_said(one)} without, {_said(other)} during the import")
        ratio = statistics.median(other) / statistics.median(one)
        passed &= verdict(f"times slower, a {what}", ratio, SLOWER)
    passed &= verdict("MB of the server", leader, MEGABYTES, judged)
    passed &= verdict("MB of the reading process", course.reader, MEGABYTES, judged)
    return passed and course.now.state is ImportState.DONE


async def measure_kills(folder: Path, backup: Path, count: int) -> bool:
    """Kill the server at random moments of an import; then let it go on to its end."""
    kills = 0
    async with whatsapp() as wa:
        ben = wa.person("Ben", _BEN)
        with anyio.fail_after(LIMIT):
            while True:
                async with serving(wa, ben, folder) as server:
                    began = time.perf_counter()
                    ticket = await server.begin(backup)
                    until = random.uniform(0.1, 0.6) if kills < KILLS else 1.0
                    now = await server.progress(ticket)
                    before = now.done
                    while not now.is_over and (
                        kills >= KILLS or now.done < before + until * (count - before)
                    ):
                        await anyio.sleep(0.05)
                        now = await server.progress(ticket)
                    if kills < KILLS:
                        server.process.kill()
                        await server.process.wait()
                        kills += 1
                        continue
                    print(f"{kills} kills; the rest took {time.perf_counter() - began:.1f} s, {now.state}")
                    break
    with closing(sqlite3.connect(Settings(home=folder).account_folder().archive_db)) as db:
        (stored,) = db.execute("SELECT count(*) FROM messages").fetchone()
        (keys,) = db.execute("SELECT count(DISTINCT wa_id) FROM messages").fetchone()
    passed = verdict("messages missing after kills", count - keys, 0, judged)
    return verdict("messages doubled after kills", stored - keys, 0, judged) and passed


def made(count: int) -> Path:
    """The backup of so many messages."""
    path = Path(tempfile.gettempdir()) / "whatsapp-mcp-benchmarks" / f"msgstore-{count}.db"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        many(part, count)
        part.rename(path)
    return path


def _said(times: list[float]) -> str:
    ordered = sorted(times)
    return f"{statistics.median(ordered):.0f} (95 % in {ordered[int(len(ordered) * 0.95)]:.0f})"


def _peak(pid: int) -> float:
    """The most megabytes that a process had."""
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) / 1000
    return 0.0


def _seconds(pid: int) -> float:
    """Seconds of the processor that a process has taken."""
    with suppress(OSError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _reading_process(leader: int) -> int | None:
    """The process that reads the backup, while it is there (Linux)."""
    for task in Path(f"/proc/{leader}/task").glob("*/children"):
        with suppress(OSError):
            for pid in task.read_text().split():
                if b"imports.foreign" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return int(pid)
    return None


def verdict(
    what: str, value: float, limit: float, judge: Callable[[bool], Verdict] = timed, *, at_least: bool = False
) -> bool:
    """Print whether a limit holds."""
    passed = judge(value >= limit if at_least else value <= limit)
    bound = "at least" if at_least else "at most"
    print(f"{passed}  {what:32}{value:10,.2f}   {bound} {limit:g}", flush=True)
    return bool(passed)


async def run(count: int, *, kills: bool) -> bool:
    """Measure everything."""
    print(f"{datetime.now().astimezone():%Y-%m-%d %H:%M}, {os.cpu_count()} processors, {count:,} messages")
    backup = made(count)
    print(f"a backup of {backup.stat().st_size / 1e6:.0f} MB")
    with tempfile.TemporaryDirectory() as name:
        passed = await measure(Path(name) / "live", backup)
        if kills:
            fewer = count // 10
            passed &= await measure_kills(Path(name) / "kills", made(fewer), fewer)
        return passed


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.features.imports.benchmark", description=__doc__)
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--no-kills", action="store_true")
    arguments, _ = parser.parse_known_args()
    raise SystemExit(not anyio.run(lambda: run(arguments.messages, kills=not arguments.no_kills)))


if __name__ == "__main__":
    main()
