"""Changing messages and sending what is not plain text, over a device that does as it is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from mcp import Client

from tests.server.conftest import ANN_LEE, BOB, CLUB, ME, incoming
from tests.server.fakes import NOON, FakeDevice
from tests.server.test_core_tools import answer, refusal
from tests.tables import for_each
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.errors import NotConnected
from whatsapp_mcp.models import (
    ContactCardContent,
    Content,
    EditContent,
    ForwardContent,
    LocationContent,
    PinContent,
    PollContent,
    ReactionContent,
    RevokeContent,
)
from whatsapp_mcp.protobufs import Neonize
from whatsapp_mcp.server.tools.messages import EDIT_WINDOW
from whatsapp_mcp.server.tools.pending import DELETE_WINDOW

pytestmark = pytest.mark.anyio


async def ref_of(client: Client, query: str) -> str:
    """The ref of the message with these words."""
    _, data = await answer(client, "search_messages", query=query)
    return data["messages"][0]["ref"]


@pytest.mark.parametrize(
    ("tool", "words", "arguments", "content", "chat", "told"),
    [
        ("react", "keys", {"emoji": "👍"}, ReactionContent("M5", "👍"), BOB, "Reacted 👍 to {} (Bob)."),
        (
            "delete_message",
            "at eight",
            {},
            RevokeContent("M2"),
            ANN_LEE,
            "Deleted {} for everyone (the user's own in Ann Lee); no receipt had come.",
        ),
        (
            "delete_message",
            "needs",
            {},
            RevokeContent("M3"),
            CLUB,
            "Deleted {} for everyone (Bob in “Boat club”).",
        ),
        ("pin_message", "needs", {"duration": "24h"}, PinContent("M3", 86_400), CLUB, "Pinned {} for 24h."),
        ("pin_message", "needs", {"duration": "unpin"}, PinContent("M3", 0), CLUB, "Unpinned {}."),
    ],
)
async def test_a_message_is_changed_in_its_chat_and_not_queued(
    client: Client,
    device: FakeDevice,
    tool: str,
    words: str,
    arguments: dict[str, Any],
    content: Content,
    chat: str,
    told: str,
) -> None:
    ref = await ref_of(client, words)
    text, data = await answer(client, tool, message=ref, **arguments)
    (request,) = device.sends
    assert (request.content, request.chat, request.queue) == (content, chat, False)
    assert text == told.format(ref)
    assert data["ref"] == ref


async def test_an_own_message_is_edited_as_long_as_whatsapp_takes_it(
    client: Client, device: FakeDevice, archive: Archive
) -> None:
    ages = (EDIT_WINDOW - timedelta(minutes=1), EDIT_WINDOW + timedelta(minutes=1))
    await archive.ingest(
        [
            incoming(seq, ANN_LEE, ME, "at eight", NOON - age, from_me=True)
            for seq, age in zip((6, 7), ages, strict=True)
        ]
    )
    text, _ = await answer(client, "edit_message", message="M6", text="at nine")
    assert text.endswith("(the user's own in Ann Lee): “at nine”.")
    error = await refusal(client, "edit_message", message="M7", text="at nine")
    assert error["code"] == "TOO_LATE"
    assert "correction" in error["action"]
    assert [request.content for request in device.sends] == [EditContent("M6", "at nine")]


async def test_an_old_message_can_no_longer_be_deleted_for_everyone(
    client: Client, device: FakeDevice, archive: Archive
) -> None:
    sent = NOON - DELETE_WINDOW - timedelta(minutes=1)
    await archive.ingest([incoming(6, ANN_LEE, ME, "at eight", sent, from_me=True)])
    assert (await refusal(client, "delete_message", message="M6"))["code"] == "TOO_LATE"
    assert device.sends == []


@pytest.mark.parametrize(
    ("tool", "arguments", "content"),
    [
        ("send_poll", {"question": "When?", "options": ["Sat", "Sun"]}, PollContent("When?", ("Sat", "Sun"))),
        ("send_poll", {"question": "?", "options": '["a", "b"]'}, PollContent("?", ("a", "b"))),
        ("send_location", {"latitude": 1.5, "longitude": 2}, LocationContent(1.5, 2.0)),
        ("send_contact", {"contact": "Ann Lee"}, ContactCardContent("Ann Lee", "+15550002222")),
    ],
)
async def test_other_kinds_are_sent(
    client: Client, device: FakeDevice, tool: str, arguments: dict[str, Any], content: Content
) -> None:
    await answer(client, tool, chat="Bob", **arguments)
    assert [(request.chat, request.content) for request in device.sends] == [(BOB, content)]


async def test_what_was_to_be_seen_once_is_not_forwarded(
    client: Client, device: FakeDevice, archive: Archive
) -> None:
    event = incoming(20, BOB, BOB, "", NOON + timedelta(days=1))
    message = Neonize.Message.FromString(event.payload)
    message.Message.Clear()
    message.Message.viewOnceMessage.message.imageMessage.mimetype = "image/jpeg"
    await archive.ingest([replace(event, payload=message.SerializePartialToString())])
    _, data = await answer(client, "list_messages", chat="Bob", limit=1)
    assert data["messages"][0]["media"]["view_once"]
    error = await refusal(client, "forward_message", message=data["messages"][0]["ref"], chat="Ann Lee")
    assert error["code"] == "INVALID_ARGUMENT"
    assert device.sends == []


async def test_a_message_is_forwarded_by_ref(client: Client, device: FakeDevice) -> None:
    ref = await ref_of(client, "keys")
    await answer(client, "forward_message", message=ref, chat="Ann Lee")
    assert device.sends[0].content == ForwardContent(int(ref[1:]))
    assert device.sends[0].chat == ANN_LEE


@for_each(
    "tool, arguments, code",
    [
        ("edit_message", {"message": "M5", "text": "x"}, "INVALID_ARGUMENT"),
        ("edit_message", {"message": "M2", "text": " "}, "INVALID_ARGUMENT"),
        ("delete_message", {"message": "M5"}, "UNSUPPORTED"),
        ("react", {"message": "#999", "emoji": "👍"}, "MESSAGE_NOT_FOUND"),
        ("react", {"message": "M5", "emoji": "ok"}, "INVALID_ARGUMENT"),
        ("send_poll", {"chat": "Bob", "question": "q", "options": ["one"]}, "INVALID_ARGUMENT"),
        ("send_poll", {"chat": "Bob", "question": "q", "options": ["a", "a"]}, "INVALID_ARGUMENT"),
        ("send_location", {"chat": "Bob", "latitude": 91, "longitude": 0}, "INVALID_ARGUMENT"),
        ("vote_poll", {"message": "M5", "options": ["a"]}, "MESSAGE_NOT_FOUND"),
        ("send_contact", {"chat": "Bob", "contact": "Boat club"}, "CONTACT_NOT_FOUND"),
        ("mark_read", {"chat": "Nobody"}, "CHAT_NOT_FOUND"),
    ],
)
async def test_bad_input_changes_nothing(
    client: Client, device: FakeDevice, tool: str, arguments: dict[str, Any], code: str
) -> None:
    assert (await refusal(client, tool, **arguments))["code"] == code
    assert device.sends == []
    assert device.asked == []


async def test_a_change_while_the_link_is_down_says_so(client: Client, device: FakeDevice) -> None:
    device.fails = NotConnected("The link is down.")
    assert (await refusal(client, "react", message="M5", emoji="👍"))["code"] == "NOT_CONNECTED"


async def test_reading_marks_and_typing_are_shown_when_asked(client: Client, device: FakeDevice) -> None:
    _, data = await answer(client, "mark_read", chat="Bob")
    assert data == {"chat": BOB, "marked": 2}
    assert (await answer(client, "send_typing", chat="Bob"))[0] == "composing shown to Bob."
    assert device.asked == [f"mark_read {BOB}", f"typing {BOB} composing"]
