"""What a forged page of an archive may not do to what is here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, NOON, journal
from tests.archive.test_hostile import everything_reads
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, exchange
from whatsapp_mcp.models import ForeignMessage, ForeignPage, ImportSource, ImportState, MessageFilter

pytestmark = pytest.mark.anyio
AT = 1_600_000_000


def forged(number: int, **facts: Any) -> ForeignMessage:
    """One of Ana's, a second after the one before."""
    told = ForeignMessage(f"3A{number:06}", ANA, ANA, AT + number, text=f"message {number}")
    return replace(told, **facts)


async def imported(archive: Archive, *messages: ForeignMessage) -> int:
    """Import a page of messages; answers the number of the import."""
    record = await archive.write(exchange.import_begun, ImportSource.ANDROID, "msgstore.db", b"f" * 32)
    await archive.import_page(record.number, ForeignPage(messages))
    await archive.write(exchange.import_ended, record.number, ImportState.DONE)
    return record.number


@for_each("when", [-(10**17), -1, 0, 10**17, (1 << 63) - 1], archive="archives")
async def test_a_deletion_at_an_impossible_time_counts_from_when_the_message_was_sent(
    archive: Archive, when: int
) -> None:
    await imported(archive, forged(1, revoked_at=when))
    (message,) = await everything_reads(archive)
    assert message.revoked_at == message.timestamp


@for_each("sender", [ANA, None])
@for_each("ahead", [-1800, 0, 3600, 86_000], archive="archives")
async def test_a_message_of_a_file_marks_none_as_read_that_came_over_the_connection(
    archive: Archive, sender: str | None, ahead: int
) -> None:
    await archive.ingest(journal([ev.message("A1", "one"), ev.message("A2", "two", at=NOON + 60)]))
    newest = forged(1, at=int(ev.NOW.timestamp()) + ahead, sender=sender)
    number = await imported(archive, newest, forged(2))
    unread = [one.message_id for one in (await archive.messages(MessageFilter(unread=True))).items]
    assert unread == ["A2", "A1"]
    await archive.ingest(journal([ev.message("A3", "three", at=int(ev.NOW.timestamp()) + 1)], after=2))
    assert (await archive.chats()).items[0].unread == 3
    while await archive.write(exchange.import_undone, number):
        pass
    assert (await archive.chats()).items[0].unread == 3


async def test_what_a_file_brings_to_a_chat_without_unread_messages_counts_as_read(archive: Archive) -> None:
    await imported(archive, forged(1), forged(2))
    assert (await archive.chats()).items[0].unread == 0


@for_each("told", ["d", "wd", "dw", "wdw"])
@for_each("sender", [ANA, None], archive="archives")
async def test_a_deletion_in_a_file_deletes_no_message_that_comes_over_the_connection_later(
    archive: Archive, told: str, sender: str | None
) -> None:
    words = forged(1, at=NOON, sender=sender, edited_at_ms=NOON * 1000 + 5000)
    deleted = replace(words, text="", edited_at_ms=None, revoked_at=NOON + 3)
    number = await imported(archive, *({"w": words, "d": deleted}[each] for each in told))
    await archive.ingest(journal([ev.message(words.id, "as it is", sender=sender)]))
    for _ in ("before the undo", "after it"):
        (message,) = (await archive.messages()).items
        assert (message.text, message.revoked_at, message.imported) == ("as it is", None, False)
        while await archive.write(exchange.import_undone, number):
            pass
