"""10,000 messages by webhook: from what a person writes to the request that a receiver gets.

Two servers of one account on the simulated WhatsApp, in processes of their own. First single messages: how
long each takes to the receiver. Then a flood, while the receiver fails now and then, connections break, the
leader ends, and the server that delivers is killed. Each event must come at least once, in the order of the
change feed, under one id; what the library itself loses when its process is killed never reached the archive
(docs/guarantees.md) and is counted apart.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

import anyio
import anyio.abc

from benchmarks.calls import Taken
from benchmarks.sends import Call, confirm, link, simulator
from benchmarks.verdicts import amount, judged
from tests.features.webhooks.receiver import SECRET, Receiver, Request, receiving
from whatsapp_mcp.features.webhooks.serving import lock_path
from whatsapp_mcp.settings import HOME_VARIABLE, Settings

MESSAGES: Final = amount(10_000, 60)
SINGLE: Final = amount(50, 2)
AHEAD: Final = 100
"""Messages of the flood that may be on their way; the library's own queue holds as many."""
LIMIT: Final = 600.0
FAULTS: Final = ("refuses", "hangs up", "connection cut", "leader ends", "server killed")
"""In turn, spread over the flood."""
KILLED: Final = 101
"""Messages that one kill of a client process can lose, at most."""


@dataclass
class Moods(Receiver):
    """A receiver that fails as often as it is told to, and notes when each event came first."""

    failing: list[int | None] = field(default_factory=list[int | None])
    times: dict[str, float] = field(default_factory=dict[str, float])

    def __post_init__(self) -> None:
        self.answer = self.answers

    def answers(self, request: Request) -> int | None:
        """The next failure, if there is one; else the event is taken."""
        if self.failing:
            return self.failing.pop()
        self.times.setdefault(request.event["message"]["text"], time.perf_counter())
        return 204


@asynccontextmanager
async def server(environment: dict[str, str]) -> AsyncGenerator[anyio.abc.Process]:
    """A server over stdio that nobody talks to."""
    command = [sys.executable, "-m", "whatsapp_mcp.simulated", "serve"]
    async with await anyio.open_process(command, env=environment, stderr=None) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.kill()


class Servers:
    """Two servers of the account; one that ends is replaced."""

    def __init__(self, stack: AsyncExitStack, environment: dict[str, str], home: Path) -> None:
        self._stack = stack
        self._environment = environment
        self._folder = Settings(home=home).account_folder()
        self._running: list[anyio.abc.Process] = []

    async def start(self) -> None:
        """Start one more."""
        self._running.append(await self._stack.enter_async_context(server(self._environment)))

    async def end(self, lock: Path, *, killed: bool) -> None:
        """End the server that holds a lock, and start another."""
        holder = int(await anyio.Path(lock).read_text() or 0)
        for process in self._running:
            if process.pid == holder:
                process.kill() if killed else process.terminate()
                await process.wait()
                self._running.remove(process)
                await self.start()
                return

    async def suffer(self, fault: str, receiver: Moods, whatsapp: Call) -> None:
        """Let a fault happen."""
        match fault:
            case "refuses":
                receiver.failing.append(500)
            case "hangs up":
                receiver.failing.append(None)
            case "connection cut":
                await whatsapp("fault", name="cut")
            case "leader ends":
                await self.end(self._folder.leader_lock, killed=False)
            case _:
                await self.end(lock_path(self._folder, "bench"), killed=True)


