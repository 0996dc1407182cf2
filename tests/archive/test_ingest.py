"""From the journal into the archive: once, whole, whatever comes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, ANA_LID, BOB, GROUP, NOON, NOW, journal
from whatsapp_mcp.archive import Archive, open_archive
from whatsapp_mcp.archive.database import connections
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.errors import DeadlineExceeded
from whatsapp_mcp.models import MessageFilter, MessageKind, SendStatus
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio


async def texts(archive: Archive, chat: str | None = None) -> list[str]:
    page = await archive.messages(MessageFilter(chat=chat), oldest_first=True, limit=500)
    return [message.text for message in page.items]


async def test_an_archive_that_does_not_exist_reads_as_an_empty_one(folder: AccountFolder) -> None:
    async with open_archive(folder) as reader:
        assert await reader.position() == 0
        assert (await reader.chats()).items == ()
        assert not folder.archive_db.exists()


async def test_a_reader_sees_at_once_what_the_writer_has_committed(folder: AccountFolder) -> None:
    async with open_archive(folder) as reader, open_archive(folder, write=True, now=lambda: NOW) as writer:
        await writer.ingest(journal([ev.message("A1", "first")]))
        assert [m.text for m in (await reader.messages()).items] == ["first"]
        await writer.ingest(journal([ev.message("A2", "second", at=NOON + 1)], after=1))
        assert [m.text for m in (await reader.messages()).items] == ["second", "first"]


async def test_a_redelivered_message_is_stored_once(archive: Archive) -> None:
    result = await archive.ingest(journal([ev.message("A1", "hello"), ev.message("A1", "hello")]))
    assert (result.messages, result.duplicates, result.position) == (1, 1, 2)
    assert await texts(archive) == ["hello"]


async def test_events_up_to_the_position_are_skipped(archive: Archive) -> None:
    events = journal([ev.message("A1", "one"), ev.message("A2", "two", at=NOON + 1)])
    await archive.ingest(events)
    again = await archive.ingest([*events, *journal([ev.message("A3", "three", at=NOON + 2)], after=2)])
    assert (again.messages, again.duplicates, again.position) == (1, 0, 3)


async def test_the_same_id_from_two_senders_of_a_group_is_two_messages(archive: Archive) -> None:
    await archive.ingest(
        journal(
            [
                ev.message("A1", "from Ana", chat=GROUP, sender=ANA),
                ev.message("A1", "from Bob", chat=GROUP, sender=BOB, at=NOON + 1),
            ]
        )
    )
    assert await texts(archive) == ["from Ana", "from Bob"]


async def test_a_message_with_nothing_but_a_group_key_is_no_message(archive: Archive) -> None:
    keys = E2E.Message()
    keys.senderKeyDistributionMessage.groupID = GROUP
    where: dict[str, Any] = {"chat": GROUP, "sender": ANA}
    await archive.ingest(journal([ev.message("A1", keys, **where), ev.message("A1", "the text", **where)]))
    assert await texts(archive) == ["the text"]


async def test_what_cannot_be_decoded_is_kept_and_counted_and_stops_nothing(archive: Archive) -> None:
    broken = ev.Raw(EventCode.MESSAGE, b"\x0a\xff\x01")
    result = await archive.ingest(journal([ev.message("A1", "before"), broken, ev.message("A2", "after")]))
    assert (result.messages, result.undecoded, result.position) == (2, 1, 3)
    assert (await archive.statistics()).undecoded == 1


async def test_a_poisoned_message_of_a_history_chunk_costs_only_itself(
    archive: Archive, folder: AccountFolder
) -> None:
    good = [ev.web_message(f"H{n}", f"text {n}", at=NOON + n) for n in range(3)]
    nested = E2E.Message(conversation="deep")
    for _ in range(40):
        outer = E2E.Message()
        outer.ephemeralMessage.message.CopyFrom(nested)
        nested = outer
    bad = ev.web_message("BAD", nested, at=NOON + 9)
    result = await archive.ingest(journal([ev.history(ev.conversation([bad, *good]))]))
    assert (result.messages, result.undecoded) == (3, 1)
    with closing(sqlite3.connect(folder.archive_db)) as db:
        assert db.execute("SELECT payload FROM undecoded").fetchone()[0] == bad.SerializeToString()


async def test_a_text_with_a_lone_surrogate_or_nul_is_kept_or_set_aside_but_never_raises(
    archive: Archive,
) -> None:
    odd = ev.message("A1", "nul \x00 inside")
    result = await archive.ingest(journal([odd, ev.message("A2", "next", at=NOON + 1)]))
    assert result.messages + result.undecoded == 2
    assert "next" in await texts(archive)


async def test_a_time_that_makes_no_sense_is_replaced_by_the_time_of_arrival(archive: Archive) -> None:
    await archive.ingest(journal([ev.message("A1", "when?", at=-5), ev.message("A2", "later", at=1 << 40)]))
    assert {m.timestamp.timestamp() for m in (await archive.messages()).items} == {NOON}


async def test_an_undecryptable_message_keeps_its_place_for_the_one_that_comes_later(
    archive: Archive,
) -> None:
    await archive.ingest(journal([ev.undecryptable("A1"), ev.message("A2", "other", at=NOON + 5)]))
    page = await archive.messages(oldest_first=True)
    assert [m.kind for m in page.items] == [MessageKind.UNDECRYPTABLE, MessageKind.TEXT]
    assert any("could not be decrypted" in note for note in page.notes)
    await archive.ingest(journal([ev.message("A1", "here it is")], after=2))
    after = await archive.messages(oldest_first=True)
    assert [m.text for m in after.items] == ["here it is", "other"]
    assert after.items[0].ref == page.items[0].ref
    assert [m.text for m in (await archive.search("here")).items] == ["here it is"]


async def test_unknown_content_is_kept_raw_and_named(archive: Archive, folder: AccountFolder) -> None:
    body = E2E.Message.FromString(b"\xc2\x3e\x02hi")
    await archive.ingest(journal([ev.message("A1", body)]))
    (message,) = (await archive.messages()).items
    assert message.kind is MessageKind.UNKNOWN
    assert message.details == {"type": "field 1000"}
    with closing(sqlite3.connect(folder.raw_db)) as db:
        assert db.execute("SELECT count(*) FROM raw").fetchone() == (1,)


async def test_peer_and_empty_messages_say_nothing(archive: Archive) -> None:
    share: Any = E2E.Message()
    share.protocolMessage.type = 6
    result = await archive.ingest(journal([ev.message("A1", share, chat=ev.ME, sender=None)]))
    assert (result.messages, result.undecoded) == (0, 0)


async def test_events_that_are_not_archived_move_the_position(archive: Archive) -> None:
    presence = ev.Raw(EventCode.PRESENCE, b"whatever")
    assert (await archive.ingest(journal([presence]))).position == 1


async def test_messages_from_the_phone_are_own_messages(archive: Archive) -> None:
    await archive.ingest(journal([ev.message("A1", "from my phone", sender=None)]))
    (message,) = (await archive.messages()).items
    assert message.from_me
    assert message.status is SendStatus.SENT
    assert (await archive.chats()).items[0].unread == 0


async def test_two_messages_of_one_second_keep_the_order_of_arrival(archive: Archive) -> None:
    await archive.ingest(journal([ev.message(f"A{n}", f"{n}") for n in range(12)]))
    assert await texts(archive) == [str(n) for n in range(12)]


async def test_the_change_feed_tells_each_thing_once_in_order(archive: Archive) -> None:
    await archive.ingest(
        journal(
            [
                ev.message("A1", "hello"),
                ev.message("A1", "hello"),
                ev.reaction("A1", "👍"),
                ev.edit("A1", "hullo"),
                ev.revoke("A1"),
            ]
        )
    )
    changes = await archive.changes(0)
    assert [change.kind for change in changes] == ["message", "reaction", "edit", "revoke"]
    assert {change.ref for change in changes} == {1}
    assert await archive.changes(changes[-1].seq) == ()
    assert await archive.last_change() == changes[-1].seq


@pytest.mark.parametrize("by_whom", ["the writer", "a reader"])
async def test_waiting_for_a_change_ends_with_it(folder: AccountFolder, by_whom: str) -> None:
    async with open_archive(folder, write=True, now=lambda: NOW) as writer, open_archive(folder) as reader:
        archive = writer if by_whom == "the writer" else reader
        assert await archive.wait_change(0, timeout=0) == 0
        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                group.start_soon(writer.ingest, journal([ev.message("A1")]))
                assert await archive.wait_change(0, timeout=5) == 1


async def test_an_identity_in_a_message_reaches_contact_and_chat(archive: Archive) -> None:
    await archive.ingest(journal([ev.message("A1", "hi", chat=ANA_LID, alt=ANA, name="Ana")]))
    contact = await archive.contact(ANA)
    assert contact is not None
    assert (contact.lid, contact.number, contact.name) == (ANA_LID, "+15550000001", "Ana")
    assert [m.chat for m in (await archive.messages(MessageFilter(chat=ANA))).items] == [ANA]


async def test_what_cannot_be_written_costs_only_itself(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    from whatsapp_mcp.decoding import content, kinds

    def too_big(value: Any) -> Any:
        poison = content.Content(MessageKind.STICKER, "poison", kinds.media_of(value, "sticker"))
        assert poison.media is not None
        poison.media.size = 1 << 70
        return poison

    monkeypatch.setitem(content.HANDLERS, "stickerMessage", too_big)
    sticker = E2E.Message()
    sticker.stickerMessage.mimetype = "image/webp"
    chunk = [
        ev.web_message("H1", "one"),
        ev.web_message("H2", sticker),
        ev.web_message("H3", "three", at=NOON + 3),
    ]
    events = [ev.message("A1", "before"), ev.message("A2", sticker), ev.history(ev.conversation(chunk))]
    result = await archive.ingest(journal([*events, ev.message("A3", "after", at=NOON + 9)]))
    assert (result.messages, result.undecoded, result.position) == (4, 2, 4)
    assert sorted(await texts(archive)) == ["after", "before", "one", "three"]
    assert await archive.check() == ()


async def test_hostile_numbers_neither_hide_a_message_nor_break_reading(archive: Archive) -> None:
    image, place = E2E.Message(), E2E.Message()
    image.imageMessage.fileLength = (1 << 64) - 1
    place.locationMessage.degreesLatitude = float("nan")
    events = [
        ev.message("A1", image),
        ev.message("A2", place, at=NOON + 1),
        ev.message("A3", "text", at=NOON + 2),
        ev.edit("A3", "edited", at=1 << 45),
        ev.reaction("A3", "👍", at=1 << 45),
    ]
    assert (await archive.ingest(journal(events))).undecoded == 0
    page = await archive.messages(oldest_first=True)
    assert [m.kind for m in page.items] == [MessageKind.IMAGE, MessageKind.LOCATION, MessageKind.TEXT]
    assert page.items[0].media is not None
    assert page.items[0].media.size is None
    assert page.items[1].details is None
    assert page.items[2].text == "edited"


async def test_old_entries_of_the_change_feed_are_dropped_and_the_numbers_go_on(
    archive: Archive, folder: AccountFolder
) -> None:
    await archive.ingest(journal([ev.message(f"A{n}", at=NOON + n) for n in range(20)]))
    with closing(sqlite3.connect(folder.archive_db)) as db:
        db.execute("UPDATE events SET at = at - 40 * 86400000")
        db.commit()
    presence = [ev.Raw(EventCode.PRESENCE, b"")] * 500
    await archive.ingest(journal(presence, after=20))
    assert await archive.changes(0) == ()
    assert await archive.last_change() == 20
    await archive.ingest(journal([ev.message("B1", at=NOON + 99)], after=520))
    assert [change.seq for change in await archive.changes(0)] == [21]


async def test_what_looks_at_everything_may_take_longer_than_other_reads(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    await archive.ingest(journal([ev.message(f"A{n}", at=NOON + n) for n in range(3_000)]))
    monkeypatch.setattr(connections, "READ_DEADLINE", 0.0)
    with pytest.raises(DeadlineExceeded):
        await archive.search("nothing", mode="substring")
    assert (await archive.statistics()).messages == 3_000
    assert await archive.arrived() == (datetime.fromtimestamp(NOON + 2_999, UTC), 0)
