"""A handler for each kind of message: its protobuf to `Content`."""

from __future__ import annotations

import re
from typing import Any, Final

from whatsapp_mcp.decoding import interactive, limits
from whatsapp_mcp.decoding.addresses import SERVERS
from whatsapp_mcp.decoding.interactive import lines
from whatsapp_mcp.decoding.updates import Content, Flag, MediaInfo
from whatsapp_mcp.models import MessageKind

_TEL = re.compile(r"^(?:[\w-]+\.)?TEL[^:\n]*:(.+)$", re.MULTILINE | re.IGNORECASE)
"""Telephone lines of a vCard, also within a group (`item1.TEL`, RFC 6350, 3.3)."""


def bare(jid: str) -> str | None:
    """A jid without device and agent, its server in today's form; None when it is not one."""
    user, separator, server = jid.partition("@")
    if not separator or not server:
        return None
    user = user.partition(":")[0]
    if server in ("s.whatsapp.net", "c.us", "lid", "hosted", "hosted.lid"):
        user = user.partition(".")[0]
    return f"{user}@{SERVERS.get(server, server)}" if user else None


def media_of(value: Any, media_type: str, **more: Any) -> MediaInfo:
    """Return the data for a download that all files have in common."""
    return MediaInfo(
        media_type,
        mime_type=value.mimetype or None,
        size=value.fileLength if 0 < value.fileLength < limits.MAX_FILE_BYTES else None,
        direct_path=value.directPath or None,
        url=value.URL or None,
        media_key=value.mediaKey or None,
        sha256=value.fileSHA256 or None,
        enc_sha256=value.fileEncSHA256 or None,
        **more,
    )


def _once(value: Any) -> int:
    return Flag.VIEW_ONCE if value.viewOnce else 0


def _conversation(value: str) -> Content:
    return Content(MessageKind.TEXT, value)


def _extended_text(value: Any) -> Content:
    return Content(MessageKind.TEXT, value.text, flags=_once(value))


def _image(value: Any) -> Content:
    media = media_of(value, "image", width=value.width or None, height=value.height or None)
    return Content(MessageKind.IMAGE, value.caption, media, _once(value))


def _video(value: Any) -> Content:
    media = media_of(
        value,
        "video",
        width=value.width or None,
        height=value.height or None,
        duration=value.seconds or None,
    )
    kind = MessageKind.GIF if value.gifPlayback else MessageKind.VIDEO
    return Content(kind, value.caption, media, _once(value))


def _round_video(value: Any) -> Content:
    content = _video(value)
    content.details["round"] = True
    return content


def _audio(value: Any) -> Content:
    media = media_of(value, "audio", duration=value.seconds or None)
    return Content(MessageKind.VOICE if value.PTT else MessageKind.AUDIO, "", media, _once(value))


def _document(value: Any) -> Content:
    media = media_of(value, "document", file_name=value.fileName or value.title or None)
    content = Content(MessageKind.DOCUMENT, value.caption, media)
    if value.pageCount:
        content.details["pages"] = value.pageCount
    return content


def _sticker(value: Any) -> Content:
    media = media_of(value, "sticker", width=value.width or None, height=value.height or None)
    content = Content(MessageKind.STICKER, value.emojis, media)
    if value.isAnimated:
        content.details["animated"] = True
    return content


def _sticker_pack(value: Any) -> Content:
    count, text = len(value.stickers), lines(value.packDescription, value.caption)
    content = interactive.named("sticker pack", text, value.name, items=count, pack=value.stickerPackID)
    content.kind = MessageKind.STICKER
    return content


def _location(value: Any) -> Content:
    text = ", ".join(part for part in (value.name, value.address, value.comment) if part)
    kind = MessageKind.LIVE_LOCATION if value.isLive else MessageKind.LOCATION
    return Content(kind, text, details=_place(value))


def _live_location(value: Any) -> Content:
    details = _place(value)
    if value.accuracyInMeters:
        details["accuracy"] = value.accuracyInMeters
    return Content(MessageKind.LIVE_LOCATION, value.caption, details=details)


def _place(value: Any) -> dict[str, Any]:
    latitude, longitude = value.degreesLatitude, value.degreesLongitude
    # In this form it also refuses NaN, which a sender can write into a protobuf.
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        return {}
    return {"latitude": round(latitude, 6), "longitude": round(longitude, 6)}


def _card(value: Any) -> dict[str, Any]:
    numbers = [found.strip() for found in _TEL.findall(value.vcard.replace("\r", ""))]
    return {"name": value.displayName, "numbers": numbers, "vcard": value.vcard}


