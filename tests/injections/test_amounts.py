"""A yes about some of a chat's words is for as many as the person was shown, and for no other ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from benchmarks.injections.world import World, configure, world
from tests.injections.withheld import agent
from tests.server.fakes import text_of
from whatsapp_mcp.device.leader.observer import leading_device
from whatsapp_mcp.device.operations import approvals
from whatsapp_mcp.models import Approval
from whatsapp_mcp.settings import Settings

pytestmark = pytest.mark.anyio
ASKED = '[[policy.chats]]\nname = "Ben"\nread = "ask"\n'
COUNT = 12


async def diary(made: World, *, code: bool = False) -> str:
    """A dozen messages of Ben, of whom a rule asks; answers the ref of the sixth."""
    ids = [
        await made.people["Ben"].says(
            "Your verification code is 445566" if code and number == 5 else f"entry zq{number:02}"
        )
        for number in range(COUNT)
    ]
    await made.arrived(ids[-1])
    configure(made.home, "standard", made.dictation.config + ASKED)
    return f"#{(await made.archive.message(ids[5])).ref}"


async def called(client: Client, tool: str, arguments: Mapping[str, Any]) -> str:
    return text_of((await client.call_tool(tool, dict(arguments))).content)


async def approved(made: World) -> list[Approval]:
    """The questions that waited, each of which got a yes."""
    async with leading_device(Settings(home=made.home).account_folder()) as leader:
        waiting = [*await leader.do(approvals.approvals)]
        for one in waiting:
            await leader.do(approvals.decide, one.id, True, "terminal")
    return waiting


def entries(told: str) -> set[str]:
    return set(re.findall(r"zq\d\d", told))


@pytest.mark.parametrize(
    ("tool", "little", "much", "amount", "given"),
    [
        (
            "get_message_context",
            {"before": 0, "after": 0},
            {"before": 20, "after": 20},
            r"#\d+",
            {"zq05"},
        ),
        (
            "get_message_context",
            {"before": 1, "after": 2},
            {"before": 1, "after": 3},
            r"#\d+, up to 1 messages before it and 2 after it",
            {"zq04", "zq05", "zq06", "zq07"},
        ),
        (
            "list_messages",
            {"limit": 1},
            {"limit": 200, "since": "2020-01-01"},
            "the newest 1 message",
            {"zq11"},
        ),
        (
            "list_messages",
            {"limit": 1},
            {"limit": 1, "context": 9},
            "the newest 1 message",
            {"zq11"},
        ),
        (
            "list_messages",
            {"limit": 2, "context": 1},
            {"limit": 2, "context": 9},
            "the newest 2 messages, each with up to 1 before it",
            {"zq11", "zq10", "zq09"},
        ),
        (
            "search_messages",
            {"query": "zq03"},
            {"query": "entry"},
            "what a search for “zq03” finds, 20 messages at most",
            {"zq03"},
        ),
    ],
)
async def test_a_yes_about_little_is_none_about_more(
    tmp_path: Path,
    tool: str,
    little: Mapping[str, Any],
    much: Mapping[str, Any],
    amount: str,
    given: set[str],
) -> None:
    async with world(tmp_path / "home", "standard") as made:
        ref = await diary(made)
        about = {"message": ref} if tool == "get_message_context" else {"chat": "Ben"}
        async with agent(made, "agent") as client:
            assert "APPROVAL_REQUIRED" in await called(client, tool, {**about, **little})
            (question,) = await approved(made)
            assert re.fullmatch(f"│ {amount}", question.question[-1])
            more = await called(client, tool, {**about, **much})
            assert "APPROVAL_REQUIRED" in more
            assert entries(more) == set()
            told = await called(client, tool, {**about, **little})
            assert entries(told) - {little.get("query")} == given - {little.get("query")}
            assert "APPROVAL_REQUIRED" in await called(client, tool, {**about, **little})


async def test_a_message_that_comes_in_before_the_answer_asks_no_second_question(tmp_path: Path) -> None:
    async with world(tmp_path / "home", "standard") as made:
        await diary(made)
        async with agent(made, "agent") as client:
            for arguments in ({"limit": 3}, {"limit": 100}, {"limit": 100, "since": "2020-01-01"}):
                assert "APPROVAL_REQUIRED" in await called(
                    client, "list_messages", {"chat": "Ben", **arguments}
                )
                assert len(await approved(made)) == 1
                await made.arrived(await made.people["Ben"].says("entry zq99"))
                told = await called(client, "list_messages", {"chat": "Ben", **arguments})
                assert "zq99" in told


async def test_a_yes_about_a_one_time_code_releases_that_message_alone(tmp_path: Path) -> None:
    async with world(tmp_path / "home", "standard") as made:
        ref = await diary(made, code=True)
        wanted = {"message": ref, "before": 9, "after": 9, "reveal": True}
        async with agent(made, "agent") as client:
            assert "APPROVAL_REQUIRED" in await called(client, "get_message_context", wanted)
            assert len(await approved(made)) == 1
            told = await called(client, "get_message_context", wanted)
            assert "445566" in told
            assert entries(told) == set()
