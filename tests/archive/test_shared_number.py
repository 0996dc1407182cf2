"""What several people do under one number is given to each of them, whatever is learned first."""

from __future__ import annotations

import itertools
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.archive import events as ev
from tests.archive.events import GROUP, ME, NOON, NOW, Raw, journal
from tests.archive.shared_number import CY, DAN, NUMBER, members, timer
from tests.archive.world import poll, vote
from whatsapp_mcp.archive import Archive, open_archive
from whatsapp_mcp.models import MessageFilter
from whatsapp_mcp.protobufs import HistorySync
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

MOVED = NOON + 1_000
EARLY, LATE = NOON + 100, MOVED + 100
WHO = (
    ev.message("CY", "Cy here", chat=NUMBER, alt=CY, at=NOON, name="Cy"),
    ev.message("DAN", "Dan here", chat=NUMBER, alt=DAN, at=MOVED, name="Dan"),
)
"""The number is Cy's, then Dan's."""


async def in_every_order(home: Path, *others: Raw) -> AsyncIterator[Archive]:
    """An archive for each of a few dozen orders of what tells who is who and of the others.

    The orders are an odd number apart, so that their ends differ too.
    """
    events = (*WHO, *others)
    every = math.factorial(len(events)) // 30 | 1
    for number, order in enumerate(itertools.islice(itertools.permutations(events), 0, None, every)):
        async with open_archive(
            AccountFolder("default", home / f"{number}"), write=True, now=lambda: NOW
        ) as archive:
            await archive.ingest(journal(order))
            yield archive


async def states(archive: Archive) -> dict[str, str]:
    """How far each own message has come, by its id."""
    found = (await archive.messages(MessageFilter(from_me=True))).items
    return {message.message_id: str(message.status) for message in found}


async def test_receipts_under_the_number_are_of_whoever_had_it_when_the_message_was_sent(
    tmp_path: Path,
) -> None:
    events = (
        ev.message("M1", "to Cy", chat=NUMBER, sender=None, at=EARLY),
        ev.message("M2", "to Dan", chat=NUMBER, sender=None, at=LATE),
        ev.receipt("M1", kind="READ", chat=NUMBER, at=EARLY + 10),
        ev.receipt("M2", kind="DELIVERED", chat=NUMBER, at=LATE + 10),
    )
    async for archive in in_every_order(tmp_path, *events):
        assert await states(archive) == {"M1": "read", "M2": "delivered"}
        for message, name in (("M1", "Cy"), ("M2", "Dan")):
            (delivery,) = (await archive.send_report(message)).deliveries
            assert delivery.contact == name


async def test_a_receipt_under_a_hidden_jid_tells_whose_the_message_is(tmp_path: Path) -> None:
    events = (
        ev.message("M1", "to Dan, before he was seen", chat=NUMBER, sender=None, at=EARLY),
        ev.receipt("M1", kind="READ", chat=DAN, at=LATE),
    )
    async for archive in in_every_order(tmp_path, *events):
        message = await archive.message("M1")
        assert (message.chat_name, message.status) == ("Dan", "read")


async def test_what_was_read_elsewhere_is_read_in_the_chat_of_each(tmp_path: Path) -> None:
    events = (
        ev.message("A1", "of Cy", chat=NUMBER, at=EARLY),
        ev.message("A2", "of Dan", chat=NUMBER, at=LATE),
        ev.message("A3", "of Dan", chat=NUMBER, at=LATE + 1),
        ev.receipt("A2", kind="READ_SELF", chat=NUMBER, sender=None, at=LATE + 10),
    )
    async for archive in in_every_order(tmp_path, *events):
        assert {chat.name: chat.unread for chat in (await archive.chats()).items} == {"Cy": 0, "Dan": 1}


async def test_settings_told_of_the_number_are_of_the_chat_with_the_one_who_had_it_then(
    tmp_path: Path,
) -> None:
    def told(at: int, **what: Any) -> Raw:
        more = HistorySync.Conversation(ID=NUMBER, **what)
        return ev.history(ev.conversation([], chat=NUMBER, more=more), received_at=at)

    events = (
        told(EARLY, archived=True, pinned=0),
        told(LATE, archived=False, pinned=1),
        timer("T1", 86_400, EARLY + 1),
    )
    async for archive in in_every_order(tmp_path, *events):
        found = {chat.name: (chat.archived, chat.pinned) for chat in (await archive.chats()).items}
        assert found == {"Cy": (True, False), "Dan": (False, True)}


