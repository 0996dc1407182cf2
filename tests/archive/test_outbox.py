"""Sends: the same key never twice, states that say the truth, unknown ones settled by what comes back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, ANA_LID, BOB, journal
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, open_archive, outbox, recording
from whatsapp_mcp.errors import InvalidArgument, KeyReused, MessageNotFound, SendUnknown
from whatsapp_mcp.models import (
    ForwardContent,
    LocationContent,
    OutboxEntry,
    SendRequest,
    SendStatus,
    TextContent,
)
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio


def request(text: str = "hi", *, chat: str = ANA, key: str | None = None) -> SendRequest:
    return SendRequest(chat, TextContent(text), idempotency_key=key)


async def unknown(archive: Archive, text: str = "hi", key: str | None = None) -> OutboxEntry:
    entry, _ = await archive.write(outbox.add, request(text, key=key))
    await archive.write(outbox.sending, entry.send_id)
    return await archive.write(outbox.unknown, entry.send_id, "The client died.")


def answer(text: str, *, to: str) -> E2E.Message:
    body = E2E.Message()
    body.extendedTextMessage.text = text
    body.extendedTextMessage.contextInfo.stanzaID = to
    return body


def now() -> int:
    return int(ev.NOW.timestamp())


async def test_a_send_goes_from_queued_to_read(archive: Archive) -> None:
    entry, new = await archive.write(outbox.add, request("hello"))
    assert (entry.status, new) == (SendStatus.QUEUED, True)
    assert (await archive.write(outbox.sending, entry.send_id)).status is SendStatus.SENDING
    sent = await archive.outbox_sent(entry.send_id, "3EB001", ev.NOW)
    assert (sent.status, sent.ref) == (SendStatus.SENT, 1)
    (message,) = (await archive.messages()).items
    assert (message.text, message.from_me, message.message_id) == ("hello", True, "3EB001")
    await archive.ingest(journal([ev.receipt("3EB001", kind="DELIVERED", at=now())]))
    assert (await archive.outbox_get(entry.send_id)).status is SendStatus.DELIVERED
    await archive.ingest(journal([ev.receipt("3EB001", at=now())], after=1))
    report = await archive.send_report(entry.send_id, send_id=True)
    assert report.result.status is SendStatus.READ
    assert [delivery.contact for delivery in report.deliveries] == ["+15550000001"]
    assert await archive.outbox_unsettled() == ()


async def test_a_receipt_that_overtakes_the_answer_counts(archive: Archive) -> None:
    entry, _ = await archive.write(outbox.add, request())
    await archive.write(outbox.sending, entry.send_id)
    await archive.ingest(journal([ev.receipt("3EB001", at=now())]))
    sent = await archive.outbox_sent(entry.send_id, "3EB001", ev.NOW)
    assert sent.status is SendStatus.READ


async def test_what_is_about_to_be_handed_over_is_accepted_as_sending_unless_another_is_ahead(
    archive: Archive,
) -> None:
    first, _ = await archive.write(outbox.add, request("one"), handed_to="a b 1 c", secret=b"s")
    second, _ = await archive.write(outbox.add, request("two"), handed_to="a b 1 c", secret=b"t")
    assert (first.status, first.handed_to, first.secret) == (SendStatus.SENDING, "a b 1 c", b"s")
    assert first == await archive.outbox_get(first.send_id)
    assert (second.status, second.handed_to, second.secret) == (SendStatus.QUEUED, None, None)

    again, is_new = await archive.write(
        outbox.add, request("three", key="k"), handed_to="a b 1 c", obstacle=None
    )
    assert (again.status, is_new) == (SendStatus.QUEUED, True)


async def test_what_could_not_be_read_again_is_not_accepted(archive: Archive) -> None:
    with pytest.raises(InvalidArgument):
        await archive.write(outbox.add, SendRequest(ANA, LocationContent(float("nan"), float("inf"))))
    with pytest.raises(MessageNotFound):
        await archive.outbox_get(1)


async def test_the_same_key_is_the_same_send(archive: Archive) -> None:
    first, _ = await archive.write(outbox.add, request(key="k"))
    again, new = await archive.write(outbox.add, request(key="k"))
    assert (again.send_id, new) == (first.send_id, False)
    with pytest.raises(KeyReused):
        await archive.write(outbox.add, request("something else", key="k"))
    with pytest.raises(KeyReused):
        await archive.write(outbox.add, request(chat=BOB, key="k"))


async def test_a_key_is_its_principals_own(archive: Archive) -> None:
    first, _ = await archive.write(outbox.add, request(key="k"), principal="stdio:one")
    other, new = await archive.write(outbox.add, request("other words", key="k"), principal="token:two")
    assert new
    assert other.send_id != first.send_id
    again, new = await archive.write(outbox.add, request(key="k"), principal="stdio:one")
    assert (again.send_id, new) == (first.send_id, False)


async def test_what_failed_before_it_was_handed_over_is_tried_again_under_its_key(archive: Archive) -> None:
    first, _ = await archive.write(outbox.add, request(key="k"))
    await archive.write(outbox.failed, first.send_id, "The link was down.")
    again, new = await archive.write(outbox.add, request(key="k"))
    assert (again.send_id, again.status, again.reason, new) == (first.send_id, SendStatus.QUEUED, None, True)
    await archive.write(outbox.sending, first.send_id)
    await archive.write(outbox.failed, first.send_id, "Error 479.")
    final, new = await archive.write(outbox.add, request(key="k"))
    assert (final.status, new) == (SendStatus.FAILED, False)


async def test_a_key_knows_its_chat_under_both_addresses(archive: Archive) -> None:
    await archive.write(recording.record_identities, [(ANA, ANA_LID)])
    first, _ = await archive.write(outbox.add, request(key="k"))
    again, new = await archive.write(outbox.add, SendRequest(ANA_LID, TextContent("hi"), idempotency_key="k"))
    assert (again.send_id, new) == (first.send_id, False)


async def test_without_a_key_the_same_content_waits_for_the_first_to_settle(archive: Archive) -> None:
    entry, _ = await archive.write(outbox.add, request())
    with pytest.raises(SendUnknown):
        await archive.write(outbox.add, request())
    await archive.write(outbox.add, request("other words"))
    await archive.write(outbox.add, request(chat=BOB))
    await archive.write(outbox.failed, entry.send_id, "expired")
    again, new = await archive.write(outbox.add, request())
    assert new
    assert again.send_id != entry.send_id


async def test_only_the_ways_between_states_that_exist_are_gone(archive: Archive) -> None:
    entry, _ = await archive.write(outbox.add, request())
    with pytest.raises(InvalidArgument):
        await archive.write(outbox.unknown, entry.send_id, "never handed over")
    await archive.write(outbox.sending, entry.send_id)
    with pytest.raises(InvalidArgument):
        await archive.write(outbox.sending, entry.send_id)
    await archive.write(outbox.queued, entry.send_id)
    await archive.write(outbox.failed, entry.send_id, "refused: 479")
    assert (await archive.outbox_get(entry.send_id)).reason == "refused: 479"
    with pytest.raises(MessageNotFound):
        await archive.outbox_get(99)


async def test_only_what_is_still_queued_can_be_withdrawn(archive: Archive) -> None:
    entry, _ = await archive.write(outbox.add, request())
    await archive.write(outbox.sending, entry.send_id)
    with pytest.raises(InvalidArgument, match="sending"):
        await archive.write(outbox.withdrawn, entry.send_id, "expired")
    await archive.write(outbox.queued, entry.send_id)
    assert (await archive.write(outbox.withdrawn, entry.send_id, "expired")).status is SendStatus.FAILED


async def test_entries_survive_and_come_back_in_order(folder: AccountFolder) -> None:
    async with open_archive(folder, write=True, now=lambda: ev.NOW) as archive:
        for text in ("one", "two", "three"):
            await archive.write(outbox.add, request(text))
    async with open_archive(folder, write=True, now=lambda: ev.NOW) as archive:
        found = await archive.outbox_unsettled()
    assert [entry.request.content for entry in found] == [TextContent(t) for t in ("one", "two", "three")]


async def test_a_send_without_an_answer_goes_back_to_the_queue_once_it_is_known_not_to_be_out(
    archive: Archive,
) -> None:
    entry = await unknown(archive)
    queued = await archive.write(outbox.queued, entry.send_id)
    assert (queued.status, queued.reason) == (SendStatus.QUEUED, None)
    await archive.write(outbox.sending, entry.send_id)
    assert (await archive.write(outbox.failed, entry.send_id, "refused")).status is SendStatus.FAILED


async def test_what_may_lead_to_a_message_is_kept_until_the_send_is_settled(archive: Archive) -> None:
    entry, _ = await archive.write(outbox.add, request())
    await archive.write(outbox.sending, entry.send_id, handed_to="client 7", secret=b"s" * 32)
    entry = await archive.write(outbox.unknown, entry.send_id, "The client died.")
    assert (entry.handed_to, entry.secret) == ("client 7", b"s" * 32)
    entry = await archive.write(outbox.unknown, entry.send_id, "The computer was restarted.", traceable=False)
    assert (entry.handed_to, entry.secret) == (None, None)


async def test_what_is_found_out_of_a_former_hand_over_changes_no_later_one(archive: Archive) -> None:
    entry, _ = await archive.write(outbox.add, request())
    await archive.write(outbox.sending, entry.send_id, handed_to="client 8")
    await archive.write(outbox.unknown, entry.send_id, "The client died.")
    with pytest.raises(InvalidArgument, match="handed over again"):
        await archive.write(outbox.queued, entry.send_id, handed_to="client 7")
    with pytest.raises(InvalidArgument, match="handed over again"):
        await archive.write(outbox.unknown, entry.send_id, "", message_id="3EB0AA", handed_to="client 7")
    queued = await archive.write(outbox.queued, entry.send_id, handed_to="client 8")
    assert queued.status is SendStatus.QUEUED


async def test_a_receipt_settles_exactly_the_send_that_it_names(archive: Archive) -> None:
    entries = [await unknown(archive, text) for text in ("one", "two", "three")]
    for number, entry in enumerate(entries):
        await archive.write(outbox.unknown, entry.send_id, "The client died.", message_id=f"3EB0A{number}")
    await archive.ingest(journal([ev.receipt("3EB0A1", kind="DELIVERED", at=now())]))
    states = [(await archive.outbox_get(entry.send_id)).status for entry in entries]
    assert states == [SendStatus.UNKNOWN, SendStatus.DELIVERED, SendStatus.UNKNOWN]
    assert [m.text for m in (await archive.messages()).items] == ["two"]


@for_each(
    "event",
    [
        ev.receipt("3EB0AA", kind="DELIVERED", at=now()),
        ev.reaction("3EB0AA", "+"),
        ev.message("A1", answer("yes", to="3EB0AA"), at=now()),
        ev.message("3EB0AA", "hi", sender=None),
    ],
)
@for_each("early", [False, True], archive="archives")
async def test_whatever_names_a_message_shows_that_it_was_sent(
    archive: Archive, event: ev.Raw, early: bool
) -> None:
    entry = await unknown(archive)
    if early:
        await archive.ingest(journal([event]))
    await archive.write(outbox.unknown, entry.send_id, "The client died.", message_id="3EB0AA")
    if not early:
        await archive.ingest(journal([event]))
    settled = await archive.outbox_get(entry.send_id)
    assert settled.status in {SendStatus.SENT, SendStatus.DELIVERED}
    assert "hi" in [m.text for m in (await archive.messages()).items]


@pytest.mark.parametrize(
    "receipt",
    [
        ev.receipt("3EB0BB", at=now()),
        ev.receipt("3EB0AA", kind="READ_SELF", sender=None, at=now()),
    ],
    ids=["another message", "our own reading"],
)
async def test_a_receipt_for_something_else_settles_nothing(archive: Archive, receipt: ev.Raw) -> None:
    entry = await unknown(archive)
    await archive.write(outbox.unknown, entry.send_id, "The client died.", message_id="3EB0AA")
    await archive.ingest(journal([receipt]))
    assert (await archive.outbox_get(entry.send_id)).status is SendStatus.UNKNOWN


@pytest.mark.parametrize("early", [False, True], ids=["later", "before its id is known"])
async def test_a_receipt_counts_though_it_comes_from_the_hidden_address_of_the_person(
    archive: Archive, early: bool
) -> None:
    entry = await unknown(archive)
    receipt = journal([ev.receipt("3EB0AA", chat=ANA_LID, kind="DELIVERED", at=now())])
    if early:
        await archive.ingest(receipt)
    await archive.write(outbox.unknown, entry.send_id, "The client died.", message_id="3EB0AA")
    await archive.ingest(receipt)
    assert (await archive.outbox_get(entry.send_id)).status is SendStatus.SENT
    await archive.write(recording.record_identities, [(ANA, ANA_LID)])
    assert (await archive.outbox_get(entry.send_id)).status is SendStatus.DELIVERED


async def test_a_receipt_settles_no_send_whose_id_is_not_known(archive: Archive) -> None:
    entry = await unknown(archive)
    await archive.ingest(journal([ev.receipt("3EB0AA", at=now())]))
    assert (await archive.outbox_get(entry.send_id)).status is SendStatus.UNKNOWN


async def test_a_forwarded_file_is_sent_although_the_request_names_only_a_ref(archive: Archive) -> None:
    image = E2E.Message(imageMessage=E2E.ImageMessage(caption="sunset", directPath="/v/t62", mediaKey=b"k"))
    entry, _ = await archive.write(outbox.add, SendRequest(BOB, ForwardContent(1)))
    await archive.write(outbox.sending, entry.send_id)
    sent = await archive.outbox_sent(entry.send_id, "3EB0EE", ev.NOW, message=image.SerializeToString())
    assert (sent.status, sent.message_id) == (SendStatus.SENT, "3EB0EE")
    copy = ev.message("3EB0EE", image, chat=BOB, sender=None, at=now())
    await archive.ingest(journal([copy]))
    assert (await archive.outbox_get(entry.send_id)).status is SendStatus.SENT
    assert [m.text for m in (await archive.messages()).items] == ["sunset"]


async def test_the_feed_tells_the_states_of_a_send(archive: Archive) -> None:
    entry, _ = await archive.write(outbox.add, request())
    await archive.write(outbox.sending, entry.send_id)
    await archive.outbox_sent(entry.send_id, "3EB001", ev.NOW)
    told = [change.detail for change in await archive.changes(0) if change.kind == "send"]
    assert told == ["1 queued", "1 sending", "1 sent"]


async def test_a_sent_message_is_stored_with_its_file(archive: Archive) -> None:
    body = E2E.Message()
    body.imageMessage.caption = "sunset"
    body.imageMessage.mimetype = "image/jpeg"
    body.imageMessage.mediaKey = b"k" * 32
    body.imageMessage.directPath = "/v/t62"
    entry, _ = await archive.write(outbox.add, request("sunset"))
    await archive.write(outbox.sending, entry.send_id)
    sent = body.SerializeToString()
    await archive.outbox_sent(entry.send_id, "3EB0DD", ev.NOW, message=sent)
    stored = await archive.message("3EB0DD")
    assert stored.media is not None
    assert (await archive.media_source(stored.ref)).direct_path == "/v/t62"


async def test_the_newest_send_is_found_in_the_change_feed_by_time_and_chat(archive: Archive) -> None:
    hour_ago, in_an_hour = ev.NOW - timedelta(hours=1), ev.NOW + timedelta(hours=1)
    assert await archive.last_send(hour_ago) is None
    await archive.write(outbox.add, request("to Ana"))
    to_ana = await archive.last_change()
    await archive.write(outbox.add, request("to Bob", chat=BOB))
    to_bob = await archive.last_change()
    await archive.ingest(journal([ev.message("3EB002", "hi", chat=ANA)]))
    assert await archive.last_send(hour_ago) == to_bob
    assert await archive.last_send(hour_ago, chat=ANA) == to_ana
    assert await archive.last_send(in_an_hour) is None


async def test_a_send_is_followed_to_whoever_has_the_number_now(archive: Archive) -> None:
    bob_lid = ev.BOB_LID
    await archive.ingest(journal([ev.message("A1", "Ana here", chat=ANA, alt=ANA_LID)]))
    entry, _ = await archive.write(outbox.add, request())
    await archive.write(outbox.sending, entry.send_id)
    await archive.write(recording.record_identities, [(ANA, bob_lid)])
    sent = await archive.outbox_sent(entry.send_id, "3EB0AA", ev.NOW + timedelta(seconds=5))
    assert sent.ref == 2
    await archive.ingest(journal([ev.receipt("3EB0AA", chat=bob_lid, at=now() + 9)], after=1))
    assert (await archive.outbox_get(entry.send_id)).status is SendStatus.READ


async def test_a_lost_send_is_found_with_whoever_has_the_number_now(archive: Archive) -> None:
    await archive.ingest(journal([ev.message("A1", "Ana here", chat=ANA, alt=ANA_LID)]))
    entry, _ = await archive.write(outbox.add, request())
    await archive.write(outbox.sending, entry.send_id)
    await archive.write(recording.record_identities, [(ANA, ev.BOB_LID)])
    echo = ev.message("3EB0AA", "hi", chat=ev.BOB_LID, sender=None, at=now())
    await archive.ingest(journal([echo], after=1))
    assert (
        await archive.write(outbox.unknown, entry.send_id, "The client died.", message_id="3EB0AA")
    ).status is SendStatus.SENT


async def test_a_send_to_a_number_is_not_sent_twice_when_the_number_passes_to_somebody_else(
    archive: Archive,
) -> None:
    await archive.ingest(journal([ev.message("A1", "Ana here", chat=ANA, alt=ANA_LID)]))
    entry, _ = await archive.write(outbox.add, request(key="k"))
    await archive.write(recording.record_identities, [(ANA, ev.BOB_LID)])
    assert await archive.write(outbox.add, request(key="k")) == (entry, False)
    with pytest.raises(SendUnknown):
        await archive.write(outbox.add, request())
