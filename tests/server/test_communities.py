"""A community and its announcement group have one name: each tool takes the one that a phone would take."""

from __future__ import annotations

import pytest

from tests.fixtures import until
from tests.server.linked import Linked
from tests.server.test_core_tools import answer, refusal
from whatsapp_mcp.archive import recording
from whatsapp_mcp.models import GroupUpdate
from whatsapp_simulator.groups import Group

pytestmark = pytest.mark.anyio


async def known_community(linked: Linked, name: str) -> tuple[Group, Group]:
    """A community with Ann and Ben that the archive knows, and its announcement group."""
    community = linked.wa.community(name, [linked.ann, linked.ben])
    assert community.announcements is not None
    await answer(linked.client, "get_group", chat=str(community.jid))
    return community, community.announcements


async def test_what_is_sent_to_a_community_goes_to_its_announcement_group(linked: Linked) -> None:
    community, announcements = await known_community(linked, "Oakfield")
    for chat in ("Oakfield", "oakfield", str(community.jid), str(announcements.jid)):
        text, sent = await answer(linked.client, "send_message", chat=chat, text=f"to {chat}")
        assert sent["chat"] == str(announcements.jid)
        assert "Others with such a name" not in text
        received = await linked.ann.receives()
        assert (received.text, received.chat) == (f"to {chat}", announcements.jid)
    assert not linked.wa.log


async def test_what_was_posted_in_a_community_is_read_under_its_name_and_listed_once(linked: Linked) -> None:
    community, announcements = await known_community(linked, "Elm Park")
    community.describe("What is on", by=community.founder)
    said = await linked.wa.me.says(announcements, "The gate is closed")
    await until(
        linked.client,
        lambda got: any(each["message_id"] == said for each in got["messages"]),
        "list_messages",
    )
    _, listed = await answer(linked.client, "list_messages", chat="Elm Park")
    assert [each["message_id"] for each in listed["messages"]] == [said]
    _, listed = await answer(linked.client, "list_chats", query="Elm Park")
    assert [chat["jid"] for chat in listed["chats"]] == [str(announcements.jid)]


async def test_a_community_itself_is_looked_at_and_changed_under_its_name(linked: Linked) -> None:
    community, announcements = await known_community(linked, "Ash Lane")
    text, data = await answer(linked.client, "get_group", chat="Ash Lane")
    assert (data["jid"], data["community"]) == (str(community.jid), True)
    groups = [(each["jid"], each["announcements"]) for each in data["groups"]]
    assert groups == [(str(announcements.jid), True)]
    assert f"announcement group: Ash Lane ({announcements.jid})" in text
    text, _ = await answer(linked.client, "get_group", chat=str(announcements.jid))
    assert f"announcement group of community {community.jid}" in text
    await answer(linked.client, "update_group", chat="Ash Lane", name="Ash Road")
    assert (community.name, announcements.name) == ("Ash Road", "Ash Road")


@pytest.mark.parametrize("by_name", [True, False])
async def test_who_may_write_in_a_community_is_refused_before_whatsapp_is_asked(
    linked: Linked, by_name: bool
) -> None:
    name = f"Beech {by_name}"
    community, announcements = await known_community(linked, name)
    chat = name if by_name else str(community.jid)
    error = await refusal(linked.client, "update_group", chat=chat, name="Never", announce=False)
    assert error["code"] == "INVALID_ARGUMENT"
    assert str(announcements.jid) in error["action"]
    assert community.name == name
    await answer(linked.client, "update_group", chat=str(announcements.jid), announce=False)
    assert announcements.switches == set()


async def test_nothing_is_sent_to_a_community_whose_announcement_group_is_not_known(linked: Linked) -> None:
    community = linked.wa.community("Cedar", [linked.ann])
    jid = str(community.jid)
    await linked.archive.write(recording.record_groups, [GroupUpdate(jid, "Cedar", community=jid)])
    error = await refusal(linked.client, "send_message", chat="Cedar", text="hello")
    assert error["code"] == "CHAT_NOT_FOUND"
    assert "get_group" in error["action"]
    await answer(linked.client, "get_group", chat="Cedar")
    await answer(linked.client, "send_message", chat="Cedar", text="hello")


async def test_a_new_community_is_written_to_at_once(linked: Linked) -> None:
    _, made = await answer(linked.client, "create_group", name="Willow", community=True)
    _, sent = await answer(linked.client, "send_message", chat="Willow", text="Welcome")
    groups = linked.wa.network.groups.values()
    (announcements,) = [each for each in groups if str(each.parent) == made["jid"]]
    assert sent["chat"] == str(announcements.jid)
    assert not linked.wa.log
