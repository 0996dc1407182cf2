"""The outside of a message: sender, recipients, time, text, kind."""

from __future__ import annotations

from dataclasses import dataclass

from whatsapp_mcp.jid import Jid
from whatsapp_mcp.protobufs import E2E
from whatsapp_simulator.binary import Node

_MEDIA = {
    "imageMessage": "image",
    "videoMessage": "video",
    "ptvMessage": "ptv",
    "audioMessage": "audio",
    "documentMessage": "document",
    "stickerMessage": "sticker",
    "locationMessage": "location",
    "liveLocationMessage": "livelocation",
    "contactMessage": "vcard",
    "contactsArrayMessage": "contact_array",
    "groupInviteMessage": "url",
    "listMessage": "list",
    "listResponseMessage": "list_response",
    "buttonsResponseMessage": "buttons_response",
    "orderMessage": "order",
    "productMessage": "product",
    "interactiveResponseMessage": "native_flow_response",
}
_POLLS = ("pollCreationMessage", "pollCreationMessageV2", "pollCreationMessageV3", "pollUpdateMessage")
_WRAPPERS = ("viewOnceMessage", "viewOnceMessageV2", "ephemeralMessage", "documentWithCaptionMessage")
_CAPTIONED = ("imageMessage", "videoMessage", "documentMessage")
_EDIT, _PIN, _REVOKE, _ADMIN_REVOKE = "1", "2", "7", "8"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A sent message, kept so that it can be encrypted again for a companion that requests it."""

    id: str
    message: E2E.Message
    to: Jid
    timestamp: int


@dataclass(frozen=True, slots=True)
class Received:
    """A message as decrypted by its recipient.

    Attributes:
        id: The message id.
        message: The decrypted message.
        sender: The LID of the account that sent it.
        chat: The sender for a direct message, the group for one to a group.
        timestamp: Seconds since 1970.
        stanza: The stanza that carried it.
        device: The number of the sender's device; 0 is the phone.
    """

    id: str
    message: E2E.Message
    sender: Jid
    chat: Jid
    timestamp: int
    stanza: Node
    device: int = 0

    @property
    def text(self) -> str:
        """The text of a text message; the caption or nothing for other kinds."""
        return text_of(self.message)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt for one message: `kind` is `delivered`, `read`, `played`, `inactive`, `retry` ..."""

    id: str
    kind: str
    sender: Jid


def unwrapped(message: E2E.Message) -> E2E.Message:
    """Unwrap a view-once message, a disappearing message, or a document with a caption."""
    for wrapper in _WRAPPERS:
        if message.HasField(wrapper):  # type: ignore[arg-type]  # as above
            return getattr(message, wrapper).message
    return message


def text_of(message: E2E.Message) -> str:
    """The text of a message, or the caption of its media."""
    message = unwrapped(message)
    if message.conversation:
        return message.conversation
    if message.HasField("extendedTextMessage"):
        return message.extendedTextMessage.text
    for field in _CAPTIONED:
        if message.HasField(field):
            return getattr(message, field).caption
    return ""


def with_text(message: E2E.Message, body: str) -> E2E.Message:
    """The message as its author edits it on a phone: the same file with another caption, or another text."""
    message = unwrapped(message)
    for field in _CAPTIONED:
        if message.HasField(field):
            edited = E2E.Message()
            getattr(edited, field).CopyFrom(getattr(message, field))
            getattr(edited, field).caption = body
            return edited
    return E2E.Message(conversation=body)


def edit_of(message: E2E.Message) -> E2E.ProtocolMessage | None:
    """The edit in a message; None if it is none."""
    if message.HasField("editedMessage"):
        message = message.editedMessage.message
    protocol = message.protocolMessage
    return protocol if protocol.type == E2E.ProtocolMessage.MESSAGE_EDIT else None


def shows_wrongly(original: E2E.Message, new: E2E.Message) -> str | None:
    """Why phones would not show an edit as it is meant; None if they do.

    A text in place of a caption loses the caption, and one file cannot become another.
    """
    kinds = [_kind(unwrapped(message)) for message in (original, new)]
    if kinds[0] != kinds[1]:
        return f"{kinds[0]} becomes {kinds[1]}"
    if kinds[0] not in _CAPTIONED:
        return None if kinds[0] == _TEXT else f"{kinds[0]} has no text to edit"
    first, second = (getattr(unwrapped(message), kinds[0]) for message in (original, new))
    is_same = (first.mediaKey, first.fileEncSHA256) == (second.mediaKey, second.fileEncSHA256)
    return None if is_same else f"another {kinds[0]}"


_TEXT = "text"


def _kind(message: E2E.Message) -> str:
    if message.conversation or message.HasField("extendedTextMessage"):
        return _TEXT
    return next(
        (field.name for field, _ in message.ListFields() if field.name.endswith("Message")), "nothing"
    )


def stanza_type(message: E2E.Message) -> tuple[str, str | None]:
    """The `type` of the message stanza and the `mediatype` of its enc, as clients set them."""
    message = unwrapped(message)
    for field, media in _MEDIA.items():
        if message.HasField(field):  # type: ignore[arg-type]  # the names are fields
            return "media", _variant(message) or media
    if message.HasField("reactionMessage"):
        return "reaction", None
    if message.HasField("eventMessage"):
        return "event", None
    if any(message.HasField(field) for field in _POLLS):  # type: ignore[arg-type]  # as above
        return "poll", None
    return ("media", "url") if message.extendedTextMessage.matchedText else ("text", None)


def _variant(message: E2E.Message) -> str | None:
    """The media types that do not follow from the field alone."""
    if message.audioMessage.PTT:
        return "ptt"
    return "gif" if message.videoMessage.gifPlayback else None


def edit_attribute(message: E2E.Message) -> str | None:
    """The `edit` attribute of the stanza of an edit, a revocation or a removed reaction."""
    if message.HasField("pinInChatMessage"):
        return _PIN
    if message.HasField("reactionMessage"):
        return None if message.reactionMessage.text else _REVOKE
    if not message.HasField("protocolMessage"):
        return None
    match message.protocolMessage.type:
        case E2E.ProtocolMessage.MESSAGE_EDIT:
            return _EDIT
        case E2E.ProtocolMessage.REVOKE:
            return _REVOKE if message.protocolMessage.key.fromMe else _ADMIN_REVOKE
        case _:
            return None
