"""Messages of the archive, said again in another chat and marked as forwarded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from whatsapp_mcp.device.outbox.file_messages import forwarded_file
from whatsapp_mcp.errors import MediaUnavailable, Unsupported
from whatsapp_mcp.models import Message, MessageKind

if TYPE_CHECKING:
    from whatsapp_mcp.archive import ReadingArchive
    from whatsapp_mcp.protobufs import E2E

_FORWARDED_ONCE: Final = 1
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
        case MessageKind.POLL if details.get("options"):
            poll = E2E.PollCreationMessage(
                name=message.spoken,
                options=[E2E.PollCreationMessage.Option(optionName=name) for name in details["options"]],
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
