"""Being told of a message over stdio, beside a notification of the bare SDK; and whether any is missed.

The time begins when the person on the simulated WhatsApp writes and ends with the notification at the client:
encryption there, library, journal and archive are in it. The bare one begins with a call of a tool
that publishes an event in a server of the SDK alone. Both are taken in turn. What of the time has passed when
the library calls the client process, and what after that, is printed beside it: the former is not ours.

Then one client is told by subscription and reads on, and another waits with `wait_for_messages`, while one
person writes many messages, faster than they are received. The connection is cut and the leader killed by
turns, and for a while nothing can connect. Each client must get every message once, in the order in which
they were written, and so must the archive.

`python -m benchmarks.push [MESSAGES]`
"""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import anyio
from anyio import BrokenResourceError, ClosedResourceError
from mcp import Client, MCPError
from mcp.client.subscriptions import SubscriptionLost

from benchmarks.calls import Taken
from benchmarks.sends import Call, confirm, link, online, served, simulator
from benchmarks.verdicts import Verdict, amount, judged, timed
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.settings import HOME_VARIABLE, Settings

ROUNDS: Final = amount(60, 2)
WARM_UP: Final = amount(10, 1)
LIMIT: Final = 0.025
"""Median seconds from a message to the notification of it."""
TIMES: Final = 3.0
"""Times a notification of the bare SDK."""
MESSAGES: Final = amount(10_000, 200)
DISTURBED: Final = amount(400, 40)
"""Messages received between two disturbances: by turns the connection is cut, and the leader killed."""
AHEAD: Final = 1_000
"""Messages that may be on their way while there is a connection."""
ABSENT: Final = amount(3_000, 60)
"""Messages that come in a long absence: more than the client library's queue, which holds 2,048."""
PAUSE: Final = 0.25
"""Seconds between two measured messages: longer than a burst is held together."""
QUIET: Final = 120.0
"""Seconds without a message after which a client that waits for the rest has missed it."""
URI: Final = "whatsapp://unread"
SAID: Final = "said"
"""File in the home: when the person wrote each message, in seconds of `perf_counter`."""
SIMULATOR: Final = """
import sys
import time
from whatsapp_simulator.__main__ import main
from whatsapp_simulator.people import Person

says, file = Person.says, open(sys.argv.pop(), "a", buffering=1)

async def timed(person, *arguments, **options):
    print(time.perf_counter(), file=file)
    return await says(person, *arguments, **options)

Person.says = timed
main()
"""
SERVE: Final = ("-m", "whatsapp_mcp.simulated", "serve", "--structured")
HANDED_OVER: Final = "handed-over"
"""File in the account's folder: when the library handed over each message, in seconds of `perf_counter`."""
CLIENT: Final = f"""
import time
from whatsapp_mcp.client import __main__ as program

claim = program.claim

def claim_and_time(path):
    from whatsapp_mcp.client.journaling import JournalWriter
    from whatsapp_mcp.client.protocol import EventCode

    take, file = JournalWriter.take, open("{HANDED_OVER}", "a", buffering=1)

    def timed(writer, code, payload):
        if code == EventCode.MESSAGE:
            print(time.perf_counter(), file=file)
        take(writer, code, payload)

    JournalWriter.take = timed
    claim(path)

program.claim = claim_and_time
program.main()
"""
TIMED: Final = f"""
import os, sys
from whatsapp_mcp.processes.child_process import client_program
from whatsapp_mcp.cli import main
from whatsapp_simulator import launcher

client_program.set(launcher.client_program(os.environ, (sys.executable, "-P", "-c", {CLIENT!r})))
sys.argv = ["whatsapp-mcp", "serve", "--structured"]
main()
"""
BARE: Final = f"""
from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("bare")

@server.tool()
async def publish(ctx: Context) -> str:
    await ctx.notify_resource_updated("{URI}")
    return "ok"

server.run()
"""
NUMBERED: Final = re.compile(r"number (\d+)")


class Latency(NamedTuple):
    """Seconds of each round.

    Attributes:
        ours: From the writing of a message to the notification of it.
        received: Of these, until the library hands it over: the simulator and the library.
        after: The rest.
        bare: To a notification of the bare SDK.
    """

    ours: list[float]
    received: list[float]
    after: list[float]
    bare: list[float]


