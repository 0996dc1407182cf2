"""A `send_message` call through leader and follower, beside an empty call and the library's own send.

Two servers of one account, linked to the simulated WhatsApp on loopback, all in processes of their own: the
leader holds the connection, the follower asks it. A direct chat and a group of five are written to in turn.
The default policy decides about each, for people whom the person has confirmed; only its budgets are larger.
The library's own send is timed in the client process, in the same calls: what is above it is ours. The median
is what a call took here; the quick tenth is nearer to what it takes on a quiet machine.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.types import CallToolResult, TextContent

from benchmarks.calls import SERVER as SERVE_WITH_NOTHING
from benchmarks.calls import Taken
from benchmarks.verdicts import amount, timed
from whatsapp_mcp.processes.rpc import Peer
from whatsapp_mcp.settings import HOME_VARIABLE, Settings

ROUNDS: Final = amount(200, 2)
WARM_UP: Final = amount(20, 1)
LIMIT: Final = 2.3
"""Times the library's own send, of the median direct send through the leader: 7 ms where that takes 3."""
BOUND: Final = "direct, leader"
BUDGETS: Final = """
[policy.budgets]
per_minute = 100000
per_hour = 100000
per_day = 100000
gap_seconds = 0
"""
"""The budgets end or delay what they count; deciding takes as long with any."""
MEMBERS: Final = ("Ann", "Ben", "Cleo", "Dov", "Ema")
TIMES: Final = "send-times"
"""File in the account's folder: seconds of each send of the library, one a line."""
CLIENT: Final = f"""
import time
from whatsapp_mcp.client import __main__ as program

claim = program.claim

def claim_and_time(path):
    from whatsapp_mcp.client import calls

    send = calls.CALLS["send_message"]

    async def timed(client, arguments):
        begin = time.perf_counter()
        answer = await send(client, arguments)
        with open("{TIMES}", "a") as file:
            print(time.perf_counter() - begin, file=file)
        return answer

    calls.CALLS["send_message"] = timed
    claim(path)

program.claim = claim_and_time
program.main()
"""
SERVER: Final = f"""
import os, sys
from functools import partial
from whatsapp_mcp.server import runtime
from whatsapp_simulator.launcher import client_program

def load_opener():
    from whatsapp_mcp.device.leader import open_device

    return partial(open_device, program=client_program(os.environ, (sys.executable, "-P", "-c", {CLIENT!r})))

runtime._load_opener = load_opener
{SERVE_WITH_NOTHING}
"""

Call = Callable[..., Awaitable[Any]]
"""A method of the simulator, with its arguments by name."""


@asynccontextmanager
async def simulator(
    *program: str,
) -> AsyncGenerator[tuple[Call, dict[str, str]]]:
    """The simulated WhatsApp in a process of its own, and the environment of its clients.

    Args:
        program: What Python runs as the simulator, if not the module of that name.
    """
    ready = anyio.Event()
    environment: dict[str, str] = {}

    async def told(method: str, params: dict[str, Any]) -> None:
        environment.update(params["environment"])
        ready.set()

    command = [sys.executable, *(program or ("-m", "whatsapp_simulator"))]
    async with await anyio.open_process(command, stderr=None) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        async with Peer(process.stdout, process.stdin, on_notification=told) as peer:
            with anyio.fail_after(20):
                await ready.wait()

            async def call(method: str, **arguments: Any) -> Any:
                return await peer.call(method, arguments, deadline=30)

            yield call, environment


@asynccontextmanager
async def served(environment: dict[str, str], *arguments: str) -> AsyncGenerator[Client]:
    """A server over stdio."""
    parameters = StdioServerParameters(command=sys.executable, args=list(arguments), env=environment)
    async with Client(parameters) as client:
        yield client


