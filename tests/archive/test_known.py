"""Who counts as known: the people of the phone's address book, and those whom a person has confirmed."""

from __future__ import annotations

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, ANA_LID, BOB, NOON, journal
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.models import ContactUpdate

pytestmark = pytest.mark.anyio

EVE = "15550000066@s.whatsapp.net"


async def known(archive: Archive, jid: str) -> bool:
    """Whether a person is known, as everything that shows them says it."""
    person = await archive.contact(jid)
    (candidate,) = await archive.resolve_chat(jid)
    shown = [chat.stranger for chat in (await archive.chats()).items if person and chat.jid == person.jid]
    said = [one.sender_stranger for one in (await archive.messages()).items if one.sender == jid]
    answers = {
        not candidate.chat.stranger,
        person is not None and person.known,
        *(not one for one in shown + said),
    }
    assert len(answers) == 1
    return answers.pop()


async def test_the_address_book_makes_known(archive: Archive) -> None:
    await archive.ingest(journal([ev.message("A1", name="Annie")]))
    assert not await known(archive, ANA)
    await archive.write(recording.record_contacts, [ContactUpdate(ANA, saved_name="Ana")])
    assert await known(archive, ANA)


@pytest.mark.parametrize(
    "named",
    [
        ContactUpdate(ANA, push_name="Mum"),
        ContactUpdate(ANA, business_name="Mum Ltd"),
        ContactUpdate(ANA, given_name="Mum"),
    ],
)
async def test_no_other_name_makes_known(archive: Archive, named: ContactUpdate) -> None:
    await archive.ingest(journal([ev.message("A1")]))
    await archive.write(recording.record_contacts, [named])
    assert not await known(archive, ANA)


async def test_who_has_no_name_at_all_is_a_stranger(archive: Archive) -> None:
    await archive.ingest(journal([ev.message("A1"), ev.message("E1", chat="66666@lid")]))
    assert not await known(archive, ANA)
    assert not await known(archive, "66666@lid")
    assert (await archive.resolve_chat("+4915112345678"))[0].chat.stranger


async def test_the_name_that_the_past_shows_is_shown_and_makes_nobody_known(archive: Archive) -> None:
    talk = ev.conversation([ev.web_message("A1", "hello", name="Annie")], name="Mum")
    await archive.ingest(journal([ev.history(talk)]))
    person = await archive.contact(ANA)
    assert person is not None
    assert (person.name, person.saved_name, person.given_name) == ("Mum", None, "Mum")
    assert not await known(archive, ANA)


async def test_the_address_book_names_before_a_tool_does(archive: Archive) -> None:
    await archive.write(
        recording.record_contacts, [ContactUpdate(ANA, given_name="Plumber", push_name="Annie")]
    )
    assert [one.name for one in (await archive.contacts("plumber")).items] == ["Plumber"]
    await archive.write(recording.record_contacts, [ContactUpdate(ANA, saved_name="Ana")])
    assert [one.name for one in (await archive.contacts("plumber")).items] == ["Ana"]


async def test_who_was_confirmed_is_known_until_it_is_taken_back(archive: Archive) -> None:
    await archive.ingest(journal([ev.message("A1", name="Annie")]))
    await archive.write(recording.confirm_person, ANA, True)
    assert await known(archive, ANA)
    await archive.write(recording.confirm_person, ANA, False)
    assert not await known(archive, ANA)


async def test_taking_a_confirmation_back_takes_nobody_out_of_the_address_book(archive: Archive) -> None:
    await archive.write(recording.record_contacts, [ContactUpdate(ANA, saved_name="Ana")])
    await archive.write(recording.confirm_person, ANA, True)
    await archive.write(recording.confirm_person, ANA, False)
    assert await known(archive, ANA)


@pytest.mark.parametrize("by", [ANA, ANA_LID])
async def test_a_confirmation_stays_with_the_person_when_their_number_passes_on(
    archive: Archive, by: str
) -> None:
    await archive.ingest(journal([ev.message("A1", alt=ANA_LID)]))
    await archive.write(recording.confirm_person, by, True)
    await archive.ingest(journal([ev.message("E1", alt="66666@lid", at=NOON + 9)], after=1))
    assert not await known(archive, "66666@lid")
    person = await archive.contact(ANA_LID)
    assert person is not None
    assert person.known


async def test_a_confirmation_that_came_before_the_number_was_known_holds_for_it(archive: Archive) -> None:
    await archive.write(recording.confirm_person, ANA_LID, True)
    await archive.ingest(journal([ev.message("A1", alt=ANA_LID)]))
    assert await known(archive, ANA)


@for_each(
    "name",
    ["+15550000001", "+1 (555) 000-0001", "15550000001@s.whatsapp.net", "+١٥٥٥٠٠٠٠٠٠١"],
    archive="archives",
)
async def test_who_calls_themselves_a_number_is_shown_by_their_own(archive: Archive, name: str) -> None:
    await archive.write(recording.record_contacts, [ContactUpdate(BOB, push_name=name)])
    person = await archive.contact(BOB)
    assert person is not None
    assert (person.name, person.push_name) == ("+15550000002", None)


async def test_the_owner_is_no_stranger(archive: Archive) -> None:
    await archive.write(recording.set_own, ev.ME, ev.MY_LID, "Max")
    (candidate,) = await archive.resolve_chat("me")
    assert not candidate.chat.stranger
