"""Being told of a message over stdio, beside a notification of the bare SDK; and whether any is missed.

The time begins before the person on the simulated WhatsApp writes and ends with the notification at the
client: encryption there, library, journal and archive are in it. The bare one begins with a call of a tool
that publishes an event in a server of the SDK alone. Both are taken in turn.

Then one client is told by subscription and reads on, and another waits with `wait_for_messages`, while many
messages come, the connection is lost and the server that leads is killed, again and again. Each must get
every message once, in the order in which they were archived. How often that differs from the order in which
they were written is printed beside it: after a break, what waited may arrive among what is new.

`python -m benchmarks.push [MESSAGES]`
"""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import anyio
from anyio import BrokenResourceError, ClosedResourceError
from mcp import Client, MCPError
from mcp.client.subscriptions import SubscriptionLost

from benchmarks.calls import Taken
from benchmarks.sends import Call, link, online, served, simulator
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.settings import HOME_VARIABLE, Settings

ROUNDS: Final = 60
WARM_UP: Final = 10
LIMIT: Final = 0.025
"""Median seconds from a message to the notification of it."""
TIMES: Final = 3.0
"""Times a notification of the bare SDK."""
MESSAGES: Final = 10_000
DISTURBED: Final = 400
"""Messages between two disturbances: by turns the connection is lost, and the leader killed."""
PAUSE: Final = 0.25
"""Seconds between two measured messages: longer than a burst is held together."""
QUIET: Final = 120.0
"""Seconds after which a client that waits for the rest has missed it."""
URI: Final = "whatsapp://unread"
SERVE: Final = ("-m", "whatsapp_mcp.simulated", "serve", "--structured")
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


async def latency(whatsapp: Call, environment: dict[str, str]) -> tuple[list[float], list[float]]:
    """Seconds to each notification: ours, and of the bare SDK."""
    ours: list[float] = []
    bare: list[float] = []
    async with (
        served(environment, *SERVE) as client,
        served(environment, "-c", BARE) as other,
    ):
        await online(client)
        async with (
            client.listen(resource_subscriptions=[URI]) as told,
            other.listen(resource_subscriptions=[URI]) as published,
        ):
            events, others = aiter(told), aiter(published)
            for _ in range(WARM_UP + ROUNDS):
                await anyio.sleep(PAUSE)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_until, events, time.perf_counter(), ours)
                    await _says(whatsapp, "hi")
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_until, others, time.perf_counter(), bare)
                    await other.call_tool("publish", {})
    return ours[WARM_UP:], bare[WARM_UP:]


async def _until(events: AsyncIterator[object], begin: float, times: list[float]) -> None:
    await anext(events)
    times.append(time.perf_counter() - begin)


async def _says(whatsapp: Call, text: str) -> None:
    await whatsapp("says", who="Ann", text=text)


@dataclass
class Reader:
    """A client that starts its server anew when it ends, and what it got, in order.

    Attributes:
        wanted: The number of the last message.
        subscribes: Whether it is told by subscription; else it waits with `wait_for_messages`.
    """

    wanted: int
    subscribes: bool
    numbers: list[int] = field(default_factory=list[int])
    cursor: str = ""
    client: Client | None = None
    restarts: int = -1

    @property
    def is_done(self) -> bool:
        """Whether the last message is here."""
        return bool(self.numbers) and self.numbers[-1] >= self.wanted

    async def run(self, environment: dict[str, str]) -> None:
        """Read until the last message is here."""
        while not self.is_done:
            self.restarts += 1
            try:
                async with served(environment, *SERVE) as client:
                    await self._read(client, 0)
                    self.client = client
                    await (self._follow(client) if self.subscribes else self._wait(client))
            except* (MCPError, SubscriptionLost, OSError, ClosedResourceError, BrokenResourceError):
                self.client = None

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

    def verdict(self, archived: list[int]) -> str:
        """How many are missing, doubled, and at another place than in the archive."""
        missed = self.wanted - len(set(self.numbers) & set(range(1, self.wanted + 1)))
        doubled = len(self.numbers) - len(set(self.numbers))
        disorder = sum(one != two for one, two in zip(self.numbers, archived, strict=False))
        told = f"missed {missed}  doubled {doubled}  out of order {disorder}  restarts {self.restarts}"
        return f"{self.wanted:6} sent  {told}  {'PASS' if missed == doubled == disorder == 0 else 'FAIL'}"


async def order_of_archiving(home: Path) -> list[int]:
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


async def delivery(whatsapp: Call, environment: dict[str, str], count: int) -> dict[str, Reader]:
    """Send so many messages, with disturbances, and return what each client got."""
    readers = {
        "by subscription": Reader(count, subscribes=True),
        "by wait_for_messages": Reader(count, subscribes=False),
    }
    async with anyio.create_task_group() as tasks:
        for reader in readers.values():
            tasks.start_soon(reader.run, environment)
        with anyio.fail_after(QUIET):
            while not all(reader.client for reader in readers.values()):  # noqa: ASYNC110
                await anyio.sleep(0.1)
        for number in range(1, count + 1):
            if number % DISTURBED == 0:
                await disturb(whatsapp, list(readers.values()), kill=number // DISTURBED % 2 == 0)
            await _says(whatsapp, f"number {number}")
        with anyio.move_on_after(QUIET):
            while not all(reader.is_done for reader in readers.values()):  # noqa: ASYNC110
                await anyio.sleep(0.1)
        tasks.cancel_scope.cancel()
    return readers


async def disturb(whatsapp: Call, readers: list[Reader], *, kill: bool) -> None:
    """Cut the connection to WhatsApp, or kill the server that leads."""
    if not kill:
        await whatsapp("fault", name="cut")
        return
    for client in [reader.client for reader in readers if reader.client]:
        status = (await client.call_tool("connection_status", {})).structured_content or {}
        if status.get("leader_pid"):
            os.kill(status["leader_pid"], signal.SIGKILL)
            return


async def run(count: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        async with simulator() as (whatsapp, variables):
            await whatsapp("person", name="Ann")
            home = Path(folder)
            # Else the words of somebody who is in no address book stay back.
            (home / "config.toml").write_text('[policy]\nmode = "open"\n')
            environment = {**variables, HOME_VARIABLE: str(home), "WHATSAPP_MCP_LOG_LEVEL": "error"}
            await link(whatsapp, environment)
            ours, bare = (Taken.of(times) for times in await latency(whatsapp, environment))
            readers = await delivery(whatsapp, environment, count)
            archived = await order_of_archiving(home)
    times = ours.median / bare.median
    passed = ours.median <= LIMIT and times <= TIMES
    print(f"{'':24}      median  quick tenth")
    for name, one in (("a message is told", ours), ("bare notification", bare)):
        print(f"{name:24}{one.median * 1000:9.1f} ms {one.quick * 1000:9.1f} ms")
    print(f"{times:.1f} times the bare one  {'PASS' if passed else 'FAIL'}")
    for name, reader in readers.items():
        print(f"{name:24}{reader.verdict(archived)}")
    late = sum(one > two for one, two in pairwise(archived))
    print(f"{late} of {count} messages were archived after a newer one")


def main() -> None:
    """Run it."""
    anyio.run(run, int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES)


if __name__ == "__main__":
    main()