def _contact(value: Any) -> Content:
    card = _card(value)
    text = " ".join([card["name"], *card["numbers"]]).strip()
    return Content(MessageKind.CONTACT, text, details={"contacts": [card]})


def _contacts(value: Any) -> Content:
    cards = [_card(contact) for contact in value.contacts]
    text = ", ".join(" ".join([card["name"], *card["numbers"]]).strip() for card in cards)
    return Content(MessageKind.CONTACT, text or value.displayName, details={"contacts": cards})


def _poll(value: Any) -> Content:
    options = [option.optionName for option in value.options]
    details: dict[str, Any] = {"options": options, "choose": value.selectableOptionsCount}
    if value.endTime:
        details["ends_at"] = value.endTime
    if value.encKey:
        details["secret"] = value.encKey.hex()
    return Content(MessageKind.POLL, value.name, details=details)


def _poll_result(value: Any) -> Content:
    votes = {vote.optionName: vote.optionVoteCount for vote in value.pollVotes}
    return Content(MessageKind.POLL, value.name, details={"options": list(votes), "counts": votes})


def _event(value: Any) -> Content:
    details: dict[str, Any] = {"starts_at": value.startTime, "cancelled": value.isCanceled}
    if value.endTime:
        details["ends_at"] = value.endTime
    if value.joinLink:
        details["join_link"] = value.joinLink
    if value.HasField("location"):
        details["place"] = value.location.name or value.location.address
    text = "\n".join(part for part in (value.name, value.description, details.get("place")) if part)
    return Content(MessageKind.EVENT, text, details=details)


def _group_invite(value: Any) -> Content:
    what = "community invite" if value.groupType else "group invite"
    invite = {"group": value.groupJID, "code": value.inviteCode}
    expires_at = max(value.inviteExpiration, 0)
    return interactive.named(what, value.caption, value.groupName, invite=invite, expires_at=expires_at)


def _call_log(value: Any) -> Content:
    outcome = (
        value.DESCRIPTOR.fields_by_name["callOutcome"].enum_type.values_by_number[value.callOutcome].name
    )
    details = {"video": value.isVideo, "outcome": outcome.lower(), "duration": value.durationSecs}
    return Content(MessageKind.CALL, details={"call": details})


def _scheduled_call(value: Any) -> Content:
    details = {
        "video": value.callType == 2,
        "outcome": "scheduled",
        "starts_at": value.scheduledTimestampMS // 1000,
    }
    return Content(MessageKind.CALL, value.title, details={"call": details})


def _business_call(value: Any) -> Content:
    return Content(MessageKind.CALL, value.caption, details={"call": {"video": value.mediaType == 2}})


def _template_reply(value: Any) -> Content:
    return interactive.chosen(value.selectedDisplayText, value.selectedID)


def _buttons_reply(value: Any) -> Content:
    return interactive.chosen(value.selectedDisplayText, value.selectedButtonID)


def _list_reply(value: Any) -> Content:
    return interactive.chosen(lines(value.title, value.description), value.singleSelectReply.selectedRowID)


def _buttons(value: Any) -> Content:
    return interactive.buttons(value, opened)


def _template(value: Any) -> Content:
    return interactive.template(value, opened)


def _interactive(value: Any) -> Content:
    return interactive.interactive(value, opened)


def _structured(value: Any) -> Content:
    if value.HasField("hydratedHsm"):
        return _template(value.hydratedHsm)
    return interactive.named("template", interactive.structured_text(value))


def _album(value: Any) -> Content:
    counts = {"images": value.expectedImageCount, "videos": value.expectedVideoCount}
    return Content(MessageKind.SYSTEM, f"Album of {sum(counts.values())} files", details={"album": counts})


def _placeholder(_value: Any) -> Content:
    return Content(MessageKind.UNDECRYPTABLE, details={"phone_only": True})


def _request_number(_value: Any) -> Content:
    return Content(MessageKind.SYSTEM, "asks for your phone number")


def _newsletter_invite(value: Any) -> Content:
    details: dict[str, Any] = {"channel": value.newsletterJID}
    what = "channel invite"
    if "inviteExpiration" in value.DESCRIPTOR.fields_by_name:
        what, details["expires_at"] = "invite to be an admin of a channel", max(value.inviteExpiration, 0)
    return interactive.named(what, value.caption, value.newsletterName, **details)


def _event_invite(value: Any) -> Content:
    details: dict[str, Any] = {"starts_at": value.startTime, "cancelled": value.isCanceled}
    if value.endTime:
        details["ends_at"] = value.endTime
    if value.callLink:
        details["join_link"] = value.callLink
    return Content(MessageKind.EVENT, lines(value.eventTitle, value.caption), details=details)


