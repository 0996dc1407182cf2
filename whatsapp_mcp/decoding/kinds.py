"""A handler for each kind of message: its protobuf to `Content`."""

from __future__ import annotations

import re
from typing import Any, Final

from whatsapp_mcp.decoding import limits
from whatsapp_mcp.decoding.updates import Content, Flag, MediaInfo
from whatsapp_mcp.models import MessageKind

_TEL = re.compile(r"^(?:[\w-]+\.)?TEL[^:\n]*:(.+)$", re.MULTILINE | re.IGNORECASE)
_BARE_SERVERS: Final = {"c.us": "s.whatsapp.net", "hosted": "s.whatsapp.net", "hosted.lid": "lid"}


def bare(jid: str) -> str | None:
    """A jid without device and agent, its server in today's form; None when it is not one."""
    user, at, server = jid.partition("@")
    if not at or not server:
        return None
    user = user.partition(":")[0]
    if server in ("s.whatsapp.net", "c.us", "lid", "hosted", "hosted.lid"):
        user = user.partition(".")[0]
    return f"{user}@{_BARE_SERVERS.get(server, server)}" if user else None


def media_of(value: Any, media_type: str, **more: Any) -> MediaInfo:
    """What a download needs, common to all files."""
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
    return Content(MessageKind.STICKER, value.name, details={"pack": value.stickerPackID})


def _location(value: Any) -> Content:
    text = ", ".join(part for part in (value.name, value.address, value.comment) if part)
    kind = MessageKind.LIVE_LOCATION if value.isLive else MessageKind.LOCATION
    return Content(kind, text, details=_place(value))


def _live_location(value: Any) -> Content:
    return Content(MessageKind.LIVE_LOCATION, value.caption, details=_place(value))


def _place(value: Any) -> dict[str, Any]:
    latitude, longitude = value.degreesLatitude, value.degreesLongitude
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
    text = value.caption or f"Invitation to the group {value.groupName}"
    details = {"group": value.groupJID, "code": value.inviteCode, "expires_at": value.inviteExpiration}
    return Content(MessageKind.TEXT, text, details={"invite": details})


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


def _list(value: Any) -> Content:
    rows = [row.title for section in value.sections for row in section.rows]
    return Content(
        MessageKind.TEXT, lines(value.title, value.description, value.footerText), details={"choices": rows}
    )


def _list_reply(value: Any) -> Content:
    details = {"chosen": value.singleSelectReply.selectedRowID}
    return Content(MessageKind.TEXT, lines(value.title, value.description), details=details)


def _buttons(value: Any) -> Content:
    choices = [button.buttonText.displayText for button in value.buttons]
    return Content(
        MessageKind.TEXT,
        lines(value.text, value.contentText, value.footerText),
        details={"choices": choices},
    )


def _buttons_reply(value: Any) -> Content:
    return Content(MessageKind.TEXT, value.selectedDisplayText, details={"chosen": value.selectedButtonID})


def _template(value: Any) -> Content:
    for name in ("hydratedTemplate", "hydratedFourRowTemplate"):
        if value.HasField(name):
            body = getattr(value, name)
            return Content(
                MessageKind.TEXT,
                lines(body.hydratedTitleText, body.hydratedContentText, body.hydratedFooterText),
            )
    if value.HasField("interactiveMessageTemplate"):
        return _interactive(value.interactiveMessageTemplate)
    return Content(MessageKind.TEXT, "")


def _template_reply(value: Any) -> Content:
    return Content(MessageKind.TEXT, value.selectedDisplayText, details={"chosen": value.selectedID})


def _interactive(value: Any) -> Content:
    return Content(MessageKind.TEXT, lines(value.header.title, value.body.text, value.footer.text))


def _interactive_reply(value: Any) -> Content:
    return Content(MessageKind.TEXT, value.body.text)


def _structured(value: Any) -> Content:
    if value.HasField("hydratedHsm"):
        return _template(value.hydratedHsm)
    return Content(MessageKind.TEXT, " ".join(value.params) or value.elementName)


def _product(value: Any) -> Content:
    return Content(MessageKind.TEXT, lines(value.product.title, value.product.description, value.body))


def _order(value: Any) -> Content:
    return Content(MessageKind.TEXT, lines(value.orderTitle, value.message), details={"order": value.orderID})


def _album(value: Any) -> Content:
    counts = {"images": value.expectedImageCount, "videos": value.expectedVideoCount}
    return Content(MessageKind.SYSTEM, f"Album of {sum(counts.values())} files", details={"album": counts})


def _placeholder(_value: Any) -> Content:
    return Content(MessageKind.UNDECRYPTABLE, details={"phone_only": True})


def _request_number(_value: Any) -> Content:
    return Content(MessageKind.SYSTEM, "asks for your phone number")


def _newsletter_invite(value: Any) -> Content:
    text = value.caption or f"Invitation to the channel {value.newsletterName}"
    return Content(MessageKind.TEXT, text, details={"channel": value.newsletterJID})


def lines(*texts: str) -> str:
    """The texts that are not empty, each on its own line."""
    return "\n".join(text for text in texts if text)


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
    "callLogMesssage": _call_log,
    "scheduledCallCreationMessage": _scheduled_call,
    "bcallMessage": _business_call,
    "listMessage": _list,
    "listResponseMessage": _list_reply,
    "buttonsMessage": _buttons,
    "buttonsResponseMessage": _buttons_reply,
    "templateMessage": _template,
    "templateButtonReplyMessage": _template_reply,
    "interactiveMessage": _interactive,
    "interactiveResponseMessage": _interactive_reply,
    "highlyStructuredMessage": _structured,
    "productMessage": _product,
    "orderMessage": _order,
    "albumMessage": _album,
    "placeholderMessage": _placeholder,
    "requestPhoneNumberMessage": _request_number,
    "newsletterAdminInviteMessage": _newsletter_invite,
    "newsletterFollowerInviteMessageV2": _newsletter_invite,
}
"""Field of `E2E.Message` to its handler, for messages that carry no other message."""
