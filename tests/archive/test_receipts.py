"""Who has read what, and what is unread."""

from __future__ import annotations

import itertools

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, BOB, GROUP, NOON, journal
from tests.archive.world import call, reply
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, outbox, recording
from whatsapp_mcp.models import GroupUpdate, MessageFilter, SendRequest, SendStatus, TextContent
from whatsapp_mcp.protobufs import E2E, HistorySync

pytestmark = pytest.mark.anyio


async def unread(archive: Archive) -> int:
    return (await archive.chats()).items[0].unread


async def test_receipts_move_a_message_from_sent_to_read_in_any_order(archive: Archive) -> None:
    events = [
        ev.message("M1", "mine", sender=None),
        ev.receipt("M1", kind="DELIVERED", at=NOON + 1),
        ev.receipt("M1", kind="READ", at=NOON + 2),
    ]
    for number, order in enumerate(itertools.permutations(events)):
        await archive.purge()
        await archive.ingest(journal(order, after=number * 10))
        assert (await archive.message("M1")).status is SendStatus.READ
        (delivery,) = (await archive.send_report("M1")).deliveries
        assert delivery.delivered_at is not None
        assert delivery.read_at is not None
        assert (delivery.delivered_at.timestamp(), delivery.read_at.timestamp()) == (NOON + 1, NOON + 2)


async def test_a_later_receipt_covers_earlier_messages_and_not_later_ones(archive: Archive) -> None:
    await archive.ingest(
        journal([ev.message(f"M{n}", "x", sender=None, at=NOON + n) for n in range(3)] + [ev.receipt("M1")])
    )
    assert [m.status for m in (await archive.messages(oldest_first=True)).items] == ["read", "read", "sent"]


async def test_a_group_message_is_read_when_every_member_has_read_it(archive: Archive) -> None:
    members = ((ANA, None, False, False), (BOB, None, False, False))
    await archive.write(recording.record_groups, [GroupUpdate(GROUP, "Club", participants=members)])
    await archive.ingest(
        journal([ev.message("M1", "x", chat=GROUP, sender=None), ev.receipt("M1", chat=GROUP, sender=ANA)])
    )
    assert (await archive.message("M1")).status is SendStatus.SENT
    await archive.ingest(journal([ev.receipt("M1", kind="DELIVERED", chat=GROUP, sender=BOB)], after=2))
    assert (await archive.message("M1")).status is SendStatus.DELIVERED
    await archive.ingest(journal([ev.receipt("M1", chat=GROUP, sender=BOB, at=NOON + 20)], after=3))
    assert (await archive.message("M1")).status is SendStatus.READ
    report = await archive.send_report("M1")
    assert {d.contact for d in report.deliveries} == {"+15550000001", "+15550000002"}


async def test_incoming_messages_are_unread_until_read_on_another_device(archive: Archive) -> None:
    await archive.ingest(journal([ev.message(f"A{n}", at=NOON + n) for n in range(3)]))
    assert await unread(archive) == 3
    await archive.ingest(journal([ev.receipt("A1", kind="READ_SELF", sender=None)], after=3))
    assert await unread(archive) == 1
    assert [m.message_id for m in (await archive.messages(MessageFilter(unread=True))).items] == ["A2"]


async def test_reading_elsewhere_counts_also_when_it_is_told_first(archive: Archive) -> None:
    await archive.ingest(journal([ev.receipt("A1", kind="READ_SELF", sender=None), ev.message("A1")]))
    assert await unread(archive) == 0


async def test_answering_from_the_phone_marks_the_chat_read(archive: Archive) -> None:
    await archive.ingest(journal([ev.message("A1"), ev.message("A2", sender=None, at=NOON + 1)]))
    assert await unread(archive) == 0


async def test_reading_is_recorded_on_request(archive: Archive) -> None:
    await archive.ingest(journal([ev.message("A1"), ev.message("A2", at=NOON + 1)]))
    await archive.write(recording.record_read, ANA, 1)
    assert await unread(archive) == 1


@for_each("count, expected", [(0, 0), (2, 2), (5, 5), (9, 5)], archive="archives")
async def test_the_phones_own_unread_count_comes_out_after_a_history_sync(
    archive: Archive, count: int, expected: int
) -> None:
    messages = [ev.web_message(f"H{n}", at=NOON - n) for n in range(5)]
    await archive.ingest(journal([ev.history(ev.conversation(messages, unread=count))]))
    assert await unread(archive) == expected


