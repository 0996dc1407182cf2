"""Chats by who wrote last, those that were set aside, and the digest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, ANA_LID, BOB, GROUP, NOON
from tests.archive.test_receipts import call
from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.errors import ChatNotFound
from whatsapp_mcp.models import Side
from whatsapp_mcp.protobufs import E2E
from whatsapp_simulator import kinds

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
    return [chat.jid for chat in (await archive.chats(unanswered=side, now=now)).items]


async def said(archive: Archive, since: datetime, now: datetime = NOW) -> Sequence[str]:
    """The chats and the texts of a digest."""
    found = await archive.digest(since, now=now)
    return [f"{each.chat.partition('@')[0]} {each.text}" for each in found.messages]


async def test_a_chat_waits_for_whoever_did_not_write_last(archive: Archive) -> None:
    await say(archive, (ANA, ANA, "are you coming tonight"), (BOB, None, "thanks a lot!"))
    assert (await waiting(archive, "me"), await waiting(archive, "them")) == ([ANA], [BOB])
    await say(archive, (ANA, None, "yes"), (BOB, BOB, "see you"))
    assert (await waiting(archive, "me"), await waiting(archive, "them")) == ([BOB], [ANA])


async def test_polls_and_files_are_written_and_reactions_calls_and_what_was_deleted_are_not(
    archive: Archive,
) -> None:
    poll, picture = kinds.poll("When?", ["now", "later"], bytes(32)), E2E.Message()
    picture.imageMessage.mimetype = "image/jpeg"
    events = [
        ev.message("A1", poll, chat=ANA, sender=ANA, at=NOON),
        ev.reaction("A1", "👍", chat=ANA, sender=None, at=NOON + 1),
        ev.message("B1", "well?", chat=BOB, sender=BOB, at=NOON),
        ev.message("B2", picture, chat=BOB, sender=None, at=NOON + 1),
        call("offer", "C1", BOB, NOON + 2),
        ev.message("G1", "well?", chat=GROUP, sender=None, at=NOON),
        ev.message("G2", "wrong chat", chat=GROUP, sender=ANA, at=NOON + 1),
        ev.revoke("G2", chat=GROUP, sender=ANA, at=NOON + 2),
    ]
    await archive.ingest(ev.journal(events))
    assert (await waiting(archive, "me"), await waiting(archive, "them")) == ([ANA], [BOB, GROUP])


async def test_a_chat_that_was_dealt_with_waits_again_when_more_is_asked(archive: Archive) -> None:
    await say(archive, (BOB, BOB, "are you coming?"))
    await archive.write(recording.record_aside, BOB, None)
    assert await waiting(archive, "me") == []
    await say(archive, (BOB, BOB, "hello? are you coming?"))
    assert await waiting(archive, "me") == [BOB]


async def test_a_chat_that_was_put_off_waits_again_at_that_time(archive: Archive) -> None:
    until = NOW + timedelta(days=2)
    await say(archive, (BOB, BOB, "are you coming?"))
    await archive.write(recording.record_aside, BOB, until)
    await say(archive, (BOB, BOB, "well? are you?"))
    assert await waiting(archive, "me") == []
    assert await waiting(archive, "me", until) == [BOB]
    await archive.write(recording.record_aside, BOB, None, False)
    assert await waiting(archive, "me") == [BOB]


async def test_what_was_set_aside_under_a_number_stays_so_when_the_lid_is_known(archive: Archive) -> None:
    await say(archive, (ANA, ANA, "are you coming?"))
    await archive.write(recording.record_aside, ANA, None)
    await archive.write(recording.record_identities, [(ANA, ANA_LID)])
    assert await waiting(archive, "me") == []
    await archive.write(recording.record_aside, ANA_LID, None, False)
    assert await waiting(archive, "me") == [ANA]


async def test_no_chat_can_be_set_aside_that_is_not_there(archive: Archive) -> None:
    with pytest.raises(ChatNotFound):
        await archive.write(recording.record_aside, BOB, None)


async def test_pages_have_each_waiting_chat_once(archive: Archive) -> None:
    people = [f"1555000{number}@s.whatsapp.net" for number in range(1000, 1030)]
    wrote = [(each, each if number % 3 else None, "hello") for number, each in enumerate(people)]
    await say(archive, *wrote)
    found, cursor = list[str](), None
    while True:
        page = await archive.chats(unanswered="me", now=NOW, limit=4, cursor=cursor)
        found += [chat.jid for chat in page.items]
        if (cursor := page.next_cursor) is None:
            break
    assert sorted(found) == sorted(each for number, each in enumerate(people) if number % 3)


async def test_a_digest_has_the_newest_messages_of_each_chat_the_chat_that_wrote_last_first(
    archive: Archive,
) -> None:
    await say(archive, (ANA, ANA, "long ago"))
    since = datetime.fromtimestamp(NOON + 60, UTC)
    await say(archive, *((BOB, BOB, f"no {number}") for number in range(7)), (ANA, None, "hi"))
    found = await archive.digest(since, now=NOW)
    ana, bob = (each.partition("@")[0] for each in (ANA, BOB))
    assert await said(archive, since) == [f"{ana} hi", *(f"{bob} no {number}" for number in range(2, 7))]
    assert (found.new, found.others) == ({ANA: 1, BOB: 7}, ())


async def test_a_digest_leaves_out_what_is_set_aside_until_more_is_said(archive: Archive) -> None:
    since = datetime.fromtimestamp(NOON, UTC)
    await say(archive, (BOB, BOB, "one"))
    await archive.write(recording.record_aside, BOB, None)
    assert await said(archive, since) == []
    await say(archive, (BOB, BOB, "two"))
    assert len(await said(archive, since)) == 2


async def test_a_digest_of_many_chats_names_those_that_it_has_no_room_for(archive: Archive) -> None:
    people = [f"1555000{number}@s.whatsapp.net" for number in range(1000, 1070)]
    await say(archive, *((each, each, "hello") for each in people))
    found = await archive.digest(datetime.fromtimestamp(NOON, UTC), now=NOW)
    assert [each.chat for each in found.messages] == people[:9:-1]
    assert found.others == tuple(people[9::-1])
