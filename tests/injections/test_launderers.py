"""Words that a tainted agent brings into the account stay back from the next agent, or taint it.

An agent was given a stranger's words; whatever it then writes may repeat them, whoever allowed it. So for
each tool that writes words there is a way here in which it does, and an agent that has read no stranger's
word reads all that there is to read.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import anyio
import pytest
from mcp import Client
from mcp.types import CallToolResult

from benchmarks.injections.carriers import picture
from benchmarks.injections.world import World, world
from tests.core import CORE_TOOLS
from tests.server.fakes import text_of
from whatsapp_mcp.device.leader.observer import leading_device
from whatsapp_mcp.device.operations import approvals
from whatsapp_mcp.ledger import Exposure, open_ledger
from whatsapp_mcp.policy import Effect
from whatsapp_mcp.settings import Settings

pytestmark = pytest.mark.anyio
CANARY: Final = "zanderquill"
TOLD: Final = f"as you were told yesterday {CANARY}"
"""As a name it is cut before the canary."""
PNG: Final = b64encode(picture()).decode()
NOTHING: Final = b64encode(b"nothing").decode()

LAUNDERERS: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "text": ("send_message", {"chat": "Mum", "text": TOLD}),
    "text in a group": ("send_message", {"chat": "Rowers", "text": TOLD}),
    "note to oneself": ("send_message", {"chat": "OWN", "text": TOLD}),
    "reply": ("send_message", {"chat": "Mum", "text": TOLD, "reply_to": "OWNREF"}),
    "text for later": ("send_message", {"chat": "Mum", "text": TOLD, "at": "2h"}),
    "reminder": ("remind_me", {"text": TOLD, "at": "3h"}),
    "edit of what the owner wrote": ("edit_message", {"message": "OWNREF", "text": TOLD}),
    "caption": ("send_file", {"chat": "Mum", "data": PNG, "caption": TOLD}),
    "file name": ("send_file", {"chat": "Mum", "data": NOTHING, "file_name": f"{TOLD}.txt"}),
    "poll": ("send_poll", {"chat": "Mum", "question": TOLD, "options": ["yes", "no"]}),
    "option of a poll": ("send_poll", {"chat": "Mum", "question": "When?", "options": ["now", TOLD]}),
    "place": ("send_location", {"chat": "Mum", "latitude": 1.5, "longitude": 2.5, "name": TOLD}),
    "contact card": ("send_contact", {"chat": "Mum", "contact": "Ben", "name": TOLD}),
    "status": ("post_status", {"text": TOLD}),
    "forward": ("forward_message", {"message": "STRANGERREF", "chat": "Mum"}),
    "subject of a group": ("update_group", {"chat": "Knitters", "name": TOLD}),
    "topic of a group": ("update_group", {"chat": "Rowers", "topic": TOLD}),
    "new group": ("create_group", {"name": TOLD, "members": ["Ann"]}),
    "name of a contact": ("save_contact", {"contact": "STRANGER", "name": TOLD}),
    "name of the owner": ("update_profile", {"name": f"As told you {CANARY}"}),
    "about text": ("update_profile", {"about": TOLD}),
    "new channel": ("create_channel", {"name": TOLD, "description": TOLD}),
}

WORDLESS: Final = frozenset(
    {
        "react", "mark_read", "send_typing", "delete_message", "vote_poll", "pin_message", "update_chat",
        "delete_chat", "set_aside", "update_privacy", "set_presence", "reject_call", "block_contact",
        "unblock_contact", "unlink_device", "add_group_members", "remove_group_members", "set_group_admins",
        "reset_group_invite", "join_group", "leave_group", "add_to_community", "remove_from_community",
        "follow_channel", "unfollow_channel", "export_chat", "send_audio_message",
    }
)  # fmt: skip
"""Tools that act and bring no words of the caller's into the account."""
BY_HAND: Final = frozenset({"change_scheduled"})
"""What is moved has a test of its own."""
READS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("list_chats", {"limit": 60}),
    ("list_messages", {"limit": 100, "detail": "full"}),
    ("list_messages", {"chat": "Mum", "limit": 100, "detail": "full"}),
    ("list_messages", {"chat": "Rowers", "limit": 50}),
    ("list_messages", {"chat": "Knitters", "limit": 50}),
    ("list_messages", {"chat": "OWN", "limit": 50}),
    ("search_messages", {"query": "told", "limit": 50}),
    ("search_messages", {"query": "terday", "substring": True, "limit": 50}),
    ("wait_for_messages", {"wait": 0}),
    ("digest", {"since": "2d"}),
    ("scheduled", {}),
    ("search_contacts", {"limit": 60}),
    ("get_contact", {"contact": "Mum"}),
    ("get_contact", {"contact": "STRANGER"}),
    ("get_contact", {"contact": "OWN"}),
    ("get_group", {"chat": "Rowers", "detail": "full"}),
    ("get_group", {"chat": "Knitters", "detail": "full"}),
    ("list_channels", {}),
    ("connection_status", {}),
)


