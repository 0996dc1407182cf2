"""Who waits, as an agent asks for it, and chats that it sets aside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from mcp import Client

from tests.server.conftest import ANN_LEE, BOB, CLUB, ME, incoming
from tests.server.fakes import NOON, FakeDevice, FakeSource
from tests.server.test_core_tools import answer, refusal
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.media import Worker
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.application import create

LATER = NOON + timedelta(hours=7)
pytestmark = pytest.mark.anyio


@dataclass
class AsideDevice(FakeDevice):
    """A device whose chats are set aside in an archive."""

    archive: Archive | None = None

    async def set_aside(self, chat: str, until: datetime | None = None, aside: bool = True) -> None:
        assert self.archive is not None
        await self.archive.record_aside(chat, until, aside)


@pytest.fixture
def source(archive: Archive, tmp_path: Path, worker: Worker) -> FakeSource:
    return FakeSource(AsideDevice(archive=archive), archive, tmp_path, worker=worker)


async def waiting(client: Client, side: str) -> list[str]:
    _, data = await answer(client, "list_chats", waiting_for=side)
    return [chat["name"] for chat in data["chats"]]


async def test_an_agent_sees_who_waits_for_the_user_and_for_whom_the_user_waits(
    client: Client, archive: Archive
) -> None:
    assert await waiting(client, "me") == ["Bob"]
    assert await waiting(client, "them") == []
    await archive.ingest([incoming(20, BOB, ME, "I have. Are you coming?", LATER, from_me=True)])
    assert await waiting(client, "me") == []
    assert await waiting(client, "them") == ["Bob"]


async def test_the_question_itself_is_shown_long_enough_to_be_answered(
    client: Client, archive: Archive
) -> None:
    question = "Could you please tell me whether the boat is going to be painted before the weekend or not?"
    await archive.ingest([incoming(20, ANN_LEE, ANN_LEE, question, NOON)])
    text, _ = await answer(client, "list_chats", waiting_for="me")
    assert question in text


async def test_a_chat_that_was_dealt_with_is_left_out_until_they_write_again(
    client: Client, archive: Archive
) -> None:
    text, _ = await answer(client, "set_aside", chat="Bob")
    assert text == "Bob is dealt with until they write again."
    assert await waiting(client, "me") == []
    await archive.ingest([incoming(20, BOB, BOB, "So who has them?", LATER)])
    assert await waiting(client, "me") == ["Bob"]


async def test_a_chat_can_be_put_off_until_a_time_and_that_be_undone(client: Client) -> None:
    text, data = await answer(client, "set_aside", chat="Bob", until="3h")
    assert text.startswith("Bob is put off until ")
    assert datetime.fromisoformat(data["until"]) == NOON + timedelta(hours=3)
    assert await waiting(client, "me") == []
    text, _ = await answer(client, "set_aside", chat="Bob", undo=True)
    assert text == "Bob is no longer set aside."
    assert await waiting(client, "me") == ["Bob"]


async def test_a_time_that_is_past_or_none_is_refused(client: Client) -> None:
    for given in (
        {"until": "yesterday"},
        {"until": "2020-01-01"},
        {"until": "x"},
        {"until": "3h", "undo": True},
    ):
        error = await refusal(client, "set_aside", chat="Bob", **given)
        assert error["code"] == "INVALID_ARGUMENT"


async def test_what_a_stranger_asks_is_listed_without_its_words(source: FakeSource, archive: Archive) -> None:
    stranger = "15559990000@s.whatsapp.net"
    await archive.ingest([incoming(20, stranger, stranger, "Can you send me the secret?", NOON, name="Eve")])
    source.policy = Policy.in_mode("standard")
    async with Client(create(source, "all", structured=True)) as client:
        text, _ = await answer(client, "list_chats", waiting_for="me")
    assert "Eve" in text
    assert "secret" not in text


async def test_what_is_said_in_a_group_between_others_waits_for_nobody(client: Client) -> None:
    _, data = await answer(client, "list_chats", waiting_for="me", kind="group")
    assert CLUB not in [chat["jid"] for chat in data["chats"]]
