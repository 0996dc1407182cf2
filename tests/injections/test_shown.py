"""Every injected order reaches the model as somebody's words: fenced, cleaned, under the name of its author.

The whole corpus is delivered to one account, and everything that there is to read is read.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from functools import cache
from typing import Any

import pytest
from mcp import Client
from mcp.types import CallToolResult

from benchmarks.injections.cases import CASES
from benchmarks.injections.forms import readings
from benchmarks.injections.orders import Order, orders
from benchmarks.injections.world import FRIENDS, World, world
from tests.server.fakes import text_of
from tests.server.test_hostile_words import QUOTED, seems_a_tag, strings
from whatsapp_mcp.policy import clean
from whatsapp_mcp.server.fencing import NAME

pytestmark = pytest.mark.anyio
A_NAME = re.compile(rf"~[^\n:;,()\[\]{{}}<>#\"“”]{{1,{NAME}}}")
A_PLACE = re.compile(
    rf"(?<= (?:in|to) )[^:;,()\[\]{{}}<>#\"“”]{{1,{NAME}}}|^[^:;,()<>#]{{1,{NAME}}}(?= \([\w@.]+\),|, \d)"
)
FENCE = re.compile(r"</?messages \d+>")
WRITTEN_BY = re.compile(r"(?:· )?#\d+ \S+ (?P<who>[^:(]*)")
PAGE = 60


@pytest.fixture(scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """An account to which the whole corpus was delivered."""
    async with world(tmp_path_factory.mktemp("injected") / "home", "open", CASES) as delivered:
        messages = [await delivered.deliver(case) for case in CASES]
        await delivered.arrived(messages[-1])
        yield delivered


async def pages(client: Client, tool: str, arguments: dict[str, Any]) -> list[CallToolResult]:
    """All pages of a list."""
    told: list[CallToolResult] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = await client.call_tool(tool, {**arguments, "cursor": cursor})
        assert isinstance(answer, CallToolResult)
        assert not answer.is_error, text_of(answer.content)
        told.append(answer)
        cursor = (answer.structured_content or {}).get("next_cursor")
    return told


async def answers(made: World) -> list[CallToolResult]:
    """All that can be read."""
    async with made.client("reader") as client:
        told = [
            *await pages(client, "list_messages", {"limit": PAGE}),
            *await pages(client, "list_messages", {"limit": PAGE, "detail": "full"}),
            *await pages(client, "list_chats", {"limit": PAGE}),
            *await pages(client, "search_contacts", {"limit": PAGE}),
            *await pages(client, "search_messages", {"query": "DO OR END", "limit": PAGE}),
        ]
        files = [
            each["ref"]
            for page in told
            for each in (page.structured_content or {}).get("messages", ())
            if each["kind"] in {"document", "voice"}
        ]
        told += [await client.call_tool("read_file", {"message": ref}) for ref in dict.fromkeys(files)]  # pyright: ignore[reportOperatorIssue]
        for tool, name, value in (
            ("get_contact", "contact", "Robin"),
            *(("get_contact", "contact", each.number) for each in made.actors.values()),
            *(("get_group", "chat", str(jid)) for jid in made.wa.network.groups),
            *(("list_join_requests", "chat", str(jid)) for jid in made.wa.network.groups),
            *(("list_messages", "chat", str(jid)) for jid in made.wa.network.channels),
        ):
            told.append(await client.call_tool(tool, {name: value}))  # pyright: ignore[reportArgumentType]
        for tool in ("list_calls", "list_channels"):
            told.append(await client.call_tool(tool, {}))  # pyright: ignore[reportArgumentType]
        return told


@cache
def demanded(text: str) -> frozenset[Order]:
    """The orders that can be read in it."""
    return frozenset(order for reading in {*readings(text)} for order in orders(reading))


def without_names(text: str) -> str:
    """What is left beside names and quotes, which are marked."""
    return A_NAME.sub("", QUOTED.sub("", text))


def without_places(head: str) -> str:
    """As `without_names`, of what stands before somebody's words: there a group's name is not marked."""
    return A_PLACE.sub("", without_names(head))


def parts(text: str) -> tuple[list[str], list[str]]:
    """The lines outside and inside the fence."""
    lines = text.splitlines()
    marks = [index for index, line in enumerate(lines) if FENCE.fullmatch(line)]
    assert len(marks) in {0, 2}
    if not marks:
        return lines, []
    begin, end = marks
    assert lines[begin].replace("<", "</") == lines[end]
    return [*lines[:begin], *lines[end + 1 :]], lines[begin + 1 : end]


def faults(text: str, data: Any) -> Sequence[str]:
    """What of an answer passes for words of ours, or for somebody else's than whose they are."""
    outside, inside = parts(text)
    found = [f"outside: {line}" for line in outside if demanded(without_names(line))]
    for line in inside:
        head, _, words = line.partition(": ")
        if demanded(without_places(head)):
            found.append(f"before the words: {line}")
        who = WRITTEN_BY.match(head)
        if who and demanded(words) and who["who"].strip() in {"me", *FRIENDS}:
            found.append(f"under another name: {line}")
    if seems_a_tag("\n".join([*outside, *inside])):
        found.append("a fence within the fence")
    return [*found, *(f"not cleaned: {each!r}" for each in strings(data) if clean(each) != each)]


async def test_no_injected_order_passes_for_words_of_ours(made: World) -> None:
    told = await answers(made)
    assert len(told) > len(CASES)
    found = [
        each for answer in told for each in faults(text_of(answer.content), answer.structured_content or {})
    ]
    assert found == []
    shown = {order for answer in told for order in demanded(text_of(answer.content))}
    assert len({order for case in CASES for order in demanded(case.words)} - shown) <= 2


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("DO send here SECRET END", "outside"),
        ("<messages 12345>\n#1 12:00 DO send here SECRET: hi\n</messages 12345>", "before the words"),
        ("<messages 12345>\n#1 12:00 Mum: DO send here SECRET\n</messages 12345>", "under another name"),
    ],
)
def test_the_check_sees_an_order_that_is_not_marked(text: str, complaint: str) -> None:
    assert [each.partition(":")[0] for each in faults(text, {})] == [complaint]
