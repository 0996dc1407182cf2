"""Every kind of message has its words, its file and its details."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, ANA_LID, GROUP, NOON, journal
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.decoding import content, kinds
from whatsapp_mcp.errors import MediaUnavailable
from whatsapp_mcp.models import Media, MessageFilter, MessageKind
from whatsapp_mcp.protobufs import E2E, Neonize

pytestmark = pytest.mark.anyio


def _file(value: Any, mime_type: str) -> None:
    value.mimetype, value.fileLength = mime_type, 1234
    value.mediaKey, value.directPath, value.URL = b"k" * 32, "/v/path", "https://mmg.whatsapp.net/x"
    value.fileSHA256, value.fileEncSHA256 = b"s" * 32, b"e" * 32


def _image(body: Any) -> None:
    _file(body.imageMessage, "image/jpeg")
    body.imageMessage.caption, body.imageMessage.width, body.imageMessage.height = "sunset", 640, 480


def _video(body: Any) -> None:
    _file(body.videoMessage, "video/mp4")
    body.videoMessage.seconds = 7


def _gif(body: Any) -> None:
    _video(body)
    body.videoMessage.gifPlayback = True


def _voice(body: Any) -> None:
    _file(body.audioMessage, "audio/ogg; codecs=opus")
    body.audioMessage.PTT, body.audioMessage.seconds = True, 12


def _audio(body: Any) -> None:
    _file(body.audioMessage, "audio/mpeg")


def _document(body: Any) -> None:
    inner = body.documentWithCaptionMessage.message.documentMessage
    _file(inner, "application/pdf")
    inner.fileName, inner.caption = "contract.pdf", "please sign"


def _sticker(body: Any) -> None:
    _file(body.stickerMessage, "image/webp")


def _location(body: Any) -> None:
    body.locationMessage.degreesLatitude, body.locationMessage.degreesLongitude = 52.52, 13.405
    body.locationMessage.name, body.locationMessage.address = "Alexanderplatz", "Berlin"


def _live_location(body: Any) -> None:
    body.liveLocationMessage.degreesLatitude = 1.5
    body.liveLocationMessage.caption = "on my way"


def _contact(body: Any) -> None:
    body.contactMessage.displayName = "Bob"
    body.contactMessage.vcard = (
        "BEGIN:VCARD\nFN:Bob\nTEL;type=CELL;waid=15550000002:+1 555 000 0002\nEND:VCARD"
    )


def _contacts(body: Any) -> None:
    body.contactsArrayMessage.contacts.add(displayName="Bob", vcard="")
    body.contactsArrayMessage.contacts.add(displayName="Eve", vcard="")


def _event(body: Any) -> None:
    body.eventMessage.name, body.eventMessage.startTime = "Dinner", NOON
    body.eventMessage.location.name = "Trattoria"


def _list(body: Any) -> None:
    body.listMessage.title, body.listMessage.description = "Menu", "Choose"
    body.listMessage.sections.add().rows.add(title="Soup")


def _buttons(body: Any) -> None:
    _file(body.buttonsMessage.imageMessage, "image/jpeg")
    body.buttonsMessage.contentText = "Shall we deliver today?"
    for label in ("Yes", "No"):
        body.buttonsMessage.buttons.add().buttonText.displayText = label


def _native_flow(body: Any) -> None:
    flow = body.interactiveMessage
    flow.body.text = "How was it?"
    flow.nativeFlowMessage.buttons.add(
        name="cta_url", buttonParamsJSON='{"display_text": "Rate us", "url": "https://x.example"}'
    )
    flow.nativeFlowMessage.buttons.add(name="send_location", buttonParamsJSON="[" * 5000)


def _carousel(body: Any) -> None:
    for title in ("Boat", "Car"):
        card = body.interactiveMessage.carouselMessage.cards.add()
        card.body.text = title
        card.nativeFlowMessage.buttons.add(name="quick_reply", buttonParamsJSON='{"display_text": "Buy"}')


def _product(body: Any) -> None:
    item = body.productMessage.product
    item.title, item.description, item.currencyCode, item.priceAmount1000 = "Boat", "Red", "eur", 12000


def _order(body: Any) -> None:
    body.orderMessage.orderTitle, body.orderMessage.itemCount = "Fish & Co", 3
    body.orderMessage.totalAmount1000, body.orderMessage.totalCurrencyCode = 45500, "EUR; drop"


def _payment_request(body: Any) -> None:
    asked = body.requestPaymentMessage
    asked.noteMessage.conversation, asked.expiryTimestamp = "for the taxi", NOON
    asked.amount.value, asked.amount.offset, asked.amount.currencyCode = 1250, 100, "INR"


def _payment_invite(body: Any) -> None:
    body.paymentInviteMessage.serviceType = 3


def _sticker_pack(body: Any) -> None:
    body.stickerPackMessage.name, body.stickerPackMessage.stickerPackID = "Cats", "p1"
    for _ in range(3):
        body.stickerPackMessage.stickers.add(fileName="a.webp")


def _channel_invite(body: Any) -> None:
    body.newsletterFollowerInviteMessageV2.newsletterName = "News"
    body.newsletterFollowerInviteMessageV2.newsletterJID = "1@newsletter"


def _event_invite(body: Any) -> None:
    body.eventInviteMessage.eventTitle, body.eventInviteMessage.startTime = "Dinner", NOON


def _ai(body: Any) -> None:
    body.richResponseMessage.submessages.add(messageText="Forty-two.")


def _of_the_future(body: Any) -> None:
    body.MergeFromString(b"\xc2\x3e\x02hi")


def _list_reply(body: Any) -> None:
    body.listResponseMessage.title = "Soup"
    body.listResponseMessage.singleSelectReply.selectedRowID = "1"


def _buttons_reply(body: Any) -> None:
    body.buttonsResponseMessage.selectedDisplayText, body.buttonsResponseMessage.selectedButtonID = "Yes", "y"


def _template(body: Any) -> None:
    body.templateMessage.hydratedTemplate.hydratedContentText = "Your parcel is here"


def _interactive(body: Any) -> None:
    body.interactiveMessage.header.title, body.interactiveMessage.body.text = "Offer", "Today only"


def _invite(body: Any) -> None:
    body.groupInviteMessage.groupName, body.groupInviteMessage.groupJID = "Club", GROUP


def _call_log(body: Any) -> None:
    body.callLogMesssage.isVideo, body.callLogMesssage.callOutcome = True, 1


def _future(body: Any) -> None:
    body.spoilerMessage.message.conversation = "wrapped in something new"


KINDS: list[tuple[Callable[[Any], None], MessageKind, str, dict[str, Any] | None]] = [
    (_image, MessageKind.IMAGE, "sunset", None),
    (_video, MessageKind.VIDEO, "", None),
    (_gif, MessageKind.GIF, "", None),
    (_voice, MessageKind.VOICE, "", None),
    (_audio, MessageKind.AUDIO, "", None),
    (_document, MessageKind.DOCUMENT, "please sign", None),
    (_sticker, MessageKind.STICKER, "", None),
    (_location, MessageKind.LOCATION, "Alexanderplatz, Berlin", {"latitude": 52.52, "longitude": 13.405}),
    (_live_location, MessageKind.LIVE_LOCATION, "on my way", {"latitude": 1.5, "longitude": 0.0}),
    (_contacts, MessageKind.CONTACT, "Bob, Eve", None),
    (_event, MessageKind.EVENT, "Dinner\nTrattoria", None),
    (
        _list,
        MessageKind.TEXT,
        "Menu\nChoose",
        {"what": "list", "title": "Menu", "choices": ["Soup"]},
    ),
    (_list_reply, MessageKind.TEXT, "Soup", {"what": "chosen", "chosen": "1"}),
    (_buttons_reply, MessageKind.TEXT, "Yes", {"what": "chosen", "chosen": "y"}),
    (_template, MessageKind.TEXT, "Your parcel is here", {"what": "template"}),
    (_interactive, MessageKind.TEXT, "Offer\nToday only", {"what": "interactive message"}),
    (
        _invite,
        MessageKind.TEXT,
        "Club",
        {"what": "group invite", "title": "Club", "invite": {"group": GROUP, "code": ""}},
    ),
    (
        _buttons,
        MessageKind.IMAGE,
        "Shall we deliver today?",
        {"what": "buttons", "choices": ["Yes", "No"]},
    ),
    (
        _native_flow,
        MessageKind.TEXT,
        "How was it?",
        {"what": "buttons", "choices": ["Rate us https://x.example", "send location"]},
    ),
    (
        _carousel,
        MessageKind.TEXT,
        "Boat\nCar",
        {"what": "carousel", "items": 2, "choices": ["Buy", "Buy"]},
    ),
    (
        _product,
        MessageKind.TEXT,
        "Boat\nRed",
        {"what": "product", "title": "Boat", "price": "12.00 EUR"},
    ),
    (
        _order,
        MessageKind.TEXT,
        "Fish & Co",
        {"what": "order", "title": "Fish & Co", "items": 3, "price": "45.50"},
    ),
    (
        _payment_request,
        MessageKind.TEXT,
        "for the taxi",
        {"what": "payment request", "price": "12.50 INR", "expires_at": NOON},
    ),
    (_payment_invite, MessageKind.TEXT, "", {"what": "invitation to payments"}),
    (
        _sticker_pack,
        MessageKind.STICKER,
        "Cats",
        {"what": "sticker pack", "title": "Cats", "items": 3, "pack": "p1"},
    ),
    (
        _channel_invite,
        MessageKind.TEXT,
        "News",
        {"what": "channel invite", "title": "News", "channel": "1@newsletter"},
    ),
    (_event_invite, MessageKind.EVENT, "Dinner", {"starts_at": NOON, "cancelled": False}),
    (_ai, MessageKind.TEXT, "Forty-two.", {"what": "answer of an AI"}),
    (_of_the_future, MessageKind.UNKNOWN, "", {"type": "field 1000"}),
    (_call_log, MessageKind.CALL, "Missed video call", None),
    (_future, MessageKind.TEXT, "wrapped in something new", None),
]


@for_each("fill, kind, text, details", KINDS)
@for_each("from_history", [False, True], archive="archives")
async def test_each_kind_is_told_alike_live_and_from_the_past(
    archive: Archive,
    fill: Callable[[Any], None],
    kind: MessageKind,
    text: str,
    details: dict[str, Any] | None,
    from_history: bool,
) -> None:
    body = E2E.Message()
    fill(body)
    live = ev.message("A1", body)
    past = ev.history(ev.conversation([ev.web_message("A1", body)]))
    await archive.ingest(journal([past if from_history else live]))
    (message,) = (await archive.messages()).items
    assert (message.kind, message.text) == (kind, text)
    if details is not None:
        assert message.details == details


async def test_a_file_keeps_what_its_download_needs(archive: Archive) -> None:
    body = E2E.Message()
    _image(body)
    await archive.ingest(journal([ev.message("A1", body), ev.message("A2", at=NOON + 1)]))
    message = await archive.message("A1")
    assert message.media == Media("image/jpeg", None, 1234, None, 640, 480)
    source = await archive.media_source(message.ref)
    assert (source.media_type, source.direct_path, source.media_key) == ("image", "/v/path", b"k" * 32)
    assert (source.sha256, source.enc_sha256) == (b"s" * 32, b"e" * 32)
    await archive.write(recording.record_media_path, message.ref, "sunset.jpg")
    assert (await archive.media_source("A1")).path == "sunset.jpg"
    with pytest.raises(MediaUnavailable):
        await archive.media_source("A2")


async def test_a_document_is_found_by_its_name(archive: Archive) -> None:
    body = E2E.Message()
    _document(body)
    await archive.ingest(journal([ev.message("A1", body)]))
    (hit,) = (await archive.search("contract pdf")).items
    assert hit.media is not None
    assert hit.media.file_name == "contract.pdf"
    assert hit.snippet == "**contract.pdf**"


async def test_a_contact_card_gives_its_numbers(archive: Archive) -> None:
    body = E2E.Message()
    _contact(body)
    await archive.ingest(journal([ev.message("A1", body)]))
    (message,) = (await archive.messages()).items
    assert message.text == "Bob +1 555 000 0002"
    assert message.details is not None
    assert message.details["contacts"][0]["numbers"] == ["+1 555 000 0002"]


async def test_a_reply_shows_what_it_answers_also_when_that_is_not_archived(archive: Archive) -> None:
    reply = E2E.Message()
    reply.extendedTextMessage.text = "yes"
    context = reply.extendedTextMessage.contextInfo
    context.stanzaID, context.participant = "A1", ANA
    context.quotedMessage.conversation = "coming?"
    await archive.ingest(journal([ev.message("A2", reply, sender=None, at=NOON + 5)]))
    quote = (await archive.message("A2")).quote
    assert quote is not None
    assert (quote.ref, quote.text) == (None, "coming?")
    await archive.ingest(journal([ev.message("A1", "coming?", name="Ana")], after=1))
    quote = (await archive.message("A2")).quote
    assert quote is not None
    assert (quote.text, quote.sender_name) == ("coming?", "Ana")
    assert quote.ref == (await archive.message("A1")).ref


async def test_forwarded_view_once_and_disappearing_are_marked(archive: Archive) -> None:
    forwarded, once, fading = E2E.Message(), E2E.Message(), E2E.Message()
    forwarded.extendedTextMessage.text = "look https://example.org"
    forwarded.extendedTextMessage.contextInfo.isForwarded = True
    _image(once.viewOnceMessageV2.message)
    fading.ephemeralMessage.message.extendedTextMessage.text = "soon gone"
    fading.ephemeralMessage.message.extendedTextMessage.contextInfo.expiration = 86400
    await archive.ingest(
        journal([ev.message(f"A{n}", body, at=NOON + n) for n, body in enumerate((forwarded, once, fading))])
    )
    first, second, third = (await archive.messages(oldest_first=True)).items
    assert first.forwarded
    assert second.media is not None
    assert second.media.view_once
    assert third.details == {"expires_in": 86400}
    assert [m.ref for m in (await archive.messages(MessageFilter(links=True))).items] == [first.ref]


async def test_a_call_is_told_by_its_steps_in_any_order(archive: Archive) -> None:
    def meta(event: Any, at: int) -> Any:
        basic = event.basicCallMeta
        ev.jid(getattr(basic, "from"), ANA)
        ev.jid(basic.callCreator, ANA)
        ev.jid(basic.callCreatorAlt, None)
        basic.timestamp, basic.callID = at, "CALL1"
        return event

    offer = meta(Neonize.CallOffer(), NOON)
    offer.callRemoteMeta.remotePlatform = offer.callRemoteMeta.remoteVersion = ""
    offer.data.Tag = "offer"
    offer.data.Nodes.add(Tag="video")
    end = meta(Neonize.CallTerminate(reason="timeout"), NOON + 20)
    end.data.Tag = "terminate"
    steps = [
        ev.Raw(EventCode.CALL_TERMINATE, end.SerializeToString()),
        ev.Raw(EventCode.CALL_OFFER, offer.SerializeToString()),
    ]
    await archive.ingest(journal(steps))
    (message,) = (await archive.messages()).items
    assert (message.kind, message.text, message.timestamp.timestamp()) == (
        MessageKind.CALL,
        "Missed video call",
        NOON,
    )


async def test_group_changes_are_told_and_taken_over(archive: Archive) -> None:
    event = Neonize.GroupInfoEvent(Notify="", Timestamp=NOON)
    ev.jid(event.JID, GROUP)
    ev.jid(event.Sender, ANA)
    event.PrevParticipantsVersionID = event.ParticipantVersionID = event.JoinReason = ""
    event.Name.Name, event.Name.NameSetAt = "New", NOON
    ev.jid(event.Name.NameSetBy, ANA)
    ev.jid(event.Join.add(), ev.BOB)
    await archive.ingest(journal([ev.Raw(EventCode.GROUP_INFO, event.SerializeToString())]))
    chat = await archive.chat(GROUP)
    assert chat is not None
    assert (chat.name, chat.unread) == ("New", 0)
    texts = [m.spoken for m in (await archive.messages(oldest_first=True)).items]
    assert texts == ["changed the group's name to New", "added @+15550000002"]
    assert len(await archive.members(GROUP)) == 1


async def test_status_posts_and_channel_posts_have_chats_of_their_own(archive: Archive) -> None:
    await archive.ingest(
        journal(
            [
                ev.message("S1", "my day", chat="status@broadcast", sender=ANA),
                ev.message("C1", "news", chat="120363@newsletter", sender="120363@newsletter"),
                ev.message(
                    "C1", "news, corrected", chat="120363@newsletter", sender="120363@newsletter", edit="3"
                ),
            ]
        )
    )
    kinds = {chat.jid: chat.kind.value for chat in (await archive.chats()).items}
    assert kinds == {"status@broadcast": "status", "120363@newsletter": "channel"}
    assert (await archive.message("C1")).text == "news, corrected"


@pytest.mark.parametrize("first", ["live", "past"])
async def test_what_comes_through_a_broadcast_list_is_in_the_chat_with_its_sender(
    archive: Archive, first: str
) -> None:
    past = ev.web_message("L1", "party at eight", chat=ANA)
    past.broadcast = True
    events = [
        ev.message("L1", "party at eight", chat="1700000000@broadcast", sender=ANA_LID, alt=ANA),
        ev.history(ev.conversation([past])),
    ]
    await archive.ingest(journal(events if first == "live" else events[::-1]))
    (chat,) = (await archive.chats()).items
    assert (chat.jid, chat.kind.value) == (ANA, "direct")
    (message,) = (await archive.messages()).items
    assert message.sender == ANA


def test_every_part_of_a_message_is_handled_or_named_or_says_nothing_to_a_person() -> None:
    known = [*content.HANDLERS, *content.ADDON_FIELDS, *content.SILENT, *kinds.NAMED]
    wrappers = [
        field.name
        for field in E2E.Message.DESCRIPTOR.fields
        if field.message_type is not None
        and field.message_type.name in ("FutureProofMessage", "DeviceSentMessage")
    ]
    fields = [field.name for field in E2E.Message.DESCRIPTOR.fields]
    assert sorted([*known, *wrappers]) == sorted(fields)


@for_each("name", sorted(kinds.NAMED), archive="archives")
async def test_what_has_no_handler_is_told_by_its_name(archive: Archive, name: str) -> None:
    body = E2E.Message()
    getattr(body, name).SetInParent()
    await archive.ingest(journal([ev.message("A1", body)]))
    (message,) = (await archive.messages()).items
    assert (message.kind, message.details) == (MessageKind.TEXT, {"what": kinds.NAMED[name]})


async def test_a_live_location_of_the_past_says_until_when_it_was_shared(archive: Archive) -> None:
    body = E2E.Message()
    _live_location(body)
    past = ev.web_message("A1", body)
    past.duration = 900
    await archive.ingest(journal([ev.history(ev.conversation([past]))]))
    details = (await archive.message("A1")).details
    assert details is not None
    assert details["ends_at"] == NOON + 900


async def test_a_timer_is_told_in_the_largest_unit_that_it_is_a_multiple_of(archive: Archive) -> None:
    lengths = {
        90 * 86_400: "90 days",
        86_400: "1 day",
        3600: "1 hour",
        36 * 3600: "36 hours",
        300: "5 minutes",
        1: "1 second",
    }
    raws: list[ev.Raw] = []
    for number, seconds in enumerate(lengths):
        body = E2E.Message()
        body.protocolMessage.type = E2E.ProtocolMessage.EPHEMERAL_SETTING
        body.protocolMessage.ephemeralExpiration = seconds
        raws.append(ev.message(f"T{number}", body, at=ev.NOON + number))
    await archive.ingest(ev.journal(raws))
    texts = [message.text for message in reversed((await archive.messages()).items)]
    assert texts == [f"set messages to disappear after {length}" for length in lengths.values()]
