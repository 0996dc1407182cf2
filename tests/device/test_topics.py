"""What the topics make of the client's answers, and that it survives the socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from tests.tables import for_each
from whatsapp_mcp.archive import Archive, open_archive, recording
from whatsapp_mcp.device.operations import WhatsApp
from whatsapp_mcp.device.operations.registry import OPERATIONS
from whatsapp_mcp.device.operations.whatsapp import partly
from whatsapp_mcp.errors import RateLimited, Rejected
from whatsapp_mcp.models import (
    Channel,
    ChannelPost,
    ContactUpdate,
    Group,
    GroupChange,
    Joined,
    JoinRequest,
    MemberChange,
    NumberCheck,
    Participant,
    Presence,
    ProfileChange,
    SubGroup,
)
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio
AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
LID, PN = "7777@lid", "15550002222@s.whatsapp.net"


class Asked:
    """A client that answers what it is told to.

    Attributes:
        whatsapp: What is asked through it.
    """

    def __init__(self, archive: Archive, answer: Any) -> None:
        self.whatsapp = WhatsApp(archive, self._call)
        self.asked: list[str] = []
        self._answer = answer

    async def _call(self, method: str, params: Any = None) -> Any:
        self.asked.append(method)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    folder = AccountFolder("default", tmp_path / "default")
    folder.create()
    async with open_archive(folder, write=True) as opened:
        yield opened


@for_each(
    "operation, result",
    [
        ("group", Group("1@g.us", "Boat", "t", PN, AT, True, True, 60, participants=(Participant(LID, PN),))),
        ("sub_groups", (SubGroup("1@g.us", "Boat", True),)),
        ("change_members", (MemberChange(PN, "is a member already"),)),
        ("join_requests", (JoinRequest(PN, AT), JoinRequest(LID))),
        ("join_group", Joined("1@g.us", False)),
        ("check_numbers", (NumberCheck("+15550002222", PN, "Shop"), NumberCheck("+1555"))),
        ("presence", Presence(LID, False, AT)),
        ("presence", None),
        ("privacy", {"last_seen": "all"}),
        ("channels", (Channel("1@newsletter", "News", "d", 3, "owner", True, True, "https://x"),)),
        ("channel_posts", (ChannelPost(7, "hi", 3, {"👍": 2}),)),
    ],
)
def test_an_answer_is_the_same_after_the_socket(operation: str, result: Any) -> None:
    adapter = OPERATIONS[operation].result
    assert adapter.validate_python(json.loads(adapter.dump_json(result))) == result


@for_each(
    "operation, arguments",
    [
        ("change_group", {"jid": "1@g.us", "change": GroupChange(name="x", announce=True)}),
        ("change_profile", {"change": ProfileChange(about="")}),
        ("create_group", {"name": "x", "members": (PN, LID), "community": False, "parent": None}),
        ("change_members", {"jid": "1@g.us", "members": (PN,), "action": "promote"}),
    ],
)
def test_an_order_is_the_same_after_the_socket(operation: str, arguments: dict[str, Any]) -> None:
    known = OPERATIONS[operation]
    sent = json.loads(TypeAdapter(Any).dump_json(known.dump(arguments)))
    assert known.load(sent) == arguments


async def test_a_hidden_jid_becomes_visible_where_the_library_knows_it_and_is_remembered(
    archive: Archive,
) -> None:
    client = Asked(archive, PN)
    assert await client.whatsapp.visible(LID) == PN
    known = await archive.contact(LID)
    assert known is not None
    assert known.number == "+15550002222"
    assert await client.whatsapp.visible(LID) == PN
    assert client.asked == ["get_pn_from_lid"]


@pytest.mark.parametrize("answer", ["", Rejected("no")])
async def test_a_hidden_jid_that_nobody_knows_stays_hidden(archive: Archive, answer: Any) -> None:
    assert await Asked(archive, answer).whatsapp.visible(LID) == LID


async def test_a_visible_jid_is_asked_of_nobody(archive: Archive) -> None:
    await archive.write(recording.record_contacts, [ContactUpdate(PN, saved_name="Ann")])
    client = Asked(archive, "")
    assert await client.whatsapp.visible(PN) == PN
    assert client.asked == []


async def test_the_first_failure_ends_several_changes_and_says_what_was_done() -> None:
    made: list[str] = []

    async def call(method: str, params: Any) -> None:
        made.append(method)
        if method == "third":
            raise RateLimited("Too fast.", retry_after=7)

    steps = [(name, name, dict[str, Any]()) for name in ("first", "second", "third", "fourth")]
    with pytest.raises(RateLimited, match=r"Too fast\. Changed before that: first, second\.") as caught:
        await partly(call, steps)
    assert caught.value.retry_after == 7
    assert made == ["first", "second", "third"]
