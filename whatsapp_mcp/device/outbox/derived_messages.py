"""Messages made of archived ones: said again in another chat, and marked as forwarded; or edited.

An edit replaces the whole content of a message on phones. A text in place of a caption would take the caption
away, and what is left out of the context (mentions, a quote) is gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from whatsapp_mcp.decoding import message_parts
from whatsapp_mcp.device.outbox.file_messages import forwarded_file
from whatsapp_mcp.errors import MediaUnavailable, Unsupported
from whatsapp_mcp.models import EditContent, Message, MessageKind

if TYPE_CHECKING:
    from google.protobuf.message import Message as Proto

    from whatsapp_mcp.archive import ReadingArchive
    from whatsapp_mcp.protobufs import E2E

_FORWARDED_ONCE: Final = 1
_TEXTS: Final = ("conversation", "extendedTextMessage")
_CAPTIONED: Final = ("imageMessage", "videoMessage", "documentMessage")
_FILES: Final = frozenset(
    {
        MessageKind.IMAGE,
        MessageKind.VIDEO,
        MessageKind.GIF,
        MessageKind.AUDIO,
        MessageKind.VOICE,
        MessageKind.DOCUMENT,
        MessageKind.STICKER,
    }
)


async def forward(message: Message, archive: ReadingArchive) -> E2E.Message:
    """The message once more: its file, text, place, cards, or the question and options of its poll.

    Raises:
        MediaUnavailable: The keys of its file were never received, or it is empty.
        Unsupported: Its kind cannot be forwarded.
    """
    from whatsapp_mcp.protobufs import E2E

    context = E2E.ContextInfo(isForwarded=True, forwardingScore=_FORWARDED_ONCE)
    details = message.details or {}
    match message.kind:
        case kind if kind in _FILES:
            return forwarded_file(message, await archive.media_source(message.ref), context)
        case MessageKind.TEXT if message.text:
            text = E2E.ExtendedTextMessage(text=message.spoken, contextInfo=context)
            return E2E.Message(extendedTextMessage=text)
        case MessageKind.TEXT:
            raise MediaUnavailable("This message is empty.")
        case MessageKind.LOCATION if "latitude" in details:
            place = E2E.LocationMessage(
                degreesLatitude=details["latitude"],
                degreesLongitude=details["longitude"],
                name=message.spoken,
                contextInfo=context,
            )
            return E2E.Message(locationMessage=place)
        case MessageKind.CONTACT if details.get("contacts"):
            return _cards(details["contacts"], context)
        case MessageKind.POLL if message.poll:
            poll = E2E.PollCreationMessage(
                name=message.spoken,
                options=[E2E.PollCreationMessage.Option(optionName=each.name) for each in message.poll],
                selectableOptionsCount=details.get("choose", 0),
                contextInfo=context,
            )
            return E2E.Message(pollCreationMessage=poll)
        case kind:
            raise Unsupported(
                f"A message of the kind {kind.value} cannot be forwarded.", "Tell of it with send_message."
            )


def _cards(cards: list[dict[str, Any]], context: E2E.ContextInfo) -> E2E.Message:
    """One card, or all of a message of several."""
    from whatsapp_mcp.protobufs import E2E

    messages = [E2E.ContactMessage(displayName=card["name"], vcard=card["vcard"]) for card in cards]
    if len(messages) == 1:
        messages[0].contextInfo.CopyFrom(context)
        return E2E.Message(contactMessage=messages[0])
    several = E2E.ContactsArrayMessage(
        displayName=f"{len(messages)} contacts", contacts=messages, contextInfo=context
    )
    return E2E.Message(contactsArrayMessage=several)


def edited(content: EditContent, target: Message, original: Proto | None) -> E2E.Message:
    """Return the edited form of a message: its file, its quote and its mentions stay.

    Args:
        content: The new text, and who is mentioned in it.
        target: The message as it is archived.
        original: The `E2E.Message` that it was; None where that is not kept.

    Raises:
        Unsupported: It has no text to edit, or an edit would lose what is not kept of it.
    """
    from whatsapp_mcp.protobufs import E2E

    if original is None:
        if target.kind is MessageKind.TEXT and target.quote is None and not target.mentions:
            return _text(content, None)
        raise Unsupported(
            "An edit of this message would lose its file, quote or mentions: how it was sent is not stored.",
            "Ask the user to edit it on the phone.",
        )
    is_once = target.media is not None and target.media.view_once
    for name, value in message_parts(original).found:
        if name in _TEXTS:
            return _text(content, None if isinstance(value, str) else value)
        if name in _CAPTIONED and not is_once:
            message = E2E.Message()
            file: Any = getattr(message, name)
            file.CopyFrom(value)
            file.caption = content.text
            _mention(file, content.mentions)
            return message
    raise Unsupported(
        "Only texts and the captions of pictures, videos and documents can be edited.",
        "Delete it and send it again, if the user wants that.",
    )


def _text(content: EditContent, former: Any) -> E2E.Message:
    """The new text with the context of the former one, and with its preview while its link is there."""
    from whatsapp_mcp.protobufs import E2E

    message = E2E.Message()
    text = message.extendedTextMessage
    if former is not None and former.matchedText and former.matchedText in content.text:
        text.CopyFrom(former)
    elif former is not None and former.HasField("contextInfo"):
        text.contextInfo.CopyFrom(former.contextInfo)
    text.text = content.text
    _mention(text, content.mentions)
    if [field.name for field, _ in text.ListFields()] == ["text"]:
        return E2E.Message(conversation=content.text)
    return message


def _mention(body: Any, jids: Iterable[str]) -> None:
    for jid in jids:
        if jid not in body.contextInfo.mentionedJID:
            body.contextInfo.mentionedJID.append(jid)