async def link(whatsapp: Call, environment: dict[str, str]) -> None:
    """Link the account, by a server that ends afterwards."""
    async with served(environment, "-m", "whatsapp_mcp.simulated", "serve", "--structured") as client:
        shown = await client.call_tool("link_device", {})
        assert shown.structured_content is not None
        await whatsapp("scan", text=shown.structured_content["qr"]["text"])
        await client.call_tool("link_device", {"wait": 20})
        await whatsapp("online")


async def confirm(environment: dict[str, str], *people: dict[str, Any]) -> None:
    """Let the person confirm these people, with whom an agent may then talk without being asked about it."""
    for one in people:
        command = [sys.executable, "-m", "whatsapp_mcp.simulated", "people", "confirm", one["number"]]
        await anyio.run_process(command, env=environment)


async def online(client: Client) -> None:
    """Wait until a server sees the connection up."""
    with anyio.fail_after(30):
        while not is_online(await client.call_tool("connection_status", {})):  # noqa: ASYNC110
            await anyio.sleep(0.05)


def is_online(status: CallToolResult) -> bool:
    """Return whether `connection_status` answers that the account is online."""
    (block,) = status.content
    return isinstance(block, TextContent) and block.text.startswith("online")


async def measure(home: Path) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Seconds of each call, and of the library's send in it; servers and chats taking turns."""
    taken: dict[str, list[float]] = {}
    async with simulator() as (whatsapp, variables):
        people = [await whatsapp("person", name=name) for name in MEMBERS]
        group = await whatsapp("group", name="Boat club", members=list(MEMBERS))
        environment = {**variables, HOME_VARIABLE: str(home), "WHATSAPP_MCP_LOG_LEVEL": "error"}
        await link(whatsapp, environment)
        await confirm(environment, *people)
        (home / "config.toml").write_text(BUDGETS, encoding="utf-8")
        async with (
            served(environment, "-c", SERVER) as leader,
            served(environment, "-c", SERVER) as follower,
        ):
            await online(leader)
            await online(follower)
            chats = {"direct": people[0]["number"], "group": group["jid"]}
            numbers = count(1)
            for round_ in range(WARM_UP + ROUNDS):
                for where, client in (("leader", leader), ("follower", follower)):
                    calls: dict[str, tuple[str, dict[str, Any]]] = {"empty call": ("nothing", {})}
                    for name, chat in chats.items():
                        calls[name] = ("send_message", {"chat": chat, "text": f"Message {next(numbers)}"})
                    for name, (tool, arguments) in calls.items():
                        begin = time.perf_counter()
                        result = await client.call_tool(tool, arguments)
                        seconds = time.perf_counter() - begin
                        assert not result.is_error, result.content
                        if round_ >= WARM_UP:
                            taken.setdefault(f"{name}, {where}", []).append(seconds)
    lines = (Settings(home=home).account_folder().client / TIMES).read_text().split()
    own = [float(line) for line in lines][WARM_UP * 4 :]
    assert len(own) == ROUNDS * 4
    names = [name for name in taken if not name.startswith("empty")]
    return taken, {name: own[at::4] for at, name in enumerate(names)}


async def run() -> bool:
    """Measure and print; whether the limit holds."""
    with tempfile.TemporaryDirectory() as folder:
        taken, library = await measure(Path(folder))
    holds = True
    print(f"{'':24}      median  quick tenth      times the library's    an empty call")
    for name, times in taken.items():
        one = Taken.of(times)
        line = f"{name:24}{one.median * 1000:9.2f} ms{one.quick * 1000:10.2f} ms"
        if name in library:
            own = Taken.of(library[name])
            empty = Taken.of(taken[f"empty call, {name.rpartition(' ')[2]}"])
            ratio = one.median / own.median
            line += f"{ratio:13.2f} ({own.median * 1000:.2f} ms){one.median / empty.median:16.2f}"
            if name == BOUND:
                verdict = timed(ratio <= LIMIT)
                holds &= bool(verdict)
                line += f"  {verdict}"
        print(line)
    return holds


def main() -> int:
    """Run it; 1 if a limit does not hold."""
    return not anyio.run(run)


if __name__ == "__main__":
    sys.exit(main())
