"""Time from a message to the end of `wait_for_messages`, in the leader and in a follower.

A person writes one message on the simulated WhatsApp while a server waits. The reported time ends with the
wait. It includes the quiet period after which a burst counts as over; the rest is the way of the message
through library, journal and archive to the waiting caller.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import anyio
from mcp import Client

from benchmarks.calls import Taken
from benchmarks.sends import link, online, served, simulator
from benchmarks.verdicts import amount, timed
from whatsapp_mcp.server.tools.waiting import SETTLE
from whatsapp_mcp.settings import HOME_VARIABLE

ROUNDS: Final = amount(20, 2)
LIMIT: Final = 0.5
"""Median seconds from a single message to the end of the wait."""
_BEGUN: Final = 0.3
"""Seconds after which a wait has started."""


async def measure(home: Path) -> dict[str, list[float]]:
    """Seconds from the message to the end of each wait, with the servers in turn."""
    taken: dict[str, list[float]] = {"leader": [], "follower": []}
    async with simulator() as (whatsapp, variables):
        await whatsapp("person", name="Ann")
        environment = {**variables, HOME_VARIABLE: str(home), "WHATSAPP_MCP_LOG_LEVEL": "error"}
        await link(whatsapp, environment)
        serve = ("-m", "whatsapp_mcp.simulated", "serve")
        async with served(environment, *serve) as leader, served(environment, *serve) as follower:
            await online(leader)
            await online(follower)

            async def wait(client: Client, times: list[float]) -> None:
                result = await client.call_tool("wait_for_messages", {"wait": 20})
                times.append(time.perf_counter())
                assert not result.is_error

            said = 0.0
            for _ in range(ROUNDS):
                for name, client in (("leader", leader), ("follower", follower)):
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(wait, client, taken[name])
                        await anyio.sleep(_BEGUN)
                        await whatsapp("says", who="Ann", text="Are you there?")
                        said = time.perf_counter()
                    taken[name][-1] -= said
    return taken


async def run() -> bool:
    """Measure and print; whether the limit holds."""
    holds = True
    with tempfile.TemporaryDirectory() as folder:
        taken = await measure(Path(folder))
    print(f"{'':12}median, of which the quiet takes {SETTLE:g} s")
    for name, times in taken.items():
        one = Taken.of(times)
        verdict = timed(one.median <= LIMIT)
        holds &= bool(verdict)
        print(f"{name:12}{one.median:6.3f} s, without it {(one.median - SETTLE) * 1000:5.1f} ms  {verdict}")
    return holds


def main() -> int:
    """Run it; 1 if a limit does not hold."""
    return not anyio.run(run)


if __name__ == "__main__":
    sys.exit(main())
