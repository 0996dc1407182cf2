"""One person, two addresses: one contact and one chat, whenever it becomes known."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from tests.archive import events as ev
from tests.archive import world
from tests.archive.events import ANA, ANA_LID, BOB, BOB_LID, GROUP, ME, MY_LID, NOON, journal
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.models import ContactUpdate, GroupUpdate, MessageFilter, SendStatus
from whatsapp_mcp.protobufs import HistorySync, Neonize

pytestmark = pytest.mark.anyio


async def test_two_chats_become_one_when_the_pair_is_learned_and_refs_stay_alive(archive: Archive) -> None:
    await archive.ingest(
        journal([ev.message("A1", "by number"), ev.message("A2", "hidden", chat=ANA_LID, at=NOON + 1)])
    )
    assert len((await archive.chats()).items) == 2
    before = {m.text: m.ref for m in (await archive.messages()).items}
    await archive.write(recording.record_identities, [(ANA, ANA_LID)])
    (chat,) = (await archive.chats()).items
    assert (chat.jid, chat.unread) == (ANA, 2)
    for jid in (ANA, ANA_LID):
        assert [m.text for m in (await archive.messages(MessageFilter(chat=jid))).items] == [
            "hidden",
            "by number",
        ]
    for text, ref in before.items():
        assert (await archive.message(ref)).text == text
    for where in (MessageFilter(chat=ANA), MessageFilter(chat=ANA_LID), MessageFilter(sender=ANA_LID)):
        assert len((await archive.search("hidden", where)).items) == 1
    assert await archive.check() == ()


async def test_the_same_message_under_both_addresses_becomes_one_and_both_refs_lead_to_it(
    archive: Archive,
) -> None:
    await archive.ingest(
        journal(
            [
                ev.message("A1", "twice", chat=GROUP, sender=ANA),
                ev.message("A1", "twice", chat=GROUP, sender=ANA_LID),
            ]
        )
    )
    assert len((await archive.messages()).items) == 2
    await archive.write(recording.record_identities, [(ANA, ANA_LID)])
    (message,) = (await archive.messages()).items
    assert (
        (await archive.message(1)).message_id == (await archive.message(2)).message_id == message.message_id
    )
    assert len((await archive.search("twice")).items) == 1
    assert await archive.check() == ()


async def test_group_members_reactions_and_receipts_follow_the_merge(archive: Archive) -> None:
    await archive.write(
        recording.record_groups, [GroupUpdate(GROUP, "Club", participants=((ANA_LID, None, True, False),))]
    )
    await archive.ingest(
        journal(
            [
                ev.message("M1", "mine", chat=GROUP, sender=None),
                ev.reaction("M1", "👍", chat=GROUP, sender=ANA_LID),
                ev.reaction("M1", "🎉", chat=GROUP, sender=ANA, at=NOON + 99),
                ev.receipt("M1", chat=GROUP, sender=ANA_LID),
            ]
        )
    )
    await archive.write(recording.record_identities, [(ANA, ANA_LID)])
    (member,) = await archive.members(GROUP)
    assert (member.contact.jid, member.contact.lid, member.admin) == (ANA, ANA_LID, True)
    message = await archive.message("M1")
    assert [reaction.emoji for reaction in message.reactions] == ["🎉"]
    assert message.status is SendStatus.READ
    report = await archive.send_report("M1")
    assert len(report.deliveries) == 1


async def test_every_way_to_learn_a_pair_in_every_order_ends_the_same(archive: Archive) -> None:
    ways = [
        ev.message("A1", "one", alt=ANA_LID),
        ev.message("A2", "two", chat=ANA_LID, at=NOON + 1),
        ev.message("A3", "three", sender=None, chat=ANA_LID, recipient_alt=ANA, at=NOON + 2),
        ev.receipt("A3", chat=ANA_LID, sender=ANA_LID, alt=ANA),
        ev.edit("A2", "zwei", chat=ANA),
    ]
    for number, order in enumerate(itertools.permutations(ways)):
        await archive.purge()
        await archive.ingest(journal(order, after=number * 10))
        assert [m.text for m in (await archive.messages(MessageFilter(chat=ANA))).items] == [
            "three",
            "zwei",
            "one",
        ]
        assert (await archive.message("A3", chat=ANA)).status is SendStatus.READ


async def test_an_edit_under_the_other_address_is_applied_after_the_merge(archive: Archive) -> None:
    await archive.ingest(
        journal(
            [
                ev.message("A1", "old", chat=GROUP, sender=ANA),
                ev.edit("A1", "new", chat=GROUP, sender=ANA_LID),
                ev.message("A2", "gone", chat=GROUP, sender=ANA, at=NOON + 1),
                ev.revoke("A2", chat=GROUP, sender=ANA_LID),
            ]
        )
    )
    await archive.write(recording.record_identities, [(ANA, ANA_LID)])
    assert [m.text for m in (await archive.messages()).items] == ["", "new"]


async def test_a_number_that_moved_to_another_person_merges_nothing(archive: Archive) -> None:
    await archive.ingest(journal([ev.message("A1", "from Ana", alt=ANA_LID)]))
    await archive.write(recording.record_identities, [(ANA, BOB_LID)])
    ana, bob = await archive.contact(ANA_LID), await archive.contact(BOB_LID)
    assert ana is not None
    assert bob is not None
    assert (ana.number, bob.number) == (None, "+15550000001")
    assert [m.chat for m in (await archive.messages()).items] == [ANA_LID]


async def test_a_person_with_a_new_number_stays_one_person(archive: Archive) -> None:
    await archive.ingest(journal([ev.message("A1", "old number", alt=ANA_LID)]))
    await archive.ingest(journal([ev.message("A2", "new number", chat=BOB, at=NOON + 1)], after=1))
    await archive.write(recording.record_identities, [(BOB, ANA_LID)])
    (chat,) = (await archive.chats()).items
    assert chat.jid == BOB
    assert len((await archive.messages(MessageFilter(chat=ANA))).items) == 2


async def test_what_was_said_under_our_own_addresses_is_ours(archive: Archive) -> None:
    await archive.ingest(journal([ev.message("A1", "who am I", chat=GROUP, sender=MY_LID)]))
    assert not (await archive.messages()).items[0].from_me
    await archive.write(recording.set_own, ME, MY_LID, "Me Myself")
    assert (await archive.messages()).items[0].from_me
    assert await archive.own() == (ME, MY_LID, "Me Myself")


async def test_mentions_of_us_are_known_also_when_we_learn_later_who_we_are(archive: Archive) -> None:
    from whatsapp_mcp.protobufs import E2E

    body = E2E.Message()
    body.extendedTextMessage.text = "ask @90000 or @15550000001"
    body.extendedTextMessage.contextInfo.mentionedJID.extend([MY_LID, ANA])
    await archive.ingest(journal([ev.message("A1", body, name="Ana")]))
    await archive.write(recording.set_own, ME, MY_LID, "Max")
    (message,) = (await archive.messages(MessageFilter(mentions_me=True))).items
    assert message.spoken == "ask @Max or @Ana"


async def test_names_follow_the_order_saved_business_push_number(archive: Archive) -> None:
    async def name() -> str:
        contact = await archive.contact(ANA)
        assert contact is not None
        return contact.name

    await archive.ingest(journal([ev.message("A1")]))
    assert await name() == "+15550000001"
    await archive.ingest(journal([ev.message("A2", name="ana 🌸", at=NOON + 5)], after=1))
    assert await name() == "ana 🌸"
    await archive.ingest(journal([ev.message("A3", name="older name", at=NOON + 1)], after=2))
    assert await name() == "ana 🌸"
    await archive.write(recording.record_contacts, [ContactUpdate(ANA, business_name="Ana Ltd")])
    assert await name() == "Ana Ltd"
    await archive.write(recording.record_contacts, [ContactUpdate(ANA, saved_name="Ana Silva")])
    assert await name() == "Ana Silva"
    assert (await archive.chats()).items[0].name == "Ana Silva"


async def test_names_learned_under_the_hidden_address_reach_the_person(archive: Archive) -> None:
    await archive.write(recording.record_contacts, [ContactUpdate(ANA_LID, push_name="Ana")])
    await archive.write(recording.record_contacts, [ContactUpdate(ANA, saved_name="Ana Silva")])
    await archive.write(recording.record_identities, [(ANA, ANA_LID), (BOB, BOB_LID)])
    found = await archive.contacts("ana")
    assert [(c.jid, c.saved_name, c.push_name) for c in found.items] == [(ANA, "Ana Silva", "Ana")]


CY, CY_LID, DAN_LID = "15550000003@s.whatsapp.net", "80003@lid", "80004@lid"


async def test_a_number_that_moved_leaves_each_their_own_messages_in_any_order(archive: Archive) -> None:
    events = [
        ev.message("C1", "Cy, long ago", chat=CY, at=NOON - 500),
        ev.message("C2", "Cy, told", chat=CY, alt=CY_LID, at=NOON, name="Cy"),
        ev.message("C3", "to Cy", chat=CY, sender=None, at=NOON + 500),
        ev.message("D1", "Dan, told", chat=CY, alt=DAN_LID, at=NOON + 1000, name="Dan"),
        ev.message("D2", "Dan", chat=CY, at=NOON + 1500),
    ]
    for number, order in enumerate(itertools.permutations(events)):
        await archive.purge()
        await archive.ingest(journal(order, after=number * 10))
        said = {
            chat.name: [m.text for m in (await archive.messages(MessageFilter(chat=chat.jid))).items]
            for chat in (await archive.chats()).items
        }
        assert said == {"Cy": ["to Cy", "Cy, told", "Cy, long ago"], "Dan": ["Dan", "Dan, told"]}
        assert [chat.jid for chat in (await archive.chats()).items] == [CY, CY_LID]
        (hit,) = (await archive.search("long", MessageFilter(chat=CY_LID))).items
        assert hit.sender == CY_LID
        if number > 20:
            break


async def test_of_two_names_the_newest_counts_whichever_was_told_first(archive: Archive) -> None:
    events = [
        ev.message("A1", "x", chat=ANA, name="Old", at=NOON),
        ev.message("A2", "y", chat=ANA_LID, name="New", at=NOON + 1),
        ev.message("A3", "z", chat=ANA_LID, alt=ANA, at=NOON + 2),
    ]
    for number, order in enumerate(itertools.permutations(events)):
        await archive.purge()
        await archive.ingest(journal(order, after=number * 10))
        assert (await archive.chats()).items[0].name == "New"


async def test_a_newer_name_under_one_address_shows_though_it_reads_as_before(archive: Archive) -> None:
    await archive.ingest(
        journal(
            [
                ev.message("A1", chat=ANA_LID, alt=ANA, name="Zoe", at=NOON + 5),
                ev.history(
                    ev.conversation(
                        [
                            ev.web_message("A3", name="Ana", at=NOON + 9),
                            ev.web_message("A2", name="Ana", at=NOON + 1),
                        ]
                    )
                ),
            ]
        )
    )
    assert (await archive.chats()).items[0].name == "Ana"


@for_each("seed", range(8), archive="archives")
async def test_in_a_group_a_number_that_moved_leaves_each_their_messages_edits_and_revokes(
    archive: Archive, seed: int
) -> None:
    later = NOON + 1000
    events = [
        ev.message("CT", chat=CY, alt=CY_LID, at=NOON, name="Cy"),
        ev.message("DT", chat=CY, alt=DAN_LID, at=later, name="Dan"),
        ev.message("C1", "by Cy", chat=GROUP, sender=CY_LID, at=later + 10),
        ev.message("C1", "by Cy", chat=GROUP, sender=CY, at=later + 10),
        ev.edit("C1", "edited by Cy", chat=GROUP, sender=CY, at=later + 20),
        ev.message("D1", "by Dan", chat=GROUP, sender=DAN_LID, at=NOON - 90),
        ev.revoke("D1", chat=GROUP, sender=CY, at=NOON - 80),
    ]
    random.Random(seed).shuffle(events)
    await archive.ingest(journal(events))
    one, other = (await archive.messages(MessageFilter(chat=GROUP))).items
    assert (one.text, one.sender_name) == ("edited by Cy", "Cy")
    assert (other.text, other.sender_name) == ("", "Dan")
    assert other.revoked_at is not None


@for_each("seed", range(8), archive="archives")
async def test_in_a_group_what_is_done_under_a_number_that_moved_is_of_the_one_who_held_it_then(
    archive: Archive, seed: int
) -> None:
    later = NOON + 1000
    events = [
        ev.message("CT", chat=CY, alt=CY_LID, at=NOON, name="Cy"),
        ev.message("DT", chat=CY, alt=DAN_LID, at=later, name="Dan"),
        ev.message("GP", world.poll(), chat=GROUP, sender=ANA, at=NOON + 1),
        ev.message("GQ", "hi", chat=GROUP, sender=ANA, at=NOON + 2),
        ev.reaction("GP", "👍", chat=GROUP, sender=CY, at=later + 10),
        ev.reaction("GQ", "🎉", chat=GROUP, sender=CY, at=NOON + 10),
        ev.message("GR", "told", chat=GROUP, sender=ANA, at=NOON + 3),
        ev.reaction("GR", "👀", chat=GROUP, sender=DAN_LID, at=NOON + 11),
        ev.reaction("GR", "👀", chat=GROUP, sender=CY, at=NOON + 11),
        world.vote("Pizza", "V1", "GP", ANA, CY, later + 20, chat=GROUP, sender=CY),
        joined(CY, later + 30),
    ]
    random.Random(seed).shuffle(events)
    await archive.ingest(journal(events[:5]))
    await archive.ingest(journal(events[5:], after=5))
    messages = {one.message_id: one for one in (await archive.messages(MessageFilter(chat=GROUP))).items}
    reacted = {name: [(r.emoji, r.sender_name) for r in one.reactions] for name, one in messages.items()}
    assert [reacted[name] for name in ("GP", "GQ", "GR")] == [
        [("👍", "Dan")],
        [("🎉", "Cy")],
        [("👀", "Dan")],
    ]
    poll = messages["GP"]
    assert {option.name: [who.name for who in option.voters] for option in poll.poll} == {
        "Pizza": ["Dan"],
        "Sushi": [],
    }
    assert [member.contact.name for member in await archive.members(GROUP)] == ["Dan"]


def joined(person: str, at: int) -> ev.Raw:
    info: Any = Neonize.GroupInfoEvent(Timestamp=at)
    ev.jid(info.JID, GROUP)
    ev.jid(info.Join.add(), person)
    return ev.Raw(EventCode.GROUP_INFO, info.SerializePartialToString())


@pytest.mark.parametrize("older_first", [True, False])
async def test_an_older_list_of_members_does_not_undo_a_newer_one(
    archive: Archive, older_first: bool
) -> None:
    def listed(seq: int, at: int, *people: str) -> ev.Event:
        more = HistorySync.Conversation(ID=GROUP)
        for person in people:
            more.participant.add(userJID=person, rank=0)
        sync = ev.history(ev.conversation([], chat=GROUP, more=more))
        return ev.Event(seq, int(sync.code), sync.payload, received_at=at * 1000)

    older, newer = (NOON, (ANA, BOB)), (NOON + 1, (BOB,))
    order = (older, newer) if older_first else (newer, older)
    await archive.ingest([listed(seq, at, *people) for seq, (at, people) in enumerate(order, 1)])
    assert [member.contact.jid for member in await archive.members(GROUP)] == [BOB]


async def test_a_newcomer_does_not_take_the_number_of_somebody_who_became_another(archive: Archive) -> None:
    await archive.ingest(
        journal(
            [
                ev.message("A1", "needle by number"),
                ev.message("A2", "needle hidden", chat=ANA_LID, at=NOON + 1),
                ev.message("A3", "needle told", chat=ANA, alt=ANA_LID, at=NOON + 2),
                ev.message("B1", "needle of Bob", chat=BOB, at=NOON + 3),
            ]
        )
    )
    for where in (MessageFilter(sender=ANA), MessageFilter(chat=ANA)):
        found = [m.text for m in (await archive.search("needle", where)).items]
        assert found == ["needle told", "needle hidden", "needle by number"]
    messages = [change for change in await archive.changes(0) if change.kind == "message"]
    assert [change.actor for change in messages] == [ANA, ANA, ANA, BOB]
    assert {change.chat for change in messages} == {ANA, BOB}


async def test_a_number_that_becomes_ours_leaves_what_was_said_and_done_before_as_it_was(
    archive: Archive,
) -> None:
    await archive.write(recording.set_own, ME, MY_LID, "Max")
    await archive.ingest(
        journal(
            [
                ev.message("A1", "Ana here", chat=ANA, alt=ANA_LID, name="Ana"),
                ev.message("A2", "by number", chat=ANA, at=NOON + 1),
                ev.message("M1", "mine", chat=ANA, sender=None, at=NOON + 2),
                ev.reaction("A2", "👍", chat=ANA, sender=None, at=NOON + 3),
                ev.message("G1", "in the group", chat=GROUP, sender=ANA, at=NOON + 4),
            ]
        )
    )
    await archive.write(recording.set_own, ANA, MY_LID, "Max")
    found = {m.message_id: m for m in (await archive.messages()).items}
    assert {one: (m.sender_name, m.from_me) for one, m in found.items() if one != "M1"} == dict.fromkeys(
        ("A1", "A2", "G1"), ("Ana", False)
    )
    assert {found[one].chat for one in ("A1", "A2", "M1")} == {ANA_LID}
    assert [reaction.sender_name for reaction in found["A2"].reactions] == ["Max"]
    await archive.ingest(journal([ev.message("M2", "note", chat=ANA, sender=None, at=1 << 31)], after=5))
    assert found["M1"].from_me
    assert (await archive.message("M2")).chat == ANA
