"""Round trip of `list_messages` over stdio beside a tool that does nothing (at most 1.5 times).

Both are tools of one server process on an archive of its own with a few hundred messages.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.models import SendRequest, TextContent
from whatsapp_mcp.settings import HOME_VARIABLE, Settings

ROUNDS: Final = 300
LIMIT: Final = 1.5
SERVER: Final = """
from whatsapp_mcp.server import main, toolsets
from whatsapp_mcp.server.call import Call
from whatsapp_mcp.server.registry import tool
from whatsapp_mcp.server.results import Result

@tool("core", reads=True)
async def nothing(call: Call) -> Result:
    "Does nothing."
    return Result("ok", {})

load = toolsets.load
toolsets.load = lambda selection: (*load(selection), nothing)
main.serve(main.ServeOptions())
"""


async def fill(home: Path) -> None:
    """An archive with a chat of 300 messages."""
    folder = Settings(home=home).account_folder()
    folder.create()
    async with open_archive(folder, write=True) as archive:
        for number in range(300):
            request = SendRequest("15550002222@s.whatsapp.net", TextContent(f"message number {number}"))
            await archive.record_own(request, f"M{number}", datetime.now(UTC))


async def measure(home: Path) -> dict[str, list[float]]:
    """Seconds of each call, the tools taking turns."""
    server = StdioServerParameters(
        command=sys.executable, args=["-c", SERVER], env={HOME_VARIABLE: str(home)}
    )
    arguments: dict[str, dict[str, Any]] = {"nothing": {}, "list_messages": {"limit": 20}, "list_chats": {}}
    taken: dict[str, list[float]] = {name: [] for name in arguments}
    async with Client(server) as client:
        for round_ in range(ROUNDS):
            for name, given in arguments.items():
                begin = time.perf_counter()
                result = await client.call_tool(name, given)
                assert not result.is_error
                if round_ > 10:
                    taken[name].append(time.perf_counter() - begin)
    return taken


async def run() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        await fill(Path(folder))
        taken = await measure(Path(folder))
    bare = statistics.median(taken["nothing"])
    for name, times in taken.items():
        middle = statistics.median(times)
        print(f"{name:14} median {middle * 1000:6.2f} ms, {middle / bare:.2f} times a no-op (limit {LIMIT})")


def main() -> None:
    """Run it."""
    anyio.run(run)


if __name__ == "__main__":
    main()
