"""What lists show beside the words: who said them, whom they mention, when an event is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.archive import events as ev
from tests.archive.events import ANA, BOB, GROUP, ME, NOON, Raw, journal
from tests.server.fakes import FakeDevice, FakeSource
from tests.server.test_core_tools import answer, refusal
from whatsapp_mcp.archive import Archive, open_archive, recording
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.models import ContactUpdate, GroupUpdate
from whatsapp_mcp.protobufs import E2E, Neonize
from whatsapp_mcp.settings import Settings

pytestmark = pytest.mark.anyio
TOM = "15550000007@s.whatsapp.net"


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    """Ana and Bob are in the address book; Tom is not."""
    folder = Settings(home=tmp_path).account_folder()
    folder.create()
    async with open_archive(folder, write=True) as opened:
        await opened.write(recording.set_own, ME, None, "Jonas Keller")
        await opened.write(
            recording.record_contacts, [ContactUpdate(ANA, "Ana Lee"), ContactUpdate(BOB, "Bob")]
        )
        await opened.write(recording.record_groups, [GroupUpdate(GROUP, "Boat club")])
        yield opened


@pytest.fixture
def source(archive: Archive, tmp_path: Path) -> FakeSource:
    heard = tmp_path / "note.ogg"
    heard.write_bytes(b"OggS")
    return FakeSource(FakeDevice(file=str(heard)), archive, tmp_path)


async def chats(client: Client, *events: Raw, archive: Archive, **arguments: Any) -> list[str]:
    """The lines of list_chats after these events."""
    await archive.ingest(journal(events, after=await archive.position()))
    text, _ = await answer(client, "list_chats", **arguments)
    return [line for line in text.splitlines()[2:-1] if line != "Boat club (group)"]


async def messages(client: Client, *events: Raw, archive: Archive, **arguments: Any) -> list[str]:
    """The lines of list_messages after these events, without their refs and times."""
    await archive.ingest(journal(events, after=await archive.position()))
    text, _ = await answer(client, "list_messages", **arguments)
    lines = [line for line in text.splitlines() if line.startswith("#")]
    return [line.split(" ", 2)[2] for line in lines]


def mention(text: str, *jids: str) -> Any:
    body: Any = E2E.Message()
    body.extendedTextMessage.text = text
    body.extendedTextMessage.contextInfo.mentionedJID.extend(jids)
    return body


def event(start: datetime, end: datetime | None = None, *, cancelled: bool = False) -> Any:
    body: Any = E2E.Message()
    body.eventMessage.name, body.eventMessage.isCanceled = "Book club", cancelled
    body.eventMessage.startTime = int(start.timestamp())
    if end:
        body.eventMessage.endTime = int(end.timestamp())
    return body


def call(call_id: str, *, chat: str, at: int) -> list[Raw]:
    """A call that nobody took."""
    offer, end = Neonize.CallOffer(), Neonize.CallTerminate(reason="timeout")
    for one in (offer, end):
        meta = one.basicCallMeta
        for field in ("from", "callCreator", "callCreatorAlt"):
            ev.jid(getattr(meta, field), None if field.endswith("Alt") else chat)
        meta.timestamp, meta.callID = at, call_id
    ev_offer = Raw(EventCode.CALL_OFFER, offer.SerializePartialToString())
    return [ev_offer, Raw(EventCode.CALL_TERMINATE, end.SerializePartialToString())]


START = datetime(2026, 12, 3, 19, 0, tzinfo=UTC)
DATE = "2023-11-14"


async def test_a_chat_says_who_wrote_last_where_it_is_not_obvious(client: Client, archive: Archive) -> None:
    lines = await chats(
        client,
        ev.message("1", "me: I agree", chat=ANA),
        ev.message("2", "I don't", chat=BOB, sender=None, at=NOON + 1),
        ev.message("3", "Hello", chat=GROUP, sender=BOB, at=NOON + 2),
        ev.message("4", "Hello you", chat="120363000000000002@g.us", sender=None, at=NOON + 3),
        archive=archive,
    )
    assert lines == [
        f"120363000000000002@g.us (group), {DATE} me: Hello you",
        f"Boat club (group), 1 unread, {DATE} Bob: Hello",
        f"Bob +15550000002, {DATE} me: I don't",
        f"Ana Lee +15550000001, 1 unread, {DATE}: me: I agree",
    ]


async def test_mentions_are_names_and_the_owner_is_me_wherever_they_stand(
    client: Client, archive: Archive
) -> None:
    said = mention("@10000 and @15550000001, are you in goal?", ME, ANA)
    lines = await chats(client, ev.message("1", said, chat=GROUP, sender=BOB), archive=archive)
    assert lines == [f"Boat club (group), 1 unread, {DATE} Bob: @me and @Ana Lee, are you in goal?"]
    assert await messages(client, archive=archive) == ["Bob in Boat club: @me and @Ana Lee, are you in goal?"]
    text, _ = await answer(client, "search_messages", query="goal")
    assert "@me and @Ana Lee, are you in **goal**?" in text
    message = await archive.message("1")
    assert message.spoken == "@Jonas Keller and @Ana Lee, are you in goal?", (
        "what may be forwarded or exported"
    )


async def test_a_call_is_told_in_words_and_hides_no_words(client: Client, archive: Archive) -> None:
    lines = await chats(
        client,
        ev.message("1", "Bring the box", chat=ANA),
        *call("C1", chat=ANA, at=NOON + 5),
        *call("C2", chat=BOB, at=NOON + 6),
        archive=archive,
    )
    assert lines == [
        f"Bob +15550000002, {DATE}: Missed voice call",
        f"Ana Lee +15550000001, 1 unread, {DATE} “Missed voice call”, before that Ana Lee: Bring the box",
    ]


async def test_what_is_asked_is_shown_at_more_length_where_an_answer_is_owed(
    client: Client, archive: Archive
) -> None:
    question = "Is the housewarming still on? And shall I bring the big speaker or is there one?"
    lines = await chats(client, ev.message("1", question), archive=archive, unanswered="me")
    assert lines[0].endswith(f": {question}")
    lines = await chats(client, archive=archive)
    assert lines[0].endswith(f": {question[:39]}…")


async def test_an_event_says_when_it_is(client: Client, archive: Archive) -> None:
    later, next_day = START.replace(hour=21), START.replace(day=4, hour=2)
    told = [
        ev.message("1", event(START)),
        ev.message("2", event(START, later), at=NOON + 1),
        ev.message("3", event(START, next_day, cancelled=True), at=NOON + 2),
    ]
    assert await messages(client, *told, archive=archive, chat=ANA) == [
        "Ana Lee: [event Thu 2026-12-03 19:00] Book club",
        "Ana Lee: [event Thu 2026-12-03 19:00–21:00] Book club",
        "Ana Lee: [event cancelled Thu 2026-12-03 19:00–Fri 2026-12-04 02:00] Book club",
    ]
    lines = await chats(client, archive=archive)
    assert lines[0].endswith(": [event cancelled Thu 2026-12-03 19:00–F…")
    _, data = await answer(client, "list_messages", chat=ANA)
    assert data["messages"][1]["details"] == {
        "starts_at": "2026-12-03T19:00:00+00:00",
        "ends_at": "2026-12-03T21:00:00+00:00",
        "cancelled": False,
    }


async def test_a_place_says_where_it_is_and_a_card_its_number(client: Client, archive: Archive) -> None:
    place: Any = E2E.Message()
    place.locationMessage.degreesLatitude, place.locationMessage.degreesLongitude = 52.5486, -13.179
    place.locationMessage.name = "Marina"
    card: Any = E2E.Message()
    card.contactMessage.displayName, card.contactMessage.vcard = "Cy", "TEL;waid=1:+1 555 000 0003"
    told = [ev.message("1", place), ev.message("2", card, at=NOON + 1)]
    assert await messages(client, *told, archive=archive) == [
        "Ana Lee: [location 52.5486,-13.179] Marina",
        "Ana Lee: [contact] Cy +1 555 000 0003",
    ]


async def test_an_edited_message_says_in_full_what_it_said_before(client: Client, archive: Archive) -> None:
    told = [ev.message("1", "at ten"), ev.edit("1", "at eleven"), ev.edit("1", "at noon", at=NOON + 70)]
    assert await messages(client, *told, archive=archive) == [
        "Ana Lee (edited; detail=full shows the earlier text): at noon"
    ]
    (line,) = await messages(client, archive=archive, detail="full")
    assert line.endswith("(edited): at noon (was: at ten, was: at eleven)")


async def test_a_reaction_says_in_full_whose_it_is(client: Client, archive: Archive) -> None:
    told = [ev.message("1", "done"), ev.reaction("1", "👍", chat=ANA, sender=None), ev.reaction("1", "🎉")]
    assert await messages(client, *told, archive=archive) == ["Ana Lee {👍 🎉}: done"]
    (line,) = await messages(client, archive=archive, detail="full")
    assert line.endswith(" {👍 me, 🎉 Ana Lee}: done")


async def test_a_deleted_message_says_who_deleted_it_where_it_can_be_only_one(
    client: Client, archive: Archive
) -> None:
    told = [
        ev.message("1", "oops"),
        ev.message("2", "oops", chat=GROUP, sender=BOB, at=NOON + 1),
        ev.revoke("1"),
        ev.revoke("2", chat=GROUP, sender=ANA, of=BOB),
    ]
    assert await messages(client, *told, archive=archive) == [
        "Ana Lee: [deleted by sender]",
        "Bob in Boat club: [deleted]",
    ]
    lines = await chats(client, archive=archive)
    assert [line.rpartition(f"{DATE}")[2] for line in lines] == [" Bob: [deleted]", ": [deleted by sender]"]


async def test_who_is_not_in_the_address_book_is_marked_wherever_they_stand(
    client: Client, archive: Archive
) -> None:
    told = [
        ev.message("1", "Is the bike for sale?", chat=TOM, name="Tom"),
        ev.message("2", "No", chat=TOM, sender=None, at=NOON + 1),
        ev.message("3", "Ahoy", chat=GROUP, sender=TOM, name="Tom", at=NOON + 2),
        ev.message("4", "Hi", chat="15550000008@s.whatsapp.net", at=NOON + 3),
    ]
    assert await chats(client, *told, archive=archive) == [
        f"+15550000008, 1 unread, {DATE}: Hi",
        f"Boat club (group), 1 unread, {DATE} ~Tom: Ahoy",
        f"~Tom +15550000007, {DATE} me: No",
    ]
    assert await messages(client, archive=archive) == [
        "~Tom: Is the bike for sale?",
        "me to ~Tom: No",
        "~Tom in Boat club: Ahoy",
        "+15550000008: Hi",
    ]
    text, data = await answer(client, "search_contacts", query="Tom")
    assert text.splitlines()[2] == "~Tom +15550000007"
    assert data["contacts"][0]["name"] == "Tom"
    text, _ = await answer(client, "get_contact", contact=TOM)
    assert text.splitlines()[2:4] == ["~Tom", "not in the user's contacts"]
    assert "own name" not in text
    text, _ = await answer(client, "get_contact", contact=ANA)
    assert "not in the user's contacts" not in text
    for tool, arguments in (("list_messages", {"chat": TOM}), ("get_message_context", {"message": "1"})):
        text, _ = await answer(client, tool, **arguments)
        assert "~Tom:" in text.splitlines()[0]
    text, _ = await answer(client, "search_contacts", query="~Tom")
    assert "~Tom +15550000007" in text
    error = await refusal(client, "send_message", chat="To", text="hi")
    assert error["candidates"][0].startswith("~“Tom” (+15550000007)")
    text, _ = await answer(client, "send_message", chat=TOM, text="Sold")
    assert text.startswith("sent to ~Tom ")
    _, data = await answer(client, "list_chats", query="Tom")
    assert (data["chats"][0]["name"], data["chats"][0]["stranger"]) == ("Tom", True)


async def test_a_business_is_told_as_one_and_the_last_message_with_a_time_as_in_lists(
    client: Client, archive: Archive
) -> None:
    await archive.write(recording.record_contacts, [ContactUpdate(BOB, business_name="Bob's Boats")])
    await archive.ingest(journal([ev.message("1", event(START), chat=BOB)], after=await archive.position()))
    text, data = await answer(client, "get_contact", contact=BOB)
    assert "\nbusiness: Bob's Boats\n" in text
    assert f"\nlast: #1 {DATE} Bob: [event Thu 2026-12-03 19:00] Book club\n" in text
    assert data["business"] == "Bob's Boats"


async def test_a_voice_note_that_was_fetched_says_what_tells_its_words(
    client: Client, archive: Archive
) -> None:
    body: Any = E2E.Message()
    body.audioMessage.PTT, body.audioMessage.seconds = True, 2
    body.audioMessage.directPath, body.audioMessage.mediaKey = "/v/x", b"k" * 32
    await archive.ingest(journal([ev.message("1", body)], after=await archive.position()))
    text, _ = await answer(client, "download_media", message="#1")
    assert text.startswith("#1 [voice 0:02] is at ")
    assert text.endswith(" What is said in it: read_file.")
