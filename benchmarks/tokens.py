"""Tokens of `tools/list`: characters of compact JSON divided by four."""

from __future__ import annotations

import json
import statistics
from typing import Final

import anyio
from mcp import Client

from whatsapp_mcp.server import toolsets
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.runtime import Runtime
from whatsapp_mcp.settings import Settings

CORE_LIMIT: Final = 2500
ALL_LIMIT: Final = 7500
MEDIAN_LIMIT: Final = 150


async def tool_tokens(selection: str) -> dict[str, int]:
    """Tokens of each tool as a client sees it."""
    from pathlib import Path

    runtime = Runtime(Settings(home=Path("unused")), "default")
    async with Client(create(runtime, selection)) as client:
        listed = await client.list_tools()
    return {
        tool.name: len(
            json.dumps(
                tool.model_dump(by_alias=True, exclude_none=True, mode="json"),
                separators=(",", ":"),
                ensure_ascii=False,
            )
        )
        // 4
        for tool in listed.tools
    }


def main() -> None:
    """Print what each toolset and the whole cost."""
    costs: dict[str, int] = {}
    for name in toolsets.MODULES:
        tokens = anyio.run(tool_tokens, name)
        costs[name] = sum(tokens.values())
        print(f"{name:10} {len(tokens):3} tools {costs[name]:6} tokens")
    tokens = anyio.run(tool_tokens, toolsets.ALL)
    for what, figure, limit in (
        ("core", costs["core"], CORE_LIMIT),
        ("all but aliases", sum(tokens.values()), ALL_LIMIT),
        ("median tool", statistics.median(tokens.values()), MEDIAN_LIMIT),
    ):
        print(f"{'PASS' if figure <= limit else 'FAIL'}  {what:16}{figure:6.0f}   at most {limit}")
    for name, cost in sorted(tokens.items(), key=lambda item: -item[1]):
        print(f"  {cost:4} {name}")


if __name__ == "__main__":
    main()
