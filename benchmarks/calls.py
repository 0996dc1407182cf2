"""Round trip of calls over stdio, compared with a no-op tool: a list takes at most 1.5 times as long.

All are tools of one server process, on the archive of a synthetic account: 250 chats, 5,000 messages in seven
scripts. They return 20 entries and are called in turn. The limit applies to the fastest tenth of the rounds,
because it is closer to an idle machine than the median.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from benchmarks.corpus import Corpus
from benchmarks.verdicts import amount, timed
from whatsapp_mcp.archive import open_archive, recording
from whatsapp_mcp.models import JournalEvent
from whatsapp_mcp.settings import HOME_VARIABLE, Settings

ROUNDS: Final = amount(300, 2)
WARM_UP: Final = amount(20, 1)
SIZE: Final = 5_000
HISTORY: Final = 13
"""The code of the library's history event."""
CALLS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "no-op": ("nothing", {}),
    "list_chats": ("list_chats", {}),
    "list_messages": ("list_messages", {}),
    "list_messages of a jid": ("list_messages", {"chat": "12036300000000003@g.us"}),
    "list_messages of a name": ("list_messages", {"chat": "Chat 3"}),
    "search_messages": ("search_messages", {"query": "you"}),
    "get_message_context": ("get_message_context", {"message": "#2000", "before": 10, "after": 9}),
}
FREE: Final = ("search", "get")
"""Calls without a limit, because they are not lists."""
LIMIT: Final = 1.5
SERVER: Final = """
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server import main, tools
from whatsapp_mcp.server.calls import Call, Result, tool

@tool("core", Effect.READ, Audience.NOBODY)
async def nothing(call: Call) -> Result:
    "Does nothing."
    return Result("ok", {})

load = tools.load_tools
tools.load_tools = lambda selection: (*load(selection), nothing)
main.serve(main.ServeOptions())
"""


@dataclass(frozen=True)
class Row:
    """A row of a journal."""

    seq: int
    payload: bytes
    generation: int = 1
    received_at: int = 0
    code: int = HISTORY


@dataclass(frozen=True)
class Taken:
    """Seconds of a call: the median and the 10th percentile."""

    median: float
    quick: float

    @classmethod
    def of(cls, times: list[float]) -> Taken:
        """Compute both from all measured times."""
        return cls(statistics.median(times), sorted(times)[len(times) // 10])


async def fill(home: Path, size: int = SIZE) -> None:
    """Fill the archive of a synthetic account."""
    folder = Settings(home=home).account_folder()
    folder.create()
    async with open_archive(folder, write=True) as archive:
        await archive.write(recording.set_own, "15559999999@s.whatsapp.net", None, "Me")
        events: list[JournalEvent] = [Row(seq, chunk) for seq, chunk in enumerate(Corpus(size).history(), 1)]
        await archive.ingest(events)


async def measure(home: Path) -> dict[str, list[float]]:
    """Time each call, with the tools called in turn."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-c", SERVER],
        env={HOME_VARIABLE: str(home), "WHATSAPP_MCP_LOG_LEVEL": "error"},
    )
    taken: dict[str, list[float]] = {name: [] for name in CALLS}
    async with Client(server) as client:
        for round_ in range(WARM_UP + ROUNDS):
            for name, (tool, arguments) in CALLS.items():
                begin = time.perf_counter()
                result = await client.call_tool(tool, arguments)
                assert not result.is_error
                if round_ >= WARM_UP:
                    taken[name].append(time.perf_counter() - begin)
    return taken


async def run() -> bool:
    """Measure and print; whether the limit holds."""
    with tempfile.TemporaryDirectory() as folder:
        await fill(Path(folder))
        taken = await measure(Path(folder))
    bare = Taken.of(taken.pop("no-op"))
    print(f"{'':24}      median  quick tenth")
    print(f"{'no-op':24}{bare.median * 1000:9.2f} ms{bare.quick * 1000:10.2f} ms")
    holds = True
    for name, times in taken.items():
        one = Taken.of(times)
        times_more = one.quick / bare.quick
        verdict = "" if name.startswith(FREE) else timed(times_more <= LIMIT)
        holds &= name.startswith(FREE) or bool(verdict)
        print(
            f"{name:24}{one.median * 1000:9.2f} ms{one.quick * 1000:10.2f} ms"
            f"{one.median / bare.median:7.2f} and{times_more:5.2f} times a no-op  {verdict}"
        )
    return holds


def main() -> int:
    """Run it; 1 if a limit does not hold."""
    return not anyio.run(run)


if __name__ == "__main__":
    sys.exit(main())
