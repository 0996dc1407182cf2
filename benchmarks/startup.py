"""Time from start to the answer of `initialize` over stdio: at most 1.15 times a bare SDK server."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.verdicts import amount, timed

ROUNDS: Final = amount(7, 1)
LIMIT: Final = 1.15
BARE: Final = """
from mcp.server.mcpserver import MCPServer
server = MCPServer("bare")
@server.tool()
def nothing() -> str:
    return "ok"
server.run("stdio")
"""
INITIALIZE: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "benchmark", "version": "1"},
    },
}


def answered_after(command: list[str], home: Path) -> float:
    """Seconds from start until the answer is on stdout."""
    environment = {**os.environ, "WHATSAPP_MCP_HOME": str(home)}
    begin = time.perf_counter()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(INITIALIZE).encode() + b"\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        taken = time.perf_counter() - begin
        assert answer["result"]["serverInfo"]["name"]
        process.kill()
    return taken


def main() -> int:
    """Print both medians and their ratio; 1 if the limit does not hold."""
    commands = {
        "bare SDK server": [sys.executable, "-c", BARE],
        "whatsapp-mcp": [sys.executable, "-m", "whatsapp_mcp", "serve"],
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as home:
        for _ in range(ROUNDS):
            for name, command in commands.items():
                taken[name].append(answered_after(command, Path(home)))
    for name, times in taken.items():
        print(f"{name:16} median {statistics.median(times) * 1000:6.0f} ms, best {min(times) * 1000:6.0f} ms")
    ours, bare = (statistics.median(taken[name]) for name in ("whatsapp-mcp", "bare SDK server"))
    pairs = zip(taken["whatsapp-mcp"], taken["bare SDK server"], strict=True)
    ratio = statistics.median(one / other for one, other in pairs)
    print(f"ratio of medians {ours / bare:.2f}")
    verdict = timed(ratio <= LIMIT)
    print(f"{verdict}  median of paired ratios {ratio:.2f}   at most {LIMIT}")
    return not verdict


if __name__ == "__main__":
    sys.exit(main())
