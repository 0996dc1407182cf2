"""Size of what a model receives: tokens of `tools/list`, and characters of frequent answers in each host.

Tokens are characters of compact JSON divided by four. Each host passes on results in its own way, and some in
another way if a result has structured content (`serve --structured`): see `tests.server.hosts`. The answers
come from a synthetic account with texts in seven scripts.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import anyio
from mcp import Client
from mcp.types import CallToolResult

from benchmarks import busy_day
from benchmarks.calls import fill
from benchmarks.verdicts import judged
from tests.server.fakes import FakeDevice, FakeSource
from tests.server.hosts import HOSTS
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.calls import Accounts
from whatsapp_mcp.server.runtime import Runtime
from whatsapp_mcp.server.tools import toolsets
from whatsapp_mcp.settings import Settings

CORE_LIMIT: Final = 2500
ALL_LIMIT: Final = 7500
TOOL_LIMIT: Final = 270
MEDIAN_LIMIT: Final = 150
ACCOUNTS: Final = ("private", "work", "club", "family", "shop")
MESSAGES: Final = 1_000
CALLS: Final[Mapping[str, dict[str, Any]]] = {
    "list_chats": {},
    "list_messages": {"chat": "12036300000000003@g.us"},
    "search_messages": {"query": "you"},
    "send_message": {"chat": "12036300000000003@g.us", "text": "See you at eight."},
    "connection_status": {},
}
"""The most frequent calls; lists have 20 entries."""


async def tool_tokens(
    selection: str, accounts: Sequence[str] = ("default",), *, structured: bool = False
) -> dict[str, int]:
    """Tokens of each tool as sent to a client of a server of these accounts."""
    served = Accounts.of(*(Runtime(Settings(home=Path("unused")), name) for name in accounts))
    async with Client(create(served, selection, structured=structured)) as client:
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


async def answers(*, structured: bool) -> dict[str, dict[str, int]]:
    """Characters of each call that each host passes to its model."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        await fill(home, MESSAGES)
        async with (
            open_archive(Settings(home=home).account_folder()) as archive,
            Client(create(FakeSource(FakeDevice(), archive, home), structured=structured)) as client,
        ):
            return {name: _given(await client.call_tool(name, given)) for name, given in CALLS.items()}


def _given(result: object) -> dict[str, int]:
    assert isinstance(result, CallToolResult)
    assert not result.is_error, result
    return {host: len(rule(result).text) for host, rule in HOSTS.items()}


async def limits() -> list[tuple[str, float, int]]:
    """Return each limited quantity with its value and its limit."""
    core = await tool_tokens("core")
    every = await tool_tokens(toolsets.ALL_TOOLSETS)
    return [
        ("core", sum(core.values()), CORE_LIMIT),
        ("all", sum(every.values()), ALL_LIMIT),
        ("largest tool", max(every.values()), TOOL_LIMIT),
        ("median tool", statistics.median(every.values()), MEDIAN_LIMIT),
    ]


def print_tools() -> bool:
    """Print the cost of each toolset and of all tools; whether the limits hold."""
    holds = True
    for name in toolsets.TOOLSETS:
        tokens = anyio.run(tool_tokens, name)
        print(f"{name:10} {len(tokens):3} tools {sum(tokens.values()):6} tokens")
    tokens = anyio.run(tool_tokens, toolsets.ALL_TOOLSETS)
    for what, figure, limit in anyio.run(limits):
        holds &= figure <= limit
        print(f"{judged(figure <= limit)}  {what:16}{figure:6.0f}   at most {limit}")
    for several in (ACCOUNTS[:2], ACCOUNTS):
        core = sum(anyio.run(tool_tokens, "core", several).values())
        every = sum(anyio.run(tool_tokens, toolsets.ALL_TOOLSETS, several).values())
        print(f"with {len(several)} accounts: core {core}, all {every} tokens")
    for name, cost in sorted(tokens.items(), key=lambda item: -item[1]):
        print(f"  {cost:4} {name}")
    return holds


async def print_answers() -> None:
    """Print how much of an answer each host passes on, without and with structured content."""
    plain, structured = await answers(structured=False), await answers(structured=True)
    print("characters of an answer, by default / with --structured:")
    print(f"{'':18}{''.join(f'{host:>16}' for host in HOSTS)}")
    for name in CALLS:
        cells = (f"{plain[name][host]} / {structured[name][host]}" for host in HOSTS)
        print(f"{name:18}{''.join(f'{cell:>16}' for cell in cells)}")


def print_days() -> None:
    """Print the cost of a day of a busy chat."""
    print(f"{busy_day.MESSAGES} messages of a day, with whole heads / compact:")
    for what, people in (("group", len(busy_day.PEOPLE)), ("direct chat", 2)):
        messages = busy_day.day(people)
        costs = (
            f"{len(pages)} pages, {sum(map(len, pages)) // 4} tokens"
            for pages in (busy_day.whole(messages), busy_day.compacted(messages))
        )
        print(f"  {what:12} {' / '.join(costs)}")


def main() -> int:
    """Print all; 1 if a limit does not hold."""
    holds = print_tools()
    print_days()
    anyio.run(print_answers)
    return not holds


if __name__ == "__main__":
    sys.exit(main())
