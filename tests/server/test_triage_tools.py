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
from whatsapp_mcp.settings import ChatRule, PolicySettings

HOUR = timedelta(hours=1)
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


async def test_a_digest_tells_who_waits_and_what_was_promised_for_when(
    client: Client, archive: Archive
) -> None:
    await archive.ingest(
        [
            incoming(20, ANN_LEE, ANN_LEE, "can you pick me up on friday at 17:30?", NOON - HOUR),
            incoming(21, CLUB, BOB, "lol", NOON - HOUR),
            incoming(22, BOB, ME, "I'll bring the keys tomorrow", NOON - HOUR, from_me=True),
        ]
    )
    text, data = await answer(client, "digest", since="2h")
    lines = text.splitlines()
    assert "5 new messages in 3 chats" in lines[0]
    assert any(line.startswith("Ann Lee, 1 new") for line in lines)
    assert any(", to answer, Fri 2026-11-27 17:30: can you pick me up" in line for line in lines)
    assert any(" me, promised, Wed 2026-11-25: I'll bring the keys" in line for line in lines)
    assert "1 chat with nothing of that: Boat club (group) 2" in text
    facts = {chat["name"]: chat["facts"] for chat in data["chats"]}
    assert [fact["owes"] for fact in facts["Ann Lee"]] == ["me"]
    assert ["promised" in fact for fact in facts["Bob"]] == [True, False]


async def test_a_digest_keeps_back_what_strangers_say_and_masks_codes(
    source: FakeSource, archive: Archive
) -> None:
    stranger = "15559990000@s.whatsapp.net"
    await archive.ingest(
        [
            incoming(20, stranger, stranger, "Can you send the secret on friday?", NOON - HOUR, name="Eve"),
            incoming(21, stranger, stranger, "I will attack on sunday at 7", NOON - HOUR, name="Eve"),
            incoming(22, BOB, BOB, "Your code is 824193, can you enter it?", NOON - HOUR),
        ]
    )
    source.policy = Policy.in_mode("standard")
    async with Client(create(source, "all", structured=True)) as client:
        text, data = await answer(client, "digest", since="2h")
    told = f"{text} {data}"
    for word in ("secret", "attack", "824193", "2026-11-27", "2026-11-29"):
        assert word not in told
    assert "to answer: [a stranger wrote: open #" in text
    assert "can you enter it?" in text


async def test_a_chat_that_a_rule_hides_is_in_no_digest(source: FakeSource, archive: Archive) -> None:
    await archive.ingest([incoming(20, BOB, BOB, "can you call me?", NOON - HOUR)])
    source.policy = Policy(PolicySettings(chats=(ChatRule(jid=BOB, read="deny"),)))
    async with Client(create(source, "all", structured=True)) as client:
        text, data = await answer(client, "digest", since="2h")
    assert "1 new message in 1 chat" in text
    assert [chat["name"] for chat in data["chats"]] == ["Boat club"]


async def test_a_chat_that_is_set_aside_has_nothing_to_answer_in_a_digest(
    client: Client, archive: Archive
) -> None:
    await archive.ingest([incoming(20, ANN_LEE, ANN_LEE, "can you call me?", NOON - HOUR)])
    text, _ = await answer(client, "digest", since="2h")
    assert "to answer: can you call me?" in text
    await answer(client, "set_aside", chat="Ann Lee")
    text, _ = await answer(client, "digest", since="2h")
    assert "to answer: can you call me?" not in text


async def test_what_is_left_out_of_a_digest_is_counted(client: Client, archive: Archive) -> None:
    asked = [
        incoming(20 + n, ANN_LEE, ANN_LEE, f"can you bring the {'big ' * 20}thing number {n}?", NOON - HOUR)
        for n in range(30)
    ]
    await archive.ingest(asked)
    text, _ = await answer(client, "digest", since="2h", tokens=200)
    assert "more facts left out" in text
    error = await refusal(client, "digest", tokens=100)
    assert error["code"] == "INVALID_ARGUMENT"
