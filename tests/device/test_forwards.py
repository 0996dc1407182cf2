"""What is forwarded keeps its kind, and says that it was forwarded."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from whatsapp_mcp.archive import ReadingArchive
from whatsapp_mcp.device.outbox.derived_messages import forward
from whatsapp_mcp.errors import MediaUnavailable, Unsupported
from whatsapp_mcp.models import Actor, Message, MessageKind, PollOption
from whatsapp_mcp.protobufs import E2E

pytestmark = pytest.mark.anyio

ANN = "15550002222@s.whatsapp.net"
NO_ARCHIVE = cast("ReadingArchive", None)
SAID = Message(
    1,
    "3EB0",
    ANN,
    "Ann",
    ANN,
    "Ann",
    from_me=False,
    kind=MessageKind.TEXT,
    text="",
    timestamp=datetime.now(UTC),
)
CARDS = [
    {"name": "Bob", "numbers": ["+1"], "vcard": "BEGIN:VCARD\nFN:Bob\nEND:VCARD"},
    {"name": "Cid", "numbers": [], "vcard": "BEGIN:VCARD\nFN:Cid\nEND:VCARD"},
]


async def again(kind: MessageKind, text: str = "", **details: Any) -> E2E.Message:
    return await forward(replace(SAID, kind=kind, text=text, details=details or None), NO_ARCHIVE)


async def test_a_text_is_forwarded_as_text() -> None:
    body = (await again(MessageKind.TEXT, "see you")).extendedTextMessage
    assert (body.text, body.contextInfo.isForwarded, body.contextInfo.forwardingScore) == ("see you", True, 1)


async def test_a_place_keeps_its_coordinates() -> None:
    place = (await again(MessageKind.LOCATION, "Harbour", latitude=54.5, longitude=-10.25)).locationMessage
    assert (place.degreesLatitude, place.degreesLongitude, place.name) == (54.5, -10.25, "Harbour")
    assert place.contextInfo.isForwarded


async def test_a_card_keeps_all_that_stands_on_it() -> None:
    card = (await again(MessageKind.CONTACT, "Bob +1", contacts=CARDS[:1])).contactMessage
    assert (card.displayName, card.vcard) == ("Bob", CARDS[0]["vcard"])
    assert card.contextInfo.isForwarded


async def test_several_cards_stay_together() -> None:
    cards = (await again(MessageKind.CONTACT, "Bob, Cid", contacts=CARDS)).contactsArrayMessage
    assert [card.displayName for card in cards.contacts] == ["Bob", "Cid"]
    assert cards.contextInfo.isForwarded


async def test_a_poll_is_asked_again_without_its_votes() -> None:
    options = (PollOption("Sat", (Actor("Ann"),)), PollOption("Sun"))
    asked = replace(SAID, kind=MessageKind.POLL, text="When?", poll=options, details={"choose": 1})
    poll = (await forward(asked, NO_ARCHIVE)).pollCreationMessage
    assert (poll.name, [option.optionName for option in poll.options]) == ("When?", ["Sat", "Sun"])
    assert (poll.selectableOptionsCount, poll.contextInfo.isForwarded) == (1, True)


@pytest.mark.parametrize(
    "kind", [MessageKind.LIVE_LOCATION, MessageKind.EVENT, MessageKind.CALL, MessageKind.UNDECRYPTABLE]
)
async def test_what_cannot_be_forwarded_is_refused_even_if_it_has_a_text(kind: MessageKind) -> None:
    with pytest.raises(Unsupported):
        await again(kind, "some words")


async def test_a_message_without_anything_is_refused() -> None:
    with pytest.raises(MediaUnavailable):
        await again(MessageKind.TEXT)