def _poll_option(value: Any) -> Content:
    content = interactive.named("new option of a poll", value.addOption.optionName)
    content.reply_to = value.pollCreationMessageKey.ID or None
    return content


def _question_reply(value: Any) -> Content:
    content = interactive.named("answer to a question", value.text)
    content.reply_to = value.key.ID or None
    return content


def _rich_response(value: Any) -> Content:
    """Decode an answer of WhatsApp's own assistant: the parts that can be read."""
    parts = value.submessages[: limits.ENTRIES]
    tables = [" | ".join(row.items) for part in parts for row in part.tableMetadata.rows]
    code = [block.codeContent for part in parts for block in part.codeMetadata.codeBlocks]
    texts = [lines(part.messageText, part.imageMetadata.imageText, part.latexMetadata.text) for part in parts]
    return interactive.named("answer of an AI", lines(*texts, *code, *tables))


def _music(value: Any) -> Content:
    song = value.embeddedMusic
    return interactive.named("music", song.author, song.title)


def _named_only(name: str, value: Any) -> Content:
    """A message of which a person is told what it is, and what can be read in it."""
    texts = [getattr(value, one) for one in _TEXTS if one in value.DESCRIPTOR.fields_by_name]
    return interactive.named(NAMED[name], lines(*texts))


def opened(name: str, value: Any) -> Content:
    """Decode a part of a message by the name of its field, which is in `HANDLERS` or `NAMED`."""
    return HANDLERS[name](value) if name in HANDLERS else _named_only(name, value)


HANDLERS: Final = {
    "conversation": _conversation,
    "extendedTextMessage": _extended_text,
    "imageMessage": _image,
    "videoMessage": _video,
    "ptvMessage": _round_video,
    "audioMessage": _audio,
    "documentMessage": _document,
    "stickerMessage": _sticker,
    "stickerPackMessage": _sticker_pack,
    "locationMessage": _location,
    "liveLocationMessage": _live_location,
    "contactMessage": _contact,
    "contactsArrayMessage": _contacts,
    "pollCreationMessage": _poll,
    "pollCreationMessageV2": _poll,
    "pollCreationMessageV3": _poll,
    "pollCreationMessageV5": _poll,
    "pollCreationMessageV6": _poll,
    "pollResultSnapshotMessage": _poll_result,
    "pollResultSnapshotMessageV3": _poll_result,
    "eventMessage": _event,
    "groupInviteMessage": _group_invite,
    # Spelt like this in WhatsApp's protobufs.
    "callLogMesssage": _call_log,
    "scheduledCallCreationMessage": _scheduled_call,
    "bcallMessage": _business_call,
    "listMessage": interactive.choice_list,
    "listResponseMessage": _list_reply,
    "buttonsMessage": _buttons,
    "buttonsResponseMessage": _buttons_reply,
    "templateMessage": _template,
    "templateButtonReplyMessage": _template_reply,
    "interactiveMessage": _interactive,
    "interactiveResponseMessage": interactive.interactive_reply,
    "highlyStructuredMessage": _structured,
    "productMessage": interactive.product,
    "orderMessage": interactive.order,
    "albumMessage": _album,
    "placeholderMessage": _placeholder,
    "requestPhoneNumberMessage": _request_number,
    "newsletterAdminInviteMessage": _newsletter_invite,
    "newsletterFollowerInviteMessageV2": _newsletter_invite,
    "eventInviteMessage": _event_invite,
    "pollAddOptionMessage": _poll_option,
    "questionResponseMessage": _question_reply,
    "statusQuestionAnswerMessage": _question_reply,
    "richResponseMessage": _rich_response,
    "musicMessage": _music,
    "paymentReminderMessage": interactive.payment_reminder,
    "splitPaymentMessage": interactive.split_payment,
}
"""Field of `E2E.Message` to its handler, for messages that carry no other message."""
NAMED: Final = {
    "call": "call",
    "scheduledCallEditMessage": "change of a scheduled call",
    "declinePaymentRequestMessage": "declined payment request",
    "cancelPaymentRequestMessage": "cancelled payment request",
    "paymentInviteMessage": "invitation to payments",
    "splitPaymentUpdateMessage": "update of a shared payment",
    "invoiceMessage": "invoice",
    "messageHistoryBundle": "earlier messages for a new member",
    "messageHistoryNotice": "earlier messages were shared",
    "statusNotificationMessage": "notice about a status",
    "statusQuotedMessage": "reply to a status",
    "statusStickerInteractionMessage": "sticker on a status",
    "conditionalRevealMessage": "message that is still sealed",
}
"""Other fields of `E2E.Message` to what they are, in words of ours."""
_TEXTS: Final = ("text", "note", "caption")
"""Fields of those that hold something to read."""