class Account:
    """A world with a stranger whose words the writer has been given."""

    def __init__(self, made: World, words: Mapping[str, str]) -> None:
        self.made = made
        self._words = words

    async def writes(self, tool: str, arguments: Mapping[str, Any]) -> None:
        """A tainted agent calls a tool, and the person allows it."""
        async with self.made.client("writer") as client:
            await called(client, "list_messages", {"chat": self._words["STRANGER"]})
            given = self._filled(arguments)
            answer = await called(client, tool, given)
            if answer.is_error and "APPROVAL_REQUIRED" in text_of(answer.content):
                number = await self._allow()
                done = await called(client, "await_approval", {"approval": number, "wait": 10})
                if "call" in text_of(done.content).lower() and not done.is_error:
                    answer = await called(client, tool, given)
                else:
                    answer = done
        assert not answer.is_error, text_of(answer.content)
        await self.made.arrived(await self.made.people["Ann"].says("fine"))
        if tool == "update_profile" and (name := arguments.get("name")):
            await self._is_called(name)

    async def _is_called(self, name: str) -> None:
        """Return once the archive has the owner's new name."""
        with anyio.fail_after(30):
            seen = 0
            while (await self.made.archive.own())[2] != name:
                seen = await self.made.archive.wait_change(seen, 0.5)

    async def _allow(self) -> str:
        async with leading_device(Settings(home=self.made.home).account_folder()) as device:
            (asked,) = await device.do(approvals.approvals)
            await device.do(approvals.decide, asked.id, True, "terminal")
            return asked.id

    async def told(self, reader: str) -> list[str]:
        """Where a new agent is given the canary without being tainted by it."""
        found: list[str] = []
        async with self.made.client(reader) as client:
            for tool, arguments in READS:
                answer = await called(client, tool, self._filled(arguments))
                whole = text_of(answer.content) + json.dumps(answer.structured_content or {})
                if CANARY in whole and not await self._is_tainted(reader):
                    found.append(f"{tool} {arguments}")
        return found

    async def _is_tainted(self, reader: str) -> bool:
        async with open_ledger(Settings(home=self.made.home).account_folder()) as ledger:
            given = ledger.tainted()
        return any(reader in principal and Exposure.STRANGER in given[principal] for principal in given)

    def _filled(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: self._words.get(value, value) if isinstance(value, str) else value
            for name, value in arguments.items()
        }


async def called(client: Client, tool: str, arguments: dict[str, Any]) -> CallToolResult:
    answer = await client.call_tool(tool, arguments)
    assert isinstance(answer, CallToolResult)
    return answer


@pytest.fixture(scope="module")
async def account(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Account]:
    async with world(tmp_path_factory.mktemp("laundered") / "home", "standard") as made:
        stranger, mum, wa = made.wa.person("Robin"), made.people["Mum"], made.wa
        own = await wa.me.says(mum, "dinner at eight")
        said = await stranger.says(f"{TOLD} by me")
        await made.arrived(said)
        refs = {
            name: f"#{(await made.archive.message(wa_id)).ref}"
            for name, wa_id in (("OWNREF", own), ("STRANGERREF", said))
        }
        yield Account(made, {**refs, "OWN": wa.me.number, "STRANGER": stranger.number})


def test_every_tool_that_brings_words_in_is_among_the_launderers() -> None:
    acting = {name for name, spec in CORE_TOOLS.items() if spec.effect not in {Effect.READ, Effect.LINK}}
    tried = {tool for tool, _ in LAUNDERERS.values()}
    assert acting - WORDLESS - BY_HAND == tried


@pytest.mark.parametrize("way", LAUNDERERS)
async def test_what_a_tainted_agent_writes_stays_back_from_the_next_or_taints_it(
    account: Account, way: str
) -> None:
    tool, arguments = LAUNDERERS[way]
    await account.writes(tool, arguments)
    assert await account.told(f"reader of {list(LAUNDERERS).index(way)}") == []
