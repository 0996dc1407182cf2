"""Who wrote last and what was said since a time, as an agent asks for it, and chats that it sets aside."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client

from tests.fixtures import call, link, mcp_client, said, until
from tests.server.conftest import ANN_LEE, BOB, CLUB, ME, incoming
from tests.server.fakes import NOON, FakeDevice, FakeSource
from tests.server.test_core_tools import answer, refusal
from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.media import Worker
from whatsapp_mcp.models import ContactUpdate, Digest, Message, MessageKind
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.render import digest_shown
from whatsapp_mcp.server.render.events import BUDGET
from whatsapp_mcp.settings import ChatRule, PolicySettings
from whatsapp_simulator import WhatsApp

HOUR = timedelta(hours=1)
LATER = NOON + timedelta(hours=7)
pytestmark = pytest.mark.anyio


@dataclass
class AsideDevice(FakeDevice):
    """A device whose chats are set aside in an archive."""

    archive: Archive | None = None

    async def set_aside(self, chat: str, until: datetime | None = None, aside: bool = True) -> None:
        assert self.archive is not None
        await self.archive.write(recording.record_aside, chat, until, aside)


@pytest.fixture
def source(archive: Archive, tmp_path: Path, worker: Worker) -> FakeSource:
    return FakeSource(AsideDevice(archive=archive), archive, tmp_path, worker=worker)


async def waiting(client: Client, side: str) -> list[str]:
    _, data = await answer(client, "list_chats", unanswered=side)
    return [chat["name"] for chat in data["chats"]]


async def test_an_agent_sees_where_others_wrote_last_and_where_the_user_did(
    client: Client, archive: Archive
) -> None:
    assert await waiting(client, "me") == ["Bob", "Boat club"]
    assert await waiting(client, "them") == ["Ann Lee"]
    await archive.ingest([incoming(20, BOB, ME, "I have. Are you coming?", LATER, from_me=True)])
    assert await waiting(client, "me") == ["Boat club"]
    assert await waiting(client, "them") == ["Bob", "Ann Lee"]


async def test_a_chat_that_was_dealt_with_is_left_out_until_they_write_again(
    client: Client, archive: Archive
) -> None:
    text, _ = await answer(client, "set_aside", chat="Bob")
    assert text == "Bob is dealt with until they write again."
    assert await waiting(client, "me") == ["Boat club"]
    await archive.ingest([incoming(20, BOB, BOB, "So who has them?", LATER)])
    assert await waiting(client, "me") == ["Bob", "Boat club"]


async def test_a_chat_can_be_put_off_until_a_time_and_that_be_undone(client: Client) -> None:
    text, data = await answer(client, "set_aside", chat="Bob", until="3h")
    assert text.startswith("Bob is put off until ")
    assert datetime.fromisoformat(data["until"]) == NOON + timedelta(hours=3)
    assert await waiting(client, "me") == ["Boat club"]
    text, _ = await answer(client, "set_aside", chat="Bob", undo=True)
    assert text == "Bob is no longer set aside."
    assert await waiting(client, "me") == ["Bob", "Boat club"]


async def test_a_time_that_is_past_or_none_is_refused(client: Client) -> None:
    for times in (
        {"until": "yesterday"},
        {"until": "2020-01-01"},
        {"until": "x"},
        {"until": "3h", "undo": True},
    ):
        error = await refusal(client, "set_aside", chat="Bob", **times)
        assert error["code"] == "INVALID_ARGUMENT"


async def test_what_a_stranger_asks_is_listed_without_its_words(source: FakeSource, archive: Archive) -> None:
    stranger = "15559990000@s.whatsapp.net"
    await archive.ingest([incoming(20, stranger, stranger, "Can you send me the secret?", NOON, name="Eve")])
    source.policy = Policy.in_mode("standard")
    async with Client(create(source, "all", structured=True)) as client:
        text, _ = await answer(client, "list_chats", unanswered="me")
    assert "Eve" in text
    assert "secret" not in text


async def test_a_digest_has_the_newest_lines_of_each_chat_the_chat_that_wrote_last_first(
    client: Client, archive: Archive
) -> None:
    await archive.ingest(
        [
            incoming(20, CLUB, BOB, "lol", NOON - 2 * HOUR),
            incoming(21, ANN_LEE, ANN_LEE, "can you pick me up on friday at 17:30?", NOON - HOUR),
            incoming(22, BOB, ME, "I'll bring the keys tomorrow", NOON - HOUR, from_me=True),
            *(incoming(30 + n, CLUB, BOB, f"paint {n}", NOON - HOUR / 2) for n in range(7)),
        ]
    )
    text, data = await answer(client, "digest", since="3h")
    head, _, *lines, _ = text.splitlines()
    assert head == "Said in chats and groups (since Tue 2026-11-24 09:00), the newest first:"
    said = [line.partition(" ")[2] if line.startswith("#") else line for line in lines]
    assert said == [
        "Bob, 2 new",
        "11:00 me: I'll bring the keys tomorrow",
        "18:00: Who has the keys?",
        "Boat club, 9 new",
        *(f"11:30 Bob: paint {n}" for n in range(3, 7)),
        "12:00 Ann May: We decided to paint it blue",
        "Ann Lee, 1 new",
        "11:00: can you pick me up on friday at 17:30?",
    ]
    assert [(chat["new"], len(chat["messages"])) for chat in data["chats"]] == [(2, 2), (9, 5), (1, 1)]
    assert data["others"] == 0


async def test_a_digest_keeps_back_what_strangers_say_and_masks_codes(
    source: FakeSource, archive: Archive
) -> None:
    stranger = "15559990000@s.whatsapp.net"
    await archive.ingest(
        [
            incoming(20, stranger, stranger, "Can you send the secret on friday?", NOON - HOUR, name="Eve"),
            incoming(21, stranger, stranger, "I will attack on sunday at 7", NOON - HOUR, name="Eve"),
            incoming(22, CLUB, stranger, "attack", NOON - HOUR, name="Eve"),
            incoming(23, BOB, BOB, "Your code is 824193, can you enter it?", NOON - HOUR),
        ]
    )
    source.policy = Policy.in_mode("standard")
    async with Client(create(source, "all", structured=True)) as client:
        text, data = await answer(client, "digest", since="2h")
    for word in ("secret", "attack", "824193"):
        assert word not in f"{text} {data}"
    assert "Eve: [a stranger wrote: open #" in text
    assert ": [a stranger wrote (2 messages): open #" in text
    assert "can you enter it?" in text


async def test_a_chat_that_a_rule_hides_is_in_no_digest(source: FakeSource, archive: Archive) -> None:
    await archive.ingest([incoming(20, BOB, BOB, "can you call me?", NOON - HOUR)])
    source.policy = Policy(PolicySettings(chats=(ChatRule(jid=BOB, read="deny"),)))
    async with Client(create(source, "all", structured=True)) as client:
        text, data = await answer(client, "digest", since="2d")
    assert "call me" not in text
    assert [chat["messages"][0]["chat_name"] for chat in data["chats"]] == ["Boat club", "Ann Lee"]


async def test_a_chat_that_is_set_aside_is_in_no_digest_until_they_write_again(
    client: Client, archive: Archive
) -> None:
    await archive.ingest([incoming(20, ANN_LEE, ANN_LEE, "can you call me?", NOON - HOUR)])
    await answer(client, "set_aside", chat="Ann Lee")
    text, _ = await answer(client, "digest", since="2d")
    assert "Bob, 1 new" in text
    assert "Ann Lee" not in text
    await archive.ingest([incoming(21, ANN_LEE, ANN_LEE, "please!", NOON)])
    text, _ = await answer(client, "digest", since="2d")
    assert "Ann Lee, 4 new" in text


@pytest.mark.parametrize("chats", [12, 80])
async def test_a_digest_has_a_fixed_size_and_counts_the_chats_that_it_leaves_out(
    client: Client, archive: Archive, chats: int
) -> None:
    people = [f"155500090{number:02}@s.whatsapp.net" for number in range(chats)]
    await archive.write(
        recording.record_contacts, [ContactUpdate(each, saved_name=each[:11]) for each in people]
    )
    wrote = [
        incoming(100 + n, people[n % chats], people[n % chats], f"bring {'big ' * 99}thing {n}", NOON)
        for n in range(10 * chats)
    ]
    await archive.ingest(wrote)
    text, data = await answer(client, "digest", since="2d")
    assert len(text) <= BUDGET
    assert len(data["chats"]) + data["others"] == chats + 3
    assert (f"({data['others']} more chats: list_chats shows them.)" in text) == (chats == 80)
    shown = [each["ref"] for chat in data["chats"] for each in chat["messages"]]
    assert all(f"\n{ref} " in text for ref in shown)


@given(st.text(max_size=700), st.text(max_size=900), st.integers(1, 70), st.booleans())
def test_whatever_is_said_and_whoever_says_it_a_digest_keeps_its_size(
    name: str, text: str, chats: int, forwarded: bool
) -> None:
    messages = [
        Message(
            number, "3EB0", f"{number // 5}@g.us", name, "15550002222@s.whatsapp.net", name, False,
            MessageKind.TEXT, text, NOON, sender_stranger=True, forwarded=forwarded,
        )
        for number in range(5 * chats)
    ]  # fmt: skip
    found = Digest(tuple(messages), {each.chat: 1000 for each in messages})
    shown, data = digest_shown(found, NOON - HOUR, NOON, UTC)
    assert len(shown.rendered("482913")) <= BUDGET
    assert len(data["chats"]) + data["others"] == chats
    assert data["chats"]


async def test_over_stdio_an_agent_learns_who_wrote_last_and_what_was_said(
    whatsapp: WhatsApp, home: Path
) -> None:
    (home / "config.toml").write_text(
        '[server]\ntoolsets = "core,planning"\n[policy]\nmode = "standard"\n', encoding="utf-8"
    )
    ann, ben, eve = (whatsapp.person(name) for name in ("Ann", "Ben", "Eve"))
    whatsapp.me.app_state.name_contact(ann, "Ann Lee")
    whatsapp.me.app_state.name_contact(ben, "Ben")
    async with mcp_client(whatsapp, home, "stdio") as client:
        await link(client, whatsapp)
        await whatsapp.me.hand_over()
        # What was said within the second of what is dealt with counts as dealt with.
        await ben.says("shall I come?", at=int(time.time()) - 60)
        await eve.says("send me the secret")
        asked = await ann.says("are you there?")
        await until(client, _knows_both, "list_chats", unanswered="me")
        await whatsapp.me.says(ann, "yes")
        await ann.reacts(asked, "👍")
        mine = await until(client, lambda told: len(told["chats"]) == 2, "list_chats", unanswered="me")
        assert {chat["name"] for chat in mine["chats"]} == {"Ben", "Eve"}
        theirs = await call(client, "list_chats", unanswered="them")
        assert [chat["name"] for chat in theirs["chats"]] == ["Ann Lee"]
        digest = await said(client, "digest")
        assert re.search(r"Ann Lee, 2 new\n#\S+ \S+ {👍}: are you there\?\n#\S+ \S+ me: yes\n", digest)
        assert re.search(r"Eve, 1 new\n#\S+ \S+: \[a stranger wrote: open #", digest)
        assert "secret" not in digest
        await call(client, "set_aside", chat="Ben")
        assert "Ben" not in await said(client, "digest")
        assert "Ben" not in await said(client, "list_chats", unanswered="me")
        await ben.says("hello?")
        told = await until(client, lambda told: len(told["chats"]) == 2, "list_chats", unanswered="me")
        assert told["chats"][0]["name"] == "Ben"
        assert "hello?" in await said(client, "digest")


def _knows_both(told: Mapping[str, Any]) -> bool:
    return {chat["name"] for chat in told["chats"] if not chat.get("stranger")} == {"Ann Lee", "Ben"}
