"""Whose words a message carries, as the archive gives it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, BOB, GROUP, ME, NOON, journal
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.models import (
    ContactUpdate,
    last_words_are_strangers,
    quote_is_strangers,
    words_are_strangers,
)
from whatsapp_mcp.protobufs import E2E

pytestmark = pytest.mark.anyio

CHANNEL = "120363000000000009@newsletter"


def forwarded(text: str = "pass it on") -> Any:
    body: Any = E2E.Message()
    body.extendedTextMessage.text = text
    body.extendedTextMessage.contextInfo.isForwarded = True
    return body


def reply(to: str, quoted: str = "as they said") -> Any:
    body: Any = E2E.Message()
    body.extendedTextMessage.text = "yes"
    context = body.extendedTextMessage.contextInfo
    context.stanzaID, context.participant = to, ANA
    context.quotedMessage.conversation = quoted
    return body


async def told(archive: Archive, *events: ev.Raw) -> None:
    """Ana is in the address book, Bob is not."""
    await archive.write(recording.set_own, ME, None, "Max")
    await archive.write(
        recording.record_contacts, [ContactUpdate(ANA, saved_name="Ana"), ContactUpdate(BOB, push_name="Bob")]
    )
    await archive.ingest(journal(events))


@for_each(
    "event, strangers",
    [
        (ev.message("M1", chat=ANA), False),
        (ev.message("M1", chat=BOB), True),
        (ev.message("M1", chat=GROUP, sender=ANA), False),
        (ev.message("M1", chat=GROUP, sender=BOB), True),
        (ev.message("M1", chat=ANA, sender=None), False),
        (ev.message("M1", chat=BOB, sender=None), False),
        (ev.message("M1", forwarded(), chat=ANA), True),
        (ev.message("M1", forwarded(), chat=ANA, sender=None), True),
        (ev.message("M1", chat=CHANNEL, sender=CHANNEL), True),
        (ev.message("M1", chat="status@broadcast", sender=ANA), False),
    ],
    archive="archives",
)
async def test_the_author_of_a_message_counts_and_not_who_passed_it_on(
    archive: Archive, event: ev.Raw, strangers: bool
) -> None:
    await told(archive, event)
    assert words_are_strangers(await archive.message("M1")) is strangers
    (chat,) = (await archive.chats()).items
    assert chat.last_message is not None
    assert last_words_are_strangers(chat.last_message) is strangers


async def test_what_was_sent_after_reading_strangers_words_counts_as_theirs(archive: Archive) -> None:
    await told(archive, ev.message("M1", chat=ANA, sender=None), ev.message("R1", reply("M1"), at=NOON + 1))
    (chat,) = (await archive.chats()).items
    assert words_are_strangers(await archive.message("M1"), {"M1"})
    answer = await archive.message("R1")
    assert answer.quote is not None
    assert not quote_is_strangers(answer.quote)
    assert quote_is_strangers(answer.quote, {"M1"})
    assert chat.last_message is not None
    assert not last_words_are_strangers(chat.last_message, {"M1"})


@for_each(
    "quoted, strangers",
    [
        (ev.message("Q1", chat=GROUP, sender=ANA), False),
        (ev.message("Q1", chat=GROUP, sender=BOB), True),
        (ev.message("Q1", forwarded(), chat=GROUP, sender=ANA), True),
        (ev.message("Q1", chat=GROUP, sender=None), False),
        (None, True),
    ],
    archive="archives",
)
async def test_what_a_reply_quotes_is_its_authors(
    archive: Archive, quoted: ev.Raw | None, strangers: bool
) -> None:
    answer = ev.message("R1", reply("Q1"), chat=GROUP, sender=ANA, at=NOON + 1)
    await told(archive, *([quoted] if quoted else []), answer)
    quote = (await archive.message("R1")).quote
    assert quote is not None
    assert quote_is_strangers(quote) is strangers