async def flood(whatsapp: Call, servers: Servers, receiver: Moods, count: int) -> None:
    """Write so many messages, with faults between them."""
    turns = 2 * len(FAULTS)
    for number in range(count):
        if number % (count // turns) == count // turns // 2:
            fault = FAULTS[number // (count // turns) % len(FAULTS)]
            await servers.suffer(fault, receiver, whatsapp)
            print(f"  after {number}: {fault}", flush=True)
        await whatsapp("says", who="Ann", text=str(number))


def expected(home: Path, first: int) -> list[int]:
    """The numbers of the changes that tell of a message, from the first that was told."""
    with closing(sqlite3.connect(Settings(home=home).account_folder().archive_db)) as db:
        query = "SELECT seq FROM events WHERE kind = 'message' AND seq >= ? ORDER BY seq"
        return [row[0] for row in db.execute(query, (first,))]


async def until_quiet(home: Path, receiver: Receiver) -> None:
    """Wait until everything that is archived was told, and for ten seconds no more comes."""
    told, quiet = 0, 0
    while quiet < 20:
        await anyio.sleep(0.5)
        wanted = expected(home, receiver.taken[0].event["seq"])
        is_told = receiver.taken[-1].event["seq"] == wanted[-1]
        quiet = quiet + 1 if is_told and len(receiver.taken) == told else 0
        told = len(receiver.taken)


async def measure(home: Path, count: int) -> bool:
    """Measure and print; whether every event came, in order."""
    config = '[[webhooks]]\nname = "bench"\nurl = "{}"\nsecrets = ["env:HOOK"]\nprivate_network = true\n'
    with receiving(Moods()) as receiver:
        assert isinstance(receiver, Moods)
        async with simulator() as (whatsapp, variables), AsyncExitStack() as stack:
            ann = await whatsapp("person", name="Ann")
            environment = {**variables, HOME_VARIABLE: str(home), "WHATSAPP_MCP_LOG_LEVEL": "error"}
            environment["HOOK"] = SECRET
            await link(whatsapp, environment)
            (home / "config.toml").write_text(config.format(receiver.url), encoding="utf-8")
            servers = Servers(stack, environment, home)
            await servers.start()
            await servers.start()
            await whatsapp("online")
            await confirm(environment, ann)  # else her words would stay back
            await told_first(whatsapp, receiver)
            one = Taken.of(await single(whatsapp, receiver))
            print("one message, from its writing to the request:")
            print(f"  {one.median * 1000:.1f} ms, quick tenth {one.quick * 1000:.1f} ms", flush=True)
            begin = time.perf_counter()
            with anyio.fail_after(LIMIT):
                await flood(whatsapp, servers, receiver, count)
                await until_quiet(home, receiver)
            print(f"flood of {count}: {count / (time.perf_counter() - begin):.0f} a second")
    return verdict(home, receiver, count)


async def told_first(whatsapp: Call, receiver: Moods) -> None:
    """Wait until the webhook has begun and Ann is known, whose words stay back till then."""
    number = 0
    while not any(text for text in receiver.times):
        await whatsapp("says", who="Ann", text=f"hello {number}")
        number += 1
        await anyio.sleep(0.5)


async def single(whatsapp: Call, receiver: Moods) -> list[float]:
    """Seconds from each of some messages to its request."""
    taken: list[float] = []
    for number in range(SINGLE):
        await anyio.sleep(0.05)
        text = f"hi {number}"
        begin = time.perf_counter()
        await whatsapp("says", who="Ann", text=text)
        while text not in receiver.times:  # noqa: ASYNC110  the receiver is in a thread of its own
            await anyio.sleep(0.001)
        taken.append(receiver.times[text] - begin)
    return taken


def verdict(home: Path, receiver: Moods, count: int) -> bool:
    """Print what came, and whether it is all, in order."""
    events = {request.id: request.event for request in receiver.taken}
    told = [event["seq"] for event in events.values()]
    wanted = expected(home, told[0])
    missed = len(set(wanted) - set(told))
    late = sum(one > other for one, other in pairwise(told))
    fine = told == wanted
    print(f"{len(events)} events, {missed} missed, {late} out of order  {judged(fine)}")
    twice = len(receiver.taken) - len(events)
    print(f"{twice} came twice, under their ids; {len(receiver.requests)} requests")
    said = {event["message"]["text"] for event in events.values()}
    lost = count - sum(str(number) in said for number in range(count))
    print(f"{lost} messages were lost by the library when its process was killed (up to {KILLED} each time)")
    return fine


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.features.webhooks.benchmark", description=__doc__)
    parser.add_argument("--messages", type=int, default=MESSAGES)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return not anyio.run(measure, Path(folder), arguments.messages)


if __name__ == "__main__":
    sys.exit(main())
