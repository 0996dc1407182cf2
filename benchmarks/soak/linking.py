"""Links many times and ends a process at a random moment while the phone hands over its address book.

The library fetches the address book once, when the phone shares its key. Whichever process ends meanwhile,
the next server either has all the names or says that they are missing; and then the next change of a contact
on the phone brings all of them. `python -m benchmarks.soak.linking --links 200 --seed 1`
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from benchmarks.soak.fleet import GONE
from benchmarks.soak.watch import children
from whatsapp_mcp.archive import ReadingArchive
from whatsapp_mcp.device.leader.runtime import open_device
from whatsapp_mcp.device.operations import Devices, control
from whatsapp_mcp.models import AddressBookState
from whatsapp_mcp.processes.child_process import client_program
from whatsapp_mcp.settings import HOME_VARIABLE, Settings
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.phone import Phone

CONTACTS: Final = 10
LATEST_END: Final = 0.2
"""Seconds after the phone's first message within which the process is ended, on a line without latency."""
ROUND_TRIPS: Final = 15
"""Most round trips that the library needs until it has stored the address book."""
LIMIT: Final = 90.0
_FIRST_NUMBER: Final = 15_557_000_000
# The shell notes the process id and becomes the server.
_NOTE_PID: Final = 'echo $$ > "$0"; exec "$@"'


class End(StrEnum):
    """Which process ends while the address book is fetched, and how."""

    CLIENT = "client killed"
    SERVER = "server killed"
    APPLICATION = "application closed"


class Outcome(NamedTuple):
    """The outcome of one linking.

    Attributes:
        end: Which process was ended.
        missing: Whether the next server lacked the names, and said so, until a contact was changed.
        seconds: From the next server's start, or from that change, until all the names were there.
    """

    end: End
    missing: bool
    seconds: float


async def interrupted_link(
    wa: WhatsApp, phone: Phone, home: Path, end: End, chance: random.Random
) -> Outcome:
    """Link a server, end a process at a random moment, and start the next server.

    Raises:
        AssertionError: Names are missing and the status does not say so, or a change does not bring them.
    """
    names: dict[str, str] = {}

    def name_somebody() -> None:
        person = wa.person("Ann")
        names[str(person.pn)] = f"Ann {len(names)}"
        phone.app_state.name_contact(person, names[str(person.pn)])

    for _ in range(CONTACTS):
        name_somebody()
    await _link_and_end(phone, home, end, chance.uniform(0, LATEST_END + ROUND_TRIPS * wa.faults.latency))
    begun = anyio.current_time()
    async with open_device(Settings(home=home)) as (devices, archive, _):
        missing = not await _named_or_missing(devices, archive, names)
        if missing:
            name_somebody()
            begun = anyio.current_time()
            with _limit("A changed contact did not bring all the names."):
                while not await _are_named(archive, names):  # noqa: ASYNC110  nothing tells of it
                    await anyio.sleep(0.05)
    return Outcome(end, missing, anyio.current_time() - begun)


async def _link_and_end(phone: Phone, home: Path, end: End, after: float) -> None:
    with suppress(*GONE):
        async with _server(home) as (client, pid), anyio.create_task_group() as tasks:
            shown = (await client.call_tool("link_device", {})).structured_content
            assert shown is not None
            await phone.scan(shown["qr"]["text"])
            await phone.online()
            tasks.start_soon(phone.hand_over)
            await anyio.sleep(after)
            with suppress(ProcessLookupError):
                if end is End.CLIENT:
                    os.kill(max(children(pid)), signal.SIGKILL)
                elif end is End.SERVER:
                    os.kill(pid, signal.SIGKILL)
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def _server(home: Path) -> AsyncGenerator[tuple[Client, int]]:
    """A server as an application starts and closes it, and its process id."""
    note = home / "server.pid"
    serve = [sys.executable, "-m", "whatsapp_mcp.simulated", "serve", "--structured"]
    environment = {**os.environ, HOME_VARIABLE: str(home)}
    parameters = StdioServerParameters(
        command="/bin/sh", args=["-c", _NOTE_PID, str(note), *serve], env=environment
    )
    async with Client(parameters, read_timeout_seconds=LIMIT) as client:
        yield client, int(note.read_text())


async def _named_or_missing(devices: Devices, archive: ReadingArchive, names: Mapping[str, str]) -> bool:
    """Wait until all the names have come; return False if the status says that they are missing."""
    with _limit("Names are missing, and the status does not say so."):
        while not await _are_named(archive, names):
            async with devices.use() as device:
                status = await device.do(control.status)
            if status.address_book is AddressBookState.MISSING:
                return False
            await anyio.sleep(0.05)
    return True


async def _are_named(archive: ReadingArchive, names: Mapping[str, str]) -> bool:
    for jid, name in names.items():
        person = await archive.contact(jid)
        if person is None or person.name != name:
            return False
    return True


@contextmanager
def _limit(failure: str) -> Generator[None]:
    try:
        with anyio.fail_after(LIMIT):
            yield
    except TimeoutError:
        raise AssertionError(failure) from None


async def _run(links: int, seed: int, at_once: int, latency: float) -> list[Outcome]:
    outcomes: list[Outcome] = []
    numbers = iter(range(links))

    async def work(wa: WhatsApp) -> None:
        for number in numbers:
            phone = wa.account(f"+{_FIRST_NUMBER + number}", f"Me {number}")
            chance = random.Random(f"{seed}/{number}")
            end = chance.choice(list(End))
            with tempfile.TemporaryDirectory() as home:
                outcomes.append(await interrupted_link(wa, phone, Path(home), end, chance))
            print(f"{len(outcomes)}: {outcomes[-1]}", file=sys.stderr)

    async with WhatsApp(seed=seed) as wa:
        wa.slow(latency)
        os.environ.update(wa.environment())
        client_program.set(wa.client_program())
        async with anyio.create_task_group() as tasks:
            for _ in range(at_once):
                tasks.start_soon(work, wa)
    return outcomes


def report(outcomes: Sequence[Outcome]) -> str:
    """A line for each way of ending: how many had all the names, when, and within how many seconds."""
    groups: dict[tuple[End, bool], list[float]] = defaultdict(list)
    for each in outcomes:
        groups[each.end, each.missing].append(each.seconds)
    lines = [f"{len(outcomes)} links, all the names in each of them at the end:"]
    for (end, missing), seconds in sorted(groups.items()):
        when = "after a contact was changed" if missing else "by themselves"
        times = f"median {statistics.median(seconds):.1f} s, longest {max(seconds):.1f} s"
        lines.append(f"  {end}, names {when}: {len(seconds)} ({times})")
    return "\n".join(lines)


def main() -> int:
    """Link that often and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak.linking", description=__doc__)
    parser.add_argument("--links", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds that everything takes to arrive")
    options = parser.parse_args()
    run = partial(_run, options.links, options.seed, options.at_once, options.latency)
    print(report(anyio.run(run)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
