"""Whole chats: their place in the list, deletion and export, from an MCP client to the phone."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from tests.server.conftest import CLUB, incoming
from tests.server.fakes import NOON, FakeDevice, FakeSource
from tests.server.linked import Linked
from tests.server.test_core_tools import answer, refusal
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.models import MessageFilter
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.application import create

pytestmark = pytest.mark.anyio


async def test_a_timer_is_told_to_the_other_side(linked: Linked) -> None:
    text, _ = await answer(linked.client, "update_chat", chat="Ann", timer="7d")
    assert text == "New messages in Ann disappear after 7d."
    assert (await linked.ann.receives()).message.protocolMessage.ephemeralExpiration == 604_800
    await answer(linked.client, "send_message", chat="Ann", text="for a week")
    sent = (await linked.ann.receives()).message.extendedTextMessage
    assert (sent.text, sent.contextInfo.expiration) == ("for a week", 604_800)


async def test_the_timer_of_a_group_is_set_as_that_of_any_chat(linked: Linked) -> None:
    group = linked.wa.group("Secret garden", [linked.ann], founder=linked.wa.me)
    for timer, seconds in (("24h", 86_400), ("off", 0)):
        await answer(linked.client, "update_chat", chat=str(group.jid), timer=timer)
        assert (group.ephemeral, await linked.archive.expires_in(str(group.jid))) == (seconds, seconds)


async def test_what_is_stored_of_a_chat_is_deleted_for_good(linked: Linked) -> None:
    await linked.ben.says("hello")
    await linked.archived(lambda chat: chat.last_message.text == "hello", str(linked.ben.pn))
    text, data = await answer(linked.client, "delete_chat", chat="Ben")
    assert data["deleted"] == 1
    assert text == "Deleted 1 messages of Ben here. The phone still has them."
    assert (await linked.archive.messages(MessageFilter(chat=str(linked.ben.pn)))).items == ()


async def test_a_chat_is_written_out_oldest_first(client: Client, source: FakeSource, tmp_path: Path) -> None:
    text, data = await answer(client, "export_chat", chat="Boat club")
    path = anyio.Path(data["path"])
    assert path.is_relative_to(tmp_path)
    assert (await path.stat()).st_mode & 0o077 == 0
    assert [line.split(": ")[-1] for line in (await path.read_text()).splitlines()] == [
        "The boat needs paint",
        "We decided to paint it blue",
    ]
    assert text == (
        f"Wrote 2 messages of “Boat club” to {path}. "
        "It begins 2026-11-24; older messages may be on the phone only."
    )


async def test_an_export_says_that_the_chat_is_whole_or_where_messages_may_be_missing(
    client: Client, archive: Archive
) -> None:
    gap = NOON - timedelta(hours=4)
    await archive.write(recording.record_gap, gap, gap + timedelta(hours=1), "this device was not linked")
    text, _ = await answer(client, "export_chat", chat="Boat club")
    assert text.endswith("missing from 2026-11-24 08:00 to 2026-11-24 09:00: this device was not linked.")


async def test_an_export_marks_names_of_strangers_own_choice(client: Client, archive: Archive) -> None:
    stranger = "15550009999@s.whatsapp.net"
    await archive.ingest([incoming(30, CLUB, stranger, "Ahoy", NOON, name="Bob")])
    _, data = await answer(client, "export_chat", chat="Boat club")
    assert "] ~Bob: Ahoy" in await anyio.Path(data["path"]).read_text()


async def test_an_export_is_not_a_file_that_may_be_sent(client: Client, device: FakeDevice) -> None:
    _, data = await answer(client, "export_chat", chat="Boat club")
    error = await refusal(client, "send_file", chat="Bob", path=data["path"])
    assert error["code"] == "FILE_NOT_ALLOWED"
    assert device.sends == []


async def test_an_export_may_be_for_programs_and_of_a_while(client: Client) -> None:
    _, data = await answer(client, "export_chat", chat="Boat club", format="jsonl", since="2026-11-24T07:00")
    assert data["messages"] == 1
    lines = (await anyio.Path(data["path"]).read_text()).splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["We decided to paint it blue"]


@for_each(
    "tool, arguments, code",
    [
        ("update_chat", {"chat": "Bob"}, "INVALID_ARGUMENT"),
        ("update_chat", {"chat": "Ann", "timer": "7d"}, "AMBIGUOUS_CHAT"),
        ("update_chat", {"chat": "Bob", "timer": "1y"}, "INVALID_ARGUMENT"),
        ("update_chat", {"chat": "Bob", "timer": "7d", "pinned": True}, "INVALID_ARGUMENT"),
        ("update_chat", {"chat": "12036300001@newsletter", "timer": "7d"}, "UNSUPPORTED"),
        ("delete_chat", {"chat": "Nobody"}, "CHAT_NOT_FOUND"),
        ("delete_chat", {"chat": "+15558887777"}, "CHAT_NOT_FOUND"),
        ("export_chat", {"chat": "+15558887777"}, "CHAT_NOT_FOUND"),
        ("export_chat", {"chat": "Bob", "since": "soon"}, "INVALID_ARGUMENT"),
    ],
)
async def test_what_is_unclear_reaches_no_device(
    client: Client, device: FakeDevice, tool: str, arguments: dict[str, Any], code: str
) -> None:
    error = await refusal(client, tool, **arguments)
    assert error["code"] == code
    assert device.asked == []


async def test_a_read_only_account_exports_and_changes_nothing(source: FakeSource) -> None:
    source.policy = Policy.in_mode("read_only")
    async with Client(create(source, "chats", structured=True)) as client:
        for tool, arguments in (("update_chat", {"timer": "off"}), ("delete_chat", {})):
            assert (await refusal(client, tool, chat="Bob", **arguments))["code"] == "DENIED"
        await answer(client, "export_chat", chat="Bob")
