"""Chats in which somebody waits, and those that were set aside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, ANA_LID, BOB, GROUP, NOON
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.errors import ChatNotFound
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.triage import Side

NOW = datetime.fromtimestamp(NOON + 3600, UTC)
pytestmark = pytest.mark.anyio


async def say(archive: Archive, *said: tuple[str, str | None, str]) -> None:
    """Messages a minute apart: the chat, who writes (None: the owner), what."""
    after = await archive.position()
    await archive.ingest(
        ev.journal(
            [
                ev.message(
                    f"P{after}{number}",
                    E2E.Message(conversation=text),
                    chat=chat,
                    sender=sender,
                    at=NOON + 60 * (after + number),
                )
                for number, (chat, sender, text) in enumerate(said)
            ],
            after,
        )
    )


async def waiting(archive: Archive, side: Side, now: datetime = NOW) -> Sequence[str]:
    return [chat.jid for chat in (await archive.waiting_chats(side, now=now)).items]


async def test_a_chat_waits_for_whoever_was_asked_last(archive: Archive) -> None:
    await say(archive, (ANA, ANA, "are you coming tonight"), (BOB, BOB, "thanks a lot!"))
    assert await waiting(archive, "me") == [ANA]
    assert await waiting(archive, "them") == []
    await say(archive, (ANA, None, "yes. can you bring the key?"))
    assert await waiting(archive, "me") == []
    assert await waiting(archive, "them") == [ANA]


async def test_a_reaction_answers(archive: Archive) -> None:
    await say(archive, (BOB, BOB, "can you bring the charger?"))
    assert await waiting(archive, "me") == [BOB]
    reaction = ev.reaction("P00", "👍", chat=BOB, sender=None, at=NOON + 120)
    await archive.ingest(ev.journal([reaction], await archive.position()))
    assert await waiting(archive, "me") == []


async def test_in_a_group_only_what_is_for_the_owner_waits_for_them(archive: Archive) -> None:
    await say(archive, (GROUP, ANA, "Bob did you call the venue?"))
    assert await waiting(archive, "me") == []
    await say(archive, (GROUP, ANA, "everyone please confirm if you come on sunday"))
    assert await waiting(archive, "me") == [GROUP]


async def test_who_was_silent_for_two_months_waits_no_more(archive: Archive) -> None:
    await say(archive, (BOB, BOB, "are you there?"))
    assert await waiting(archive, "me", NOW + timedelta(days=59)) == [BOB]
    assert await waiting(archive, "me", NOW + timedelta(days=61)) == []


async def test_a_chat_that_was_dealt_with_waits_again_when_more_is_asked(archive: Archive) -> None:
    await say(archive, (BOB, BOB, "are you coming?"))
    await archive.record_aside(BOB, None)
    assert await waiting(archive, "me") == []
    await say(archive, (BOB, BOB, "hello? are you coming?"))
    assert await waiting(archive, "me") == [BOB]


async def test_a_chat_that_was_put_off_waits_again_at_that_time(archive: Archive) -> None:
    until = NOW + timedelta(days=2)
    await say(archive, (BOB, BOB, "are you coming?"))
    await archive.record_aside(BOB, until)
    await say(archive, (BOB, BOB, "well? are you?"))
    assert await waiting(archive, "me") == []
    assert await waiting(archive, "me", until) == [BOB]
    await archive.record_aside(BOB, None, False)
    assert await waiting(archive, "me") == [BOB]


async def test_what_was_set_aside_under_a_number_stays_so_when_the_lid_is_known(archive: Archive) -> None:
    await say(archive, (ANA, ANA, "are you coming?"))
    await archive.record_aside(ANA, None)
    await archive.record_identities([(ANA, ANA_LID)])
    assert await waiting(archive, "me") == []
    await archive.record_aside(ANA_LID, None, False)
    assert await waiting(archive, "me") == [ANA]


async def test_no_chat_can_be_set_aside_that_is_not_there(archive: Archive) -> None:
    with pytest.raises(ChatNotFound):
        await archive.record_aside(BOB, None)


async def test_pages_have_each_waiting_chat_once(archive: Archive) -> None:
    people = [f"1555000{number}@s.whatsapp.net" for number in range(1000, 1030)]
    said = [(each, each, "are you coming?" if number % 3 else "ok") for number, each in enumerate(people)]
    await say(archive, *said)
    found, cursor = list[str](), None
    while True:
        page = await archive.waiting_chats("me", now=NOW, limit=4, cursor=cursor)
        assert len(page.items) <= 4
        found += [chat.jid for chat in page.items]
        if (cursor := page.next_cursor) is None:
            break
    assert sorted(found) == sorted(each for number, each in enumerate(people) if number % 3)
