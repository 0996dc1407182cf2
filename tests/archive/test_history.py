"""The phone's past: in any order, again and again, and what is known of what is missing."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, ANA_LID, BOB, GROUP, NOON, journal
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.errors import ChatNotFound
from whatsapp_mcp.models import MessageFilter, MessageKind, SendStatus
from whatsapp_mcp.protobufs import HistorySync, Neonize

pytestmark = pytest.mark.anyio


async def test_a_conversation_brings_messages_name_settings_and_members(archive: Archive) -> None:
    more = HistorySync.Conversation(
        ID=GROUP, archived=True, pinned=1, muteEndTime=NOON * 1000, description="All"
    )
    more.participant.add(userJID=ANA, rank=2)
    more.participant.add(userJID=BOB)
    messages = [
        ev.web_message("G2", "second", chat=GROUP, sender=BOB, at=NOON + 1, name="Bob"),
        ev.web_message("G1", "first", chat=GROUP, sender=ANA, name="Ana"),
    ]
    sync = ev.history(ev.conversation(messages, chat=GROUP, name="Club", more=more), progress=40)
    result = await archive.ingest(journal([sync]))
    assert result.messages == 2
    (chat,) = (await archive.chats()).items
    assert (chat.name, chat.archived, chat.pinned, chat.unread) == ("Club", True, True, 0)
    page = await archive.messages(MessageFilter(chat=GROUP), oldest_first=True)
    assert [(m.text, m.sender_name) for m in page.items] == [("first", "Ana"), ("second", "Bob")]
    assert {m.contact.name: m.superadmin for m in await archive.members(GROUP)} == {"Ana": True, "Bob": False}
    progress = await archive.history_progress()
    assert (progress.percent, progress.done, progress.messages) == (40, False, 2)


@for_each(
    "told, until",
    [
        (0, None),
        (NOON, NOON),
        (NOON * 1000, NOON),
        (2**64 - 1, 253_402_300_799),
        (2**63 - 1, 253_402_300_799),
    ],
    archive="archives",
)
async def test_a_mute_ends_in_seconds_or_milliseconds_or_never(
    archive: Archive, told: int, until: int | None
) -> None:
    await archive.ingest(
        journal(
            [
                ev.message("A1"),
                ev.history(ev.conversation([], more=HistorySync.Conversation(ID=ANA, muteEndTime=told))),
            ]
        )
    )
    (chat,) = (await archive.chats()).items
    assert chat.muted_until == (None if until is None else datetime.fromtimestamp(until, UTC))


async def test_chunks_in_any_order_and_live_messages_between_give_one_archive(archive: Archive) -> None:
    chunks = [
        ev.history(
            ev.conversation([ev.web_message(f"H{n}", f"{n}", at=NOON + n) for n in (5, 4)], unread=1), chunk=1
        ),
        ev.history(
            ev.conversation([ev.web_message(f"H{n}", f"{n}", at=NOON + n) for n in (4, 3, 2)]), chunk=2
        ),
        ev.message("H3", "3", at=NOON + 3),
        ev.message("H6", "6", at=NOON + 6),
    ]
    for number, order in enumerate(itertools.permutations(chunks)):
        await archive.purge()
        await archive.ingest(journal(order, after=number * 10))
        page = await archive.messages(MessageFilter(chat=ANA), oldest_first=True)
        assert [m.text for m in page.items] == ["2", "3", "4", "5", "6"]
        assert (await archive.chats()).items[0].unread == 2
    assert await archive.check() == ()


async def test_receipts_reactions_and_stars_of_the_past_are_taken_over(archive: Archive) -> None:
    mine = ev.web_message("H1", "mine", sender=None, status=4)
    theirs = ev.web_message("H2", "theirs", at=NOON + 1)
    theirs.starred = True
    reaction = theirs.reactions.add(text="🔥", senderTimestampMS=NOON * 1000)
    reaction.key.fromMe = True
    await archive.ingest(journal([ev.history(ev.conversation([theirs, mine]))]))
    page = await archive.messages(oldest_first=True)
    assert page.items[0].status is SendStatus.READ
    assert page.items[1].reactions[0].emoji == "🔥"
    assert page.items[1].reactions[0].from_me
    assert [m.message_id for m in (await archive.messages(MessageFilter(starred=True))).items] == ["H2"]


async def test_system_messages_missed_calls_and_undecryptable_ones_have_words(archive: Archive) -> None:
    def stub(number: int, wa_id: str, at: int, *parameters: str) -> object:
        value = ev.web_message(wa_id, chat=GROUP, sender=ANA, at=at, name="Ana")
        value.ClearField("message")
        value.messageStubType = number
        value.messageStubParameters.extend(parameters)
        return value

    stubs = [
        stub(21, "S1", NOON, "New Name"),
        stub(27, "S2", NOON + 1, BOB),
        stub(41, "S3", NOON + 2),
        stub(2, "S4", NOON + 3),
    ]
    await archive.ingest(journal([ev.history(ev.conversation(stubs, chat=GROUP))]))
    page = await archive.messages(oldest_first=True)
    assert [m.spoken for m in page.items] == [
        "changed the group's name to New Name",
        "added @+15550000002",
        "Missed video call",
        "",
    ]
    assert [m.kind for m in page.items] == [
        MessageKind.SYSTEM,
        MessageKind.SYSTEM,
        MessageKind.CALL,
        MessageKind.UNDECRYPTABLE,
    ]


async def test_names_and_identities_of_a_chunk_reach_people(archive: Archive) -> None:
    more: Any = HistorySync.HistorySync()
    more.syncType = 4
    more.pushnames.add(ID=ANA, pushname="Ana")
    more.phoneNumberToLidMappings.add(pnJID=ANA, lidJID=ANA_LID)
    await archive.ingest(journal([ev.message("A1", chat=ANA_LID), ev.history(kind=4, more=more)]))
    (chat,) = (await archive.chats()).items
    assert (chat.jid, chat.name) == (ANA, "Ana")


async def test_a_chunk_of_the_past_makes_one_change_and_its_messages_none(archive: Archive) -> None:
    messages = [ev.web_message(f"H{n}", at=NOON - n) for n in range(50)]
    await archive.ingest(journal([ev.history(ev.conversation(messages))]))
    assert [change.kind for change in await archive.changes(0)] == ["history"]


async def test_coverage_tells_from_when_to_when_and_where_something_is_missing(archive: Archive) -> None:
    more: Any = HistorySync.Conversation(ID=ANA, endOfHistoryTransfer=True)
    more.endOfHistoryTransferType = 1
    messages = [ev.web_message(f"H{n}", at=NOON + n * 3600) for n in (5, 1)]
    await archive.ingest(
        journal([ev.history(ev.conversation(messages, more=more)), ev.message("B1", chat=BOB)])
    )
    begin, end = (datetime.fromtimestamp(NOON + h * 3600, UTC) for h in (2, 4))
    await archive.write(recording.record_gap, begin, end, "the host was off")
    known = await archive.coverage(ANA)
    assert (known.messages, known.complete) == (2, True)
    assert [(gap.since, gap.until, gap.reason) for gap in known.gaps] == [(begin, end, "the host was off")]
    page = await archive.messages(MessageFilter(chat=ANA))
    assert page.notes == (
        "Messages may be missing from 2023-11-15 00:13 to 2023-11-15 02:13 UTC: the host was off.",
    )
    assert not (await archive.coverage(BOB)).complete
    assert "begins here" in (await archive.messages(MessageFilter(chat=BOB))).notes[-1]
    with pytest.raises(ChatNotFound):
        await archive.coverage("15559999999@s.whatsapp.net")


async def test_a_gap_that_ends_is_closed_rather_than_doubled(archive: Archive) -> None:
    since = datetime.fromtimestamp(NOON - 60, UTC)
    await archive.ingest(journal([ev.message("A1", at=NOON - 3600), ev.message("A2", at=NOON + 3600)]))
    await archive.write(recording.record_gap, since, None, "off")
    await archive.write(recording.record_gap, since, datetime.fromtimestamp(NOON, UTC), "off")
    assert len((await archive.coverage(ANA)).gaps) == 1


async def test_progress_ends_at_a_hundred_percent(archive: Archive) -> None:
    assert (await archive.history_progress()).percent is None
    await archive.ingest(journal([ev.history(progress=100), ev.history(progress=60)]))
    progress = await archive.history_progress()
    assert (progress.percent, progress.done) == (100, True)


@pytest.mark.parametrize("lid", [None, ev.MY_LID])
async def test_a_phone_that_takes_a_code_is_not_the_owners_for_that(
    archive: Archive, lid: str | None
) -> None:
    await archive.write(recording.set_own, ev.ME, lid, "Max")
    status = Neonize.PairStatus()
    ev.jid(status.ID, ANA)
    status.BusinessName = status.Platform = ""
    status.Status = Neonize.PairStatus.PStatus.Value("SUCCESS")
    device = Neonize.Device()
    ev.jid(device.JID, ANA)
    ev.jid(device.LID, ANA_LID)
    device.PushName, device.Platform, device.BussinessName, device.Initialized = "Ana", "", "", True
    events = [
        ev.Event(1, EventCode.DEVICE, device.SerializeToString()),
        ev.Event(2, EventCode.PAIR_STATUS, status.SerializeToString()),
    ]
    await archive.ingest([*events, *journal([ev.message("A1", sender=ANA, chat=GROUP)], after=2)])
    assert await archive.own() == (ev.ME, lid, "Max")
    (message,) = (await archive.messages(MessageFilter(chat=GROUP))).items
    assert not message.from_me


async def test_a_new_link_begins_the_transfer_of_the_past_anew(archive: Archive) -> None:
    await archive.ingest(journal([ev.history(progress=100)]))
    assert (await archive.history_progress()).done
    status = Neonize.PairStatus()
    ev.jid(status.ID, ev.ME)
    status.BusinessName = status.Platform = ""
    status.Status = Neonize.PairStatus.PStatus.Value("SUCCESS")
    await archive.ingest([ev.Event(2, EventCode.PAIR_STATUS, status.SerializeToString())])
    progress = await archive.history_progress()
    assert (progress.percent, progress.done, progress.last_chunk_at) == (None, False, None)
    await archive.ingest(journal([ev.history(progress=30)], after=2))
    assert (await archive.history_progress()).percent == 30


async def test_between_two_links_messages_may_be_missing(archive: Archive) -> None:
    status = Neonize.PairStatus()
    ev.jid(status.ID, ev.ME)
    status.BusinessName = status.Platform = ""
    status.Status = Neonize.PairStatus.PStatus.Value("SUCCESS")

    def linked(seq: int, at: int) -> ev.Event:
        return ev.Event(seq, EventCode.PAIR_STATUS, status.SerializeToString(), received_at=at * 1000)

    await archive.ingest([linked(1, NOON - 10)])
    await archive.ingest(journal([ev.message("A1"), ev.message("A2", at=NOON + 5000)], after=1))
    assert (await archive.coverage(ANA)).gaps == ()
    await archive.ingest([linked(4, NOON + 9000), linked(5, NOON + 9000)])
    (gap, *more) = (await archive.coverage(ANA)).gaps
    assert (gap.since.timestamp(), gap.until and gap.until.timestamp()) == (NOON + 5000, NOON + 9000)
    assert gap.reason == "this device was not linked"
    assert more == []