async def latency(whatsapp: Call, environment: dict[str, str], home: Path) -> Latency:
    """Measure the time from a message to its notification."""
    told: list[float] = []
    bare: list[float] = []
    async with (
        served(environment, "-c", TIMED) as client,
        served(environment, "-c", BARE) as other,
    ):
        await online(client)
        async with (
            client.listen(resource_subscriptions=[URI]) as changes,
            other.listen(resource_subscriptions=[URI]) as published,
        ):
            events, others = aiter(changes), aiter(published)
            for _ in range(WARM_UP + ROUNDS):
                await anyio.sleep(PAUSE)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_until, events, told)
                    await _says(whatsapp, "hi")
                begin = time.perf_counter()
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_until, others, bare)
                    await other.call_tool("publish", {})
                bare[-1] -= begin
    begun = _times(home / SAID)
    handed_over = _times(Settings(home=home).account_folder().client / HANDED_OVER)
    rounds = list(zip(begun, handed_over, told, strict=True))[WARM_UP:]
    return Latency(
        ours=[end - begin for begin, _, end in rounds],
        received=[handed_over - begin for begin, handed_over, _ in rounds],
        after=[end - handed_over for _, handed_over, end in rounds],
        bare=bare[WARM_UP:],
    )


def _times(file: Path) -> list[float]:
    return [float(line) for line in file.read_text(encoding="utf-8").split()]


async def _until(events: AsyncIterator[object], times: list[float]) -> None:
    await anext(events)
    times.append(time.perf_counter())


async def _says(whatsapp: Call, text: str) -> None:
    await whatsapp("says", who="Ann", text=text)


@dataclass
class Reader:
    """A client that starts its server again when it ends, and what it got, in order.

    Attributes:
        wanted: The number of the last message.
        subscribes: Whether it is told by subscription; else it waits with `wait_for_messages`.
    """

    wanted: int
    subscribes: bool
    numbers: list[int] = field(default_factory=list[int])
    cursor: str = ""
    client: Client | None = None

    @property
    def is_done(self) -> bool:
        """True if the last message has arrived."""
        return bool(self.numbers) and self.numbers[-1] >= self.wanted

    async def run(self, environment: dict[str, str]) -> None:
        """Read until the last message is here."""
        while not self.is_done:
            try:
                async with served(environment, *SERVE) as client:
                    await self._read(client, 0)
                    self.client = client
                    try:
                        await (self._follow(client) if self.subscribes else self._wait(client))
                    finally:
                        self.client = None
            except* (MCPError, SubscriptionLost, OSError, ClosedResourceError, BrokenResourceError):
                pass  # its server was killed

    async def rest(self) -> None:
        """Wait until the last message is here, or nothing has come for long."""
        seen, since = -1, time.monotonic()
        while not self.is_done and time.monotonic() - since < QUIET:
            if len(self.numbers) != seen:
                seen, since = len(self.numbers), time.monotonic()
            await anyio.sleep(0.1)

    async def _read(self, client: Client, wait: float) -> bool:
        """Take what has come since; whether there was anything."""
        arguments: dict[str, Any] = {"wait": wait, **({"cursor": self.cursor} if self.cursor else {})}
        result = await client.call_tool("wait_for_messages", arguments)
        answer = result.structured_content or {}
        if result.is_error or not isinstance(answer.get("next_cursor"), str):
            await anyio.sleep(0.1)  # its archive is not open yet
            return True
        self.cursor = answer["next_cursor"]
        messages = answer.get("messages", [])
        self.numbers += [int(found) for message in messages for found in NUMBERED.findall(message["text"])]
        return bool(messages)

    async def _wait(self, client: Client) -> None:
        while not self.is_done:
            await self._read(client, 5)

    async def _follow(self, client: Client) -> None:
        async with client.listen(resource_subscriptions=[URI]) as told:
            await self._drain(client)  # what came before it was acknowledged
            async for _ in told:
                await self._drain(client)
                if self.is_done:
                    return

    async def _drain(self, client: Client) -> None:
        while await self._read(client, 0):
            pass


def verdict(what: str, numbers: list[int], wanted: int) -> Verdict:
    """Print how many of the messages 1 to `wanted` are missing, there twice, and come after a newer one."""
    missed = len(set(range(1, wanted + 1)) - set(numbers))
    doubled = len(numbers) - len(set(numbers))
    disorder = sum(one > two for one, two in pairwise(numbers))
    found = judged(missed == doubled == disorder == 0)
    print(f"{what:24}missed {missed}  twice {doubled}  out of order {disorder}  {found}")
    return found


async def archived(home: Path) -> list[int]:
    """The numbers of the messages, in the order of the change feed."""
    numbers: list[int] = []
    async with open_archive(Settings(home=home).account_folder()) as archive:
        after = 0
        while changes := await archive.changes(after, limit=500):
            after = changes[-1].seq
            for change in changes:
                if change.kind == "message" and change.ref is not None:
                    message = await archive.message(change.ref)
                    numbers += [int(found) for found in NUMBERED.findall(message.text or "")]
    return numbers