async def test_two_people_who_react_to_one_message_and_vote_under_the_number_are_two(tmp_path: Path) -> None:
    under: dict[str, Any] = {"chat": GROUP, "sender": NUMBER}
    events = (
        ev.message("P1", poll(), chat=GROUP, sender=None, at=NOON - 10),
        ev.reaction("P1", "👍", at=EARLY, **under),
        ev.reaction("P1", "😂", at=LATE, **under),
        vote("Pizza", "V1", "P1", ME, NUMBER, EARLY, **under),
        vote("Sushi", "V2", "P1", ME, NUMBER, LATE, **under),
    )
    async for archive in in_every_order(tmp_path, *events):
        message = await archive.message("P1")
        assert {(one.sender_name, one.emoji) for one in message.reactions} == {("Cy", "👍"), ("Dan", "😂")}
        assert message.poll is not None
        assert {option.name: [who.name for who in option.voters] for option in message.poll} == {
            "Pizza": ["Cy"],
            "Sushi": ["Dan"],
        }


async def test_somebody_who_leaves_a_group_under_the_number_leaves_the_other_there(tmp_path: Path) -> None:
    events = (
        members(EARLY, NUMBER, joined=True),
        members(LATE, NUMBER, joined=True),
        members(LATE + 1, NUMBER, joined=False),
    )
    async for archive in in_every_order(tmp_path, *events):
        assert [member.contact.name for member in await archive.members(GROUP)] == ["Cy"]


async def test_copies_of_a_message_that_tell_other_times_are_of_one_person(tmp_path: Path) -> None:
    events = (
        ev.message("A1", "of Cy, still", chat=NUMBER, at=MOVED - 1),
        ev.message("A1", "of Cy, still", chat=NUMBER, at=MOVED + 1),
        ev.message("A2", "of Dan, already", chat=NUMBER, at=EARLY),
        ev.message("A2", "of Dan, already", chat=NUMBER, at=EARLY + 1),
        ev.reaction("A2", "👍", chat=DAN, at=LATE),
    )
    async for archive in in_every_order(tmp_path, *events):
        found = [message for message in (await archive.messages()).items if message.text.startswith("of")]
        assert sorted((one.message_id, one.chat_name, int(one.timestamp.timestamp())) for one in found) == [
            ("A1", "Cy", MOVED - 1),
            ("A2", "Dan", EARLY),
        ]
        assert await archive.check() == ()


async def test_every_text_of_an_edited_message_goes_with_it(tmp_path: Path) -> None:
    events = (
        ev.message("A1", "one", chat=NUMBER, at=EARLY),
        ev.edit("A1", "two", chat=NUMBER, at=EARLY + 1),
        ev.edit("A1", "three", chat=DAN, at=LATE),
    )
    async for archive in in_every_order(tmp_path, *events):
        message = await archive.message("A1")
        assert (message.chat_name, message.earlier, message.text) == ("Dan", ("one", "two"), "three")


async def test_a_deleted_message_says_nothing_more_when_a_copy_joins_it(tmp_path: Path) -> None:
    starred = ev.web_message("A1", "of Cy", chat=NUMBER, at=EARLY)
    starred.starred = True
    events = (
        ev.message("A1", "of Cy", chat=CY, at=EARLY),
        ev.history(ev.conversation([starred], chat=NUMBER)),
        ev.revoke("A1", chat=CY, at=LATE),
    )
    async for archive in in_every_order(tmp_path, *events):
        message = await archive.message("A1")
        assert (message.revoked_at is not None, message.text, message.starred) == (True, "", False)


async def test_what_the_phone_counts_as_read_in_a_group_is_read_whoever_said_it(tmp_path: Path) -> None:
    said = ev.web_message("A1", "of Dan, already", chat=GROUP, sender=NUMBER, at=EARLY)
    events = (
        ev.history(ev.conversation([said], chat=GROUP, unread=0)),
        ev.edit("A1", "of Dan", chat=GROUP, sender=DAN, at=LATE),
    )
    async for archive in in_every_order(tmp_path, *events):
        assert {chat.jid: chat.unread for chat in (await archive.chats()).items}[GROUP] == 0


async def test_what_is_done_under_the_number_goes_with_a_message_that_came_under_another_one(
    tmp_path: Path,
) -> None:
    former = "15550000005@s.whatsapp.net"
    events = (
        ev.message("A0", "Dan here", chat=former, alt=DAN, at=NOON + 10),
        ev.message("A1", "of Dan", chat=former, at=EARLY),
        ev.reaction("A1", "👍", chat=NUMBER, sender=None, at=EARLY + 1),
    )
    async for archive in in_every_order(tmp_path, *events):
        message = await archive.message("A1")
        assert (message.chat_name, [one.emoji for one in message.reactions]) == ("Dan", ["👍"])


async def test_a_deleted_message_is_whose_it_was_seen_to_be(tmp_path: Path) -> None:
    events = (
        ev.message("A1", "of Dan, already", chat=NUMBER, at=EARLY),
        ev.revoke("A1", chat=NUMBER, at=EARLY + 1),
        ev.reaction("A1", "👍", chat=DAN, sender=None, at=LATE),
    )
    async for archive in in_every_order(tmp_path, *events):
        message = await archive.message("A1")
        assert (message.chat_name, message.revoked_at is not None, message.reactions) == ("Dan", True, ())
