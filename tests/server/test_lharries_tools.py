"""Prompts written for lharries/whatsapp-mcp find their tools and arguments."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from mcp import Client

from tests.server.conftest import ANN_LEE, BOB, CLUB
from tests.server.fakes import FakeDevice, FakeSource
from tests.server.test_core_tools import answer, refusal
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.calls import spec_of
from whatsapp_mcp.server.tools import toolsets

pytestmark = pytest.mark.anyio


ARGUMENTS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "search_contacts": (("query",), ()),
    "list_messages": (
        (),
        (
            "after", "before", "sender_phone_number", "chat_jid", "query", "limit", "page",
            "include_context", "context_before", "context_after",
        ),
    ),
    "list_chats": ((), ("query", "limit", "page", "include_last_message", "sort_by")),
    "get_chat": (("chat_jid",), ("include_last_message",)),
    "get_direct_chat_by_contact": (("sender_phone_number",), ()),
    "get_contact_chats": (("jid",), ("limit", "page")),
    "get_last_interaction": (("jid",), ()),
    "get_message_context": (("message_id",), ("before", "after")),
    "send_message": (("recipient", "message"), ()),
    "send_file": (("recipient", "media_path"), ()),
    "send_audio_message": (("recipient", "media_path"), ()),
    "download_media": (("message_id", "chat_jid"), ()),
}  # fmt: skip
"""Needed arguments and others, as `whatsapp-mcp-server/main.py` there declares them."""


@pytest.fixture
async def alias(source: FakeSource) -> AsyncIterator[Client]:
    """A client of a server with these tools alone."""
    async with Client(create(source, "lharries", structured=True)) as connected:
        yield connected


async def test_all_twelve_are_there_and_replace_their_namesakes(alias: Client) -> None:
    names = {tool.name for tool in (await alias.list_tools()).tools}
    assert len(names) == 12
    both = {
        spec_of(function).name: spec_of(function).toolset for function in toolsets.load_tools("core,lharries")
    }
    assert both["send_message"] == "lharries"
    assert both["react"] == "core"


async def test_they_take_the_arguments_of_their_models(alias: Client) -> None:
    taken = {
        tool.name: (set(tool.input_schema["properties"]), set(tool.input_schema.get("required", ())))
        for tool in (await alias.list_tools()).tools
    }
    assert taken == {
        name: (set(needed) | set(others), set(needed)) for name, (needed, others) in ARGUMENTS.items()
    }


async def test_reading_by_their_arguments(alias: Client) -> None:
    _, data = await answer(alias, "list_messages", query="paint", sender_phone_number="15550004444")
    assert [message["chat"] for message in data["messages"]] == [CLUB]
    _, data = await answer(alias, "list_messages", limit=2, page=1)
    assert [message["text"] for message in data["messages"]] == ["The boat needs paint", "Yes, at eight"]
    _, data = await answer(alias, "list_chats", sort_by="name")
    assert [chat["name"] for chat in data["chats"]] == ["Ann Lee", "Boat club", "Bob"]
    _, data = await answer(alias, "list_chats", sort_by="name", limit=1, include_last_message=False)
    assert [chat["name"] for chat in data["chats"]] == ["Ann Lee"]
    assert "last_message" not in data["chats"][0]
    _, data = await answer(alias, "get_chat", chat_jid=CLUB)
    assert data["name"] == "Boat club"
    _, data = await answer(alias, "get_direct_chat_by_contact", sender_phone_number="15550002222")
    assert data["jid"] == ANN_LEE
    _, data = await answer(alias, "get_contact_chats", jid=BOB)
    assert {chat["jid"] for chat in data["chats"]} == {BOB, CLUB}
    _, data = await answer(alias, "get_last_interaction", jid=BOB)
    assert [message["text"] for message in data["messages"]] == ["Who has the keys?"]
    _, data = await answer(alias, "get_last_interaction", jid="15550003333@s.whatsapp.net")
    assert [message["text"] for message in data["messages"]] == ["We decided to paint it blue"]
    _, data = await answer(alias, "list_messages", query="decided", include_context=True)
    assert [message["text"] for message in data["messages"]] == [
        "We decided to paint it blue",
        "The boat needs paint",
    ]
    _, data = await answer(alias, "get_message_context", message_id="M3", before=0)
    assert len(data["messages"]) == 2
    _, data = await answer(alias, "search_contacts", query="bob")
    assert len(data["contacts"]) == 1


async def test_acting_by_their_arguments(alias: Client, device: FakeDevice, tmp_path: Path) -> None:
    _, data = await answer(alias, "send_message", recipient="15550004444", message="hi")
    assert (data["status"], device.sends[0].chat) == ("sent", BOB)
    assert data["success"]
    assert data["message"].startswith("sent to Bob")
    assert (await refusal(alias, "send_file", recipient=BOB, media_path="/etc/passwd"))["code"] == (
        "FILE_NOT_ALLOWED"
    )
    assert (await refusal(alias, "list_messages", limit=500, page=9))["code"] == "INVALID_ARGUMENT"
