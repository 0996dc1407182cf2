"""People: looked up, blocked, named and seen online, from an MCP client to WhatsApp and back."""

from __future__ import annotations

from typing import Any

import pytest
from mcp import Client

from tests.server.conftest import BOB
from tests.server.fakes import FakeDevice, FakeSource
from tests.server.linked import Linked
from tests.server.test_core_tools import answer, refusal
from tests.tables import for_each
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.application import create

pytestmark = pytest.mark.anyio


async def test_numbers_are_looked_up_in_any_usual_form(linked: Linked) -> None:
    number = f"+{linked.ann.pn.user}"
    spaced = f"{number[:3]} {number[3:6]} {number[6:]}"
    text, data = await answer(linked.client, "check_numbers", numbers=[spaced, "+1 555 999 9999"])
    assert [(each["number"], each["on_whatsapp"]) for each in data["numbers"]] == [
        (number, True),
        ("+15559999999", False),
    ]
    assert f"{number}: on WhatsApp" in text
    assert "+15559999999: not on WhatsApp" in text


async def test_somebody_is_blocked_listed_and_unblocked(linked: Linked) -> None:
    assert (await answer(linked.client, "list_blocked"))[0] == "Nobody is blocked."
    text, _ = await answer(linked.client, "block_contact", contact="Ben")
    assert text == "Blocked Ben."
    text, data = await answer(linked.client, "list_blocked")
    assert f"Ben +{linked.ben.pn.user}" in text
    assert [each["name"] for each in data["blocked"]] == ["Ben"]
    await answer(linked.client, "unblock_contact", contact="Ben")
    assert linked.wa.me.blocked == {}


async def test_somebody_is_given_a_name_here(linked: Linked) -> None:
    number = linked.wa.person("Dora").number
    text, _ = await answer(linked.client, "save_contact", contact=number, name=" Dora  Doe ")
    assert text == f"Saved {number} as Dora Doe, here and not in the phone's address book."
    _, found = await answer(linked.client, "search_contacts", query="Dora Doe")
    assert found["contacts"][0]["number"] == number


async def test_the_only_one_who_chose_a_name_is_saved_by_it(linked: Linked) -> None:
    wilma = linked.wa.person("Wilma Wren")
    await wilma.says("hello")
    await linked.archived(lambda chat: chat.name == "Wilma Wren", str(wilma.pn))
    text, _ = await answer(linked.client, "save_contact", contact="~Wilma Wren", name="Aunt Wilma")
    assert text.startswith(f"Saved {wilma.number} as Aunt Wilma")


async def test_it_is_told_who_is_online_and_when_somebody_was(linked: Linked) -> None:
    linked.cleo.goes_online()
    text, data = await answer(linked.client, "is_online", contact="Cleo")
    assert (text, data["online"]) == ("Cleo is online.", True)
    linked.cleo.goes_offline()
    _, data = await answer(linked.client, "is_online", contact="Cleo")
    assert data["online"] is False
    linked.cleo.last_seen = None
    text, data = await answer(linked.client, "is_online", contact="Cleo")
    assert text == "Cleo is not online and hides when they were."
    assert data["last_seen"] is None


@for_each(
    "tool, arguments, code",
    [
        ("check_numbers", {"numbers": []}, "INVALID_ARGUMENT"),
        ("check_numbers", {"numbers": ["+1555000" + str(1000 + n) for n in range(51)]}, "INVALID_ARGUMENT"),
        ("check_numbers", {"numbers": ["Ann Lee"]}, "INVALID_ARGUMENT"),
        ("block_contact", {"contact": "Ann"}, "AMBIGUOUS_CHAT"),
        ("block_contact", {"contact": "Boat club"}, "CONTACT_NOT_FOUND"),
        ("unblock_contact", {"contact": ""}, "INVALID_ARGUMENT"),
        ("save_contact", {"contact": "Bob", "name": " "}, "INVALID_ARGUMENT"),
        ("save_contact", {"contact": "Bob", "name": "x" * 101}, "TOO_LONG"),
        ("save_contact", {"contact": "9999@lid", "name": "Eve"}, "INVALID_ARGUMENT"),
        ("is_online", {"contact": "Nobody"}, "CONTACT_NOT_FOUND"),
    ],
)
async def test_what_is_unclear_or_too_much_reaches_no_device(
    client: Client, device: FakeDevice, tool: str, arguments: dict[str, Any], code: str
) -> None:
    error = await refusal(client, tool, **arguments)
    assert error["code"] == code
    assert device.asked == []


async def test_a_read_only_account_blocks_nobody(source: FakeSource) -> None:
    source.policy = Policy.in_mode("read_only")
    async with Client(create(source, "contacts", structured=True)) as client:
        error = await refusal(client, "block_contact", contact=BOB)
    assert error["code"] == "DENIED"
