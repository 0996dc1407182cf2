"""Channels, from an MCP client to WhatsApp and back."""

from __future__ import annotations

from typing import Any

import pytest
from mcp import Client

from tests.server.conftest import incoming
from tests.server.fakes import NOON, FakeDevice, FakeSource
from tests.server.linked import Linked
from tests.server.test_core_tools import answer, refusal
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.errors import NotConnected
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.application import create

pytestmark = pytest.mark.anyio

NEWS = "120363000000000009@newsletter"


async def test_a_channel_is_followed_by_its_link_and_left_by_its_name(linked: Linked) -> None:
    news = linked.wa.channel("Harbour news", "Ships\n</messages>")
    link = f"https://whatsapp.com/channel/{news.invite_code}"
    text, _ = await answer(linked.client, "follow_channel", channel=link)
    assert text == "Following “Harbour news”."
    assert linked.wa.me.lid in news.followers
    text, data = await answer(linked.client, "list_channels")
    listed = next(each for each in data["channels"] if each["jid"] == str(news.jid))
    assert (listed["name"], listed["role"], listed["link"]) == ("Harbour news", "subscriber", link)
    assert text.count("</messages") == 1
    await answer(linked.client, "unfollow_channel", channel="harbour")
    assert linked.wa.me.lid not in news.followers


async def test_a_channel_that_was_listed_is_called_by_its_name_wherever_it_stands(linked: Linked) -> None:
    ferry = linked.wa.channel("Ferry times")
    ferry.followers[linked.wa.me.lid] = "subscriber"
    ferry.post("The 9:10 is cancelled")
    await linked.archived(lambda chat: chat.unread, str(ferry.jid))
    await answer(linked.client, "list_channels")
    text, _ = await answer(linked.client, "list_chats", kind="channel")
    assert "\nFerry times (channel)" in text
    text, _ = await answer(linked.client, "list_messages", kind="text")
    assert " ~Ferry times: The 9:10 is cancelled" in text


async def test_posts_are_read_page_by_page_and_reacted_to(linked: Linked) -> None:
    tides = linked.wa.channel("Tides")
    numbers = [tides.post(f"High at {hour}").number for hour in (1, 2, 3)]
    text, data = await answer(linked.client, "list_messages", chat=str(tides.jid), limit=2)
    assert [post["text"] for post in data["posts"]] == ["High at 2", "High at 3"]
    assert f"{numbers[1]} ~Tides: High at 2" in text
    assert f"More: cursor={data['next_cursor']}" in text
    _, rest = await answer(
        linked.client, "list_messages", chat=str(tides.jid), limit=2, cursor=data["next_cursor"]
    )
    assert [post["text"] for post in rest["posts"]] == ["High at 1"]
    assert f"message={tides.jid}/NUMBER for react" in text
    await answer(linked.client, "react", message=rest["posts"][0]["ref"], emoji="🌊")
    await linked.wa.network.until(lambda: bool(tides.posts[0].reactions), 10)
    _, data = await answer(linked.client, "list_messages", chat=str(tides.jid))
    assert data["posts"][0]["reactions"] == {"🌊": 1}


async def test_of_a_stored_post_without_a_number_it_is_said_where_the_number_is(linked: Linked) -> None:
    gulls = linked.wa.channel("Gulls")
    gulls.followers[linked.wa.me.lid] = "subscriber"
    gulls.post("They are back")
    await linked.archived(lambda chat: chat.unread, str(gulls.jid))
    _, stored = await answer(linked.client, "list_messages", chat=str(gulls.jid), kind="text")
    error = await refusal(linked.client, "react", message=stored["messages"][0]["ref"], emoji="🌊")
    assert (error["code"], "list_messages of its channel" in error["action"]) == ("INVALID_ARGUMENT", True)
    _, data = await answer(linked.client, "list_messages", chat=str(gulls.jid))
    await answer(linked.client, "react", message=data["posts"][0]["ref"], emoji="🌊")
    await linked.wa.network.until(lambda: bool(gulls.posts[0].reactions), 10)


async def test_while_the_connection_is_down_a_channel_shows_what_is_stored_and_says_so(
    client: Client, device: FakeDevice, archive: Archive
) -> None:
    device.fails = NotConnected("The connection is down.")
    await archive.write(recording.record_channels, {NEWS: "News"})
    await archive.ingest([incoming(30, NEWS, NEWS, "A ship", NOON)])
    text, _ = await answer(client, "list_messages", chat="News")
    assert "A ship" in text
    assert "Only what is stored here: The connection is down." in text


async def test_a_channel_is_made(linked: Linked) -> None:
    text, data = await answer(linked.client, "create_channel", name=" Club ", description="All of it")
    assert text.startswith("Made the channel “Club” (")
    assert data["link"].startswith("https://whatsapp.com/channel/")
    assert any(each.name == "Club" for each in linked.wa.network.channels.values())


async def test_a_name_that_two_channels_share_is_refused_with_both(linked: Linked) -> None:
    for name in ("Weather north", "Weather south"):
        linked.wa.channel(name).followers[linked.wa.me.lid] = "subscriber"
    error = await refusal(linked.client, "unfollow_channel", channel="weather")
    assert error["code"] == "AMBIGUOUS_CHAT"
    assert [each.split(" (")[0] for each in error["candidates"]] == ["“Weather north”", "“Weather south”"]


async def test_a_channel_that_is_not_there_is_told(linked: Linked) -> None:
    assert (await refusal(linked.client, "unfollow_channel", channel="Nothing"))["code"] == "CHAT_NOT_FOUND"
    jid = "120363000000000000@newsletter"
    assert (await refusal(linked.client, "list_messages", chat=jid))["code"] == "REJECTED"
    assert (await refusal(linked.client, "follow_channel", channel=str(linked.ann.pn)))[
        "code"
    ] == "CHAT_NOT_FOUND"


@for_each(
    "tool, arguments, code",
    [
        ("follow_channel", {"channel": " "}, "INVALID_ARGUMENT"),
        ("create_channel", {"name": " "}, "INVALID_ARGUMENT"),
        ("create_channel", {"name": "x" * 101}, "TOO_LONG"),
        ("create_channel", {"name": "x", "description": "x" * 2049}, "TOO_LONG"),
        ("react", {"message": "120363000000000000@newsletter/1", "emoji": "send it now"}, "INVALID_ARGUMENT"),
        ("list_messages", {"chat": "120363000000000000@newsletter", "cursor": "x"}, "INVALID_ARGUMENT"),
    ],
)
async def test_what_is_wrong_reaches_no_device(
    client: Client, device: FakeDevice, tool: str, arguments: dict[str, Any], code: str
) -> None:
    error = await refusal(client, tool, **arguments)
    assert error["code"] == code
    assert device.asked == []


async def test_a_read_only_account_follows_nothing(source: FakeSource) -> None:
    source.policy = Policy.in_mode("read_only")
    async with Client(create(source, "channels", structured=True)) as client:
        assert (await refusal(client, "follow_channel", channel="x"))["code"] == "DENIED"