@dataclass
class Load:
    """Messages to the clients, and disturbances of them.

    Attributes:
        cuts: How often the connection to WhatsApp was cut.
        kills: How many leaders were killed.
    """

    whatsapp: Call
    readers: dict[str, Reader]
    count: int
    cuts: int = 0
    kills: int = 0

    @property
    def absence(self) -> range:
        """The messages that are written while nothing can connect."""
        return range(self.count // 2, min(self.count // 2 + ABSENT, self.count))

    @property
    def received(self) -> int:
        """Messages that every client has got."""
        return min(len(reader.numbers) for reader in self.readers.values())

    async def write(self) -> None:
        """Write the messages: in the second half some in a long absence, the others at most `AHEAD`."""
        for number in range(1, self.count + 1):
            if number == self.absence.start:
                await self.whatsapp("fault", name="refuse")
            if number == self.absence.stop:
                await self.whatsapp("fault", name="recover")
            if number not in self.absence:
                await until(lambda number=number: number - self.received <= AHEAD)
            await _says(self.whatsapp, f"number {number}")

    async def disturb(self) -> None:
        """Cut the connection and kill the leader by turns, but not while what waited in the absence comes."""
        last = 0
        for place in range(DISTURBED, self.count, DISTURBED):
            if place in self.absence:
                continue
            await until(lambda place=place: self.received >= place)
            if self.cuts == self.kills:
                await self.whatsapp("fault", name="cut")
                self.cuts += 1
                continue
            last = await self._leader(other_than=last)
            os.kill(last, signal.SIGKILL)
            self.kills += 1

    async def _leader(self, other_than: int) -> int:
        """The process that leads, once a client is told of another than that one."""
        while True:
            for reader in self.readers.values():
                if reader.client is None:
                    continue
                with suppress(MCPError, ClosedResourceError, BrokenResourceError), anyio.move_on_after(5):
                    status = (await reader.client.call_tool("connection_status", {})).structured_content or {}
                    if status.get("leader_pid") not in (None, other_than):
                        return status["leader_pid"]
            await anyio.sleep(0.05)


async def until(fits: Callable[[], bool]) -> None:
    """Wait until it does."""
    while not fits():  # noqa: ASYNC110
        await anyio.sleep(0.02)


async def delivery(whatsapp: Call, environment: dict[str, str], count: int) -> Load:
    """Write so many messages, with disturbances, until each client has got them."""
    subscribed, waiting = Reader(count, subscribes=True), Reader(count, subscribes=False)
    readers = {"by subscription": subscribed, "by wait_for_messages": waiting}
    load = Load(whatsapp, readers, count)
    async with anyio.create_task_group() as tasks:
        for reader in readers.values():
            tasks.start_soon(reader.run, environment)
        with anyio.fail_after(QUIET):
            await until(lambda: all(reader.client for reader in readers.values()))
        tasks.start_soon(load.write)
        tasks.start_soon(load.disturb)
        for reader in readers.values():
            await reader.rest()
        tasks.cancel_scope.cancel()
    return load


async def run(count: int) -> bool:
    """Measure and print; whether all limits hold."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        async with simulator("-c", SIMULATOR, str(home / SAID)) as (whatsapp, variables):
            ann = await whatsapp("person", name="Ann")
            environment = {**variables, HOME_VARIABLE: str(home), "WHATSAPP_MCP_LOG_LEVEL": "error"}
            await link(whatsapp, environment)
            await confirm(environment, ann)  # else her words would stay back
            taken = await latency(whatsapp, environment, home)
            load = await delivery(whatsapp, environment, count)
            numbers = await archived(home)
    ours, received, after, bare = map(Taken.of, taken)
    times = ours.median / bare.median
    passed = timed(ours.median <= LIMIT and times <= TIMES)
    print(f"{'':24}      median  quick tenth")
    shares = (("  until handed over", received), ("  from there on", after))
    for name, one in (("a message is told", ours), *shares, ("bare notification", bare)):
        print(f"{name:24}{one.median * 1000:9.1f} ms {one.quick * 1000:9.1f} ms")
    print(f"{times:.1f} times the bare one  {passed}")
    print(f"{count} messages, {load.cuts} cuts of the connection, {load.kills} leaders killed, one absence")
    told = [verdict(name, reader.numbers, count) for name, reader in load.readers.items()]
    told.append(verdict("in the archive", numbers, count))
    return all((passed, *told))


def main() -> int:
    """Run it; 1 if a limit does not hold."""
    return not anyio.run(run, int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES)


if __name__ == "__main__":
    sys.exit(main())