@pytest.mark.parametrize("how", ["flag", "count"])
async def test_a_chat_marked_unread_on_the_phone_is_unread_until_it_is_read_anywhere(
    archive: Archive, how: str
) -> None:
    more = HistorySync.Conversation(ID=ANA, markedAsUnread=how == "flag")
    value = ev.conversation([ev.web_message("A1")], unread=0 if how == "flag" else (1 << 32) - 1, more=more)
    await archive.ingest(journal([ev.history(value)]))
    assert [chat.unread for chat in (await archive.chats(unread=True)).items] == [1]
    await archive.ingest(journal([ev.receipt("A1", kind="READ_SELF", sender=None, at=NOON + 60)], after=1))
    assert (await archive.chats(unread=True)).items == ()


async def test_calls_statuses_and_what_the_system_tells_are_not_counted_as_unread(archive: Archive) -> None:
    await archive.ingest(
        journal(
            [
                call("offer", "CALL", ANA, NOON + 5),
                ev.message("S1", chat="status@broadcast", sender=ANA, at=NOON + 6),
            ]
        )
    )
    assert [chat.unread for chat in (await archive.chats()).items] == [0, 0]
    assert (await archive.messages(MessageFilter(unread=True))).items == ()
    assert (await archive.statistics()).unread_chats == 0


async def test_a_chat_is_unanswered_when_somebody_else_had_the_last_word(archive: Archive) -> None:
    setting = E2E.Message()
    setting.protocolMessage.type = E2E.ProtocolMessage.EPHEMERAL_SETTING
    channel = "120363000000000007@newsletter"
    await archive.ingest(
        journal(
            [
                ev.message("A1", "well?"),
                ev.message("A2", setting, at=NOON + 1),
                ev.message("B1", "well?", chat=BOB),
                ev.message("B2", "yes", chat=BOB, sender=None, at=NOON + 1),
                ev.message("B3", setting, chat=BOB, at=NOON + 2),
                ev.message("C1", "news", chat=channel, sender=channel),
            ]
        )
    )
    assert [chat.jid for chat in (await archive.chats(unanswered="me")).items] == [ANA]
    assert [chat.jid for chat in (await archive.chats(unanswered="them")).items] == [BOB]


async def test_a_mention_of_everybody_is_a_mention_of_us(archive: Archive) -> None:
    body = E2E.Message()
    body.extendedTextMessage.text = "@all hear this"
    body.extendedTextMessage.contextInfo.nonJIDMentions = 1
    await archive.ingest(journal([ev.message("A1", body, chat=GROUP, sender=ANA)]))
    assert len((await archive.messages(MessageFilter(mentions_me=True))).items) == 1


async def test_what_turns_out_to_be_ours_is_read_and_a_quote_of_us_is_no_mention(archive: Archive) -> None:
    quoting = reply("yes", "G1", "mine", ev.ME)
    await archive.ingest(
        journal(
            [
                ev.message("G0", "x", chat=GROUP, sender=ANA, at=NOON - 1),
                ev.message("G1", "mine", chat=GROUP, sender=ev.MY_LID),
                ev.message("G2", quoting, chat=GROUP, sender=ANA, at=NOON + 1),
            ]
        )
    )
    assert await unread(archive) == 3
    await archive.write(recording.set_own, ev.ME, ev.MY_LID, "Max")
    assert await unread(archive) == 1
    assert (await archive.messages(MessageFilter(mentions_me=True))).items == ()


async def answer_from_here(archive: Archive) -> None:
    entry, _ = await archive.write(outbox.add, SendRequest(ANA, TextContent("yes")))
    await archive.write(outbox.sending, entry.send_id)
    await archive.outbox_sent(entry.send_id, f"3EB{entry.send_id}", ev.NOW)


async def waiting(archive: Archive) -> list[str]:
    page = await archive.messages(MessageFilter(chat=ANA, unreceipted=True))
    return [message.message_id for message in page.items]


async def test_what_is_answered_from_here_is_read_but_still_without_a_receipt(archive: Archive) -> None:
    await archive.ingest(journal([ev.message("A1", "one"), ev.message("A2", "two", at=NOON + 1)]))
    for _ in range(2):
        await answer_from_here(archive)
        assert (await unread(archive), await waiting(archive)) == (0, ["A2", "A1"])
    assert (await archive.send_report("3EB1")).deliveries == ()
    await archive.write(recording.record_read, ANA, "A2")
    assert await waiting(archive) == []
    await archive.ingest(journal([ev.message("A3", "three", at=NOON + 2)], after=9))
    assert await waiting(archive) == []


async def test_what_the_phone_has_read_needs_no_receipt(archive: Archive) -> None:
    await archive.ingest(journal([ev.message("A1", "one"), ev.message("A2", "two", at=NOON + 1)]))
    await answer_from_here(archive)
    await archive.ingest(journal([ev.receipt("A2", kind="READ_SELF", sender=None)], after=9))
    assert await waiting(archive) == []
