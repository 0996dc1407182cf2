"""Messages to send, as WhatsApp's protobufs.

Whatever is a message of its own carries a `messageSecret`, as it does in WhatsApp's own apps: others seal
with it what they say about the message, and the client library keeps it together with the message's id
(`delivery_evidence.py`). So does a pin, for the latter. What is posted in a channel is public and has none.

A plain text goes as `conversation`; one that answers or mentions somebody, shows a preview or is to
disappear, as `extendedTextMessage`, as WhatsApp's own apps do. What changes another message names it by its
key.
"""

from __future__ import annotations

import secrets
import time
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from whatsapp_mcp.device.outbox.derived_messages import edited, forward
from whatsapp_mcp.device.outbox.file_messages import file_message, put_into_album
from whatsapp_mcp.errors import MessageNotFound, Unsupported
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.models import (
    ADDON_KINDS,
    AlbumContent,
    AlbumFileContent,
    ContactCardContent,
    EditContent,
    FileContent,
    ForwardContent,
    LocationContent,
    Message,
    PinContent,
    PollContent,
    ReactionContent,
    RevokeContent,
    SendRequest,
    TextContent,
    VoteContent,
)
from whatsapp_mcp.protobufs.bounded import parsed

if TYPE_CHECKING:
    from whatsapp_mcp.archive import ReadingArchive
    from whatsapp_mcp.device.outbox.addresses import Addresses
    from whatsapp_mcp.media import Preview

    PreviewOf = Callable[[str], Awaitable[Preview | None]]
    from whatsapp_mcp.protobufs import E2E, Common

CallClient = Callable[[str, dict[str, Any]], Awaitable[Any]]
"""(method, parameters) to the client's answer."""
_SECRET_BYTES: Final = 32
"""Length of a `messageSecret`, as in WhatsApp's own apps."""
_WITHOUT_SECRET: Final = ADDON_KINDS - {"pin"}
"""Kinds without a secret, which are sent again when the answer is lost; a pin would show twice."""


@dataclass(frozen=True, slots=True)
class Composed:
    """A message as it is handed over: its `E2E.Message`, and the `messageSecret` in it."""

    message: bytes
    secret: bytes | None


def needs_nobody(request: SendRequest) -> bool:
    """Return whether a message can be built without the client, a web page or the decoder."""
    content = request.content
    if isinstance(content, TextContent):
        return not content.link_preview
    return not isinstance(content, FileContent | AlbumFileContent | VoteContent)


async def compose(
    request: SendRequest, archive: ReadingArchive, addresses: Addresses, call: CallClient, preview: PreviewOf
) -> Composed:
    """The E2E message of a request, with a new secret if it is one that has a secret.

    Args:
        request: What is sent, and to whom.
        archive: Where the messages are that it names.
        addresses: Under which addresses people are named in a chat.
        call: Calls the client.
        preview: Makes the preview of a text that asks for one (`previews.preview_of`).

    Raises:
        MessageNotFound: The message that is answered or changed is not in the archive.
        Unsupported: What is to be edited cannot be.
        WhatsAppError: A file could not be uploaded, a vote not be encrypted.
    """
    message = await _message(request, archive, addresses, call, preview)
    if request.content.kind not in ADDON_KINDS:
        let_disappear(message, await archive.expires_in(request.chat))
    secret = None
    if request.content.kind not in _WITHOUT_SECRET and not Jid.parse(request.chat).is_channel:
        secret = secrets.token_bytes(_SECRET_BYTES)
        message.messageContextInfo.messageSecret = secret
    return Composed(message.SerializeToString(), secret)


async def _message(
    request: SendRequest, archive: ReadingArchive, addresses: Addresses, call: CallClient, preview: PreviewOf
) -> E2E.Message:
    from whatsapp_mcp.protobufs import E2E

    match request.content:
        case ForwardContent(ref):
            return await forward(await archive.message(ref), archive)
        case VoteContent(poll_id, options):
            # A vote is sealed under the addresses that the poll itself used.
            poll = await addresses.as_stored(await archive.message(poll_id, chat=request.chat))
            parameters = {"poll": _info(poll), "options": list(options)}
            return parsed(E2E.Message, b64decode(await call("build_poll_vote", parameters)))
        case ReactionContent() | EditContent() | RevokeContent() | PinContent():
            target = await archive.message(request.content.message_id, chat=request.chat)
            new = None
            if isinstance(request.content, EditContent):
                new = edited(request.content, target, await archive.original(target.ref))
            return _addon(request.content, await addresses.as_named_in_chat(target), new)
        case FileContent():
            message = await file_message(request.content, call)
        case AlbumFileContent(album, file):
            message = await file_message(file, call)
            put_into_album(message, request.chat, album)
        case TextContent(text, link_preview=True):
            message = message_of(request, await preview(text))
        case _:
            message = message_of(request)
    if request.reply_to is not None:
        quoted = await archive.message(request.reply_to, chat=request.reply_chat or request.chat)
        quote(message, await addresses.as_named_in_chat(quoted), request.reply_chat)
    return message


def message_of(request: SendRequest, preview: Preview | None = None) -> E2E.Message:
    """The E2E message of a request that needs neither archive nor client; a text may have a preview."""
    from whatsapp_mcp.protobufs import E2E

    match request.content:
        case TextContent(text, mentions):
            if not mentions and request.reply_to is None and preview is None:
                return E2E.Message(conversation=text)
            extended = E2E.ExtendedTextMessage(text=text)
            extended.contextInfo.mentionedJID.extend(mentions)
            if preview is not None:
                extended.matchedText = preview.url
                extended.title, extended.description = preview.title, preview.description
                extended.JPEGThumbnail = preview.thumbnail
            return E2E.Message(extendedTextMessage=extended)
        case AlbumContent(files):
            videos = sum(file.kind == "video" for file in files)
            counts = E2E.AlbumMessage(expectedImageCount=len(files) - videos, expectedVideoCount=videos)
            return E2E.Message(albumMessage=counts)
        case LocationContent(latitude, longitude, name, address):
            place = E2E.LocationMessage(
                degreesLatitude=latitude, degreesLongitude=longitude, name=name, address=address
            )
            return E2E.Message(locationMessage=place)
        case ContactCardContent(name, number):
            card = E2E.ContactMessage(displayName=name, vcard=vcard(name, number))
            return E2E.Message(contactMessage=card)
        case PollContent(question, options, multiple):
            poll = E2E.PollCreationMessage(
                name=question,
                options=[E2E.PollCreationMessage.Option(optionName=option) for option in options],
                selectableOptionsCount=len(options) if multiple else 1,
            )
            return E2E.Message(pollCreationMessage=poll)
        case _:
            raise Unsupported(f"A {request.content.kind} cannot be sent like this.")


def vcard(name: str, number: str) -> str:
    """A card as WhatsApp's own apps write it (vCard 3.0, `waid` opens the chat)."""
    shown = name.replace("\\", "\\\\").replace("\n", " ").replace(",", "\\,").replace(";", "\\;")
    return (
        f"BEGIN:VCARD\nVERSION:3.0\nN:;{shown};;;\nFN:{shown}\n"
        f"TEL;type=CELL;waid={number.lstrip('+')}:{number}\nEND:VCARD"
    )


def quote(message: E2E.Message, quoted: Message, chat: str | None = None) -> None:
    """Make the message an answer to another.

    Args:
        message: What is about to be sent.
        quoted: The message that it answers.
        chat: The group in which that was said, when its author is answered privately.

    Raises:
        MessageNotFound: It is not known who wrote that.
    """
    if not quoted.sender:
        raise MessageNotFound("It is not known who wrote the message that is answered.")
    _, body = message.ListFields()[0]
    context = body.contextInfo
    context.stanzaID = quoted.message_id
    context.participant = quoted.sender
    if chat is not None:
        context.remoteJID = chat
    context.quotedMessage.conversation = quoted.text


def let_disappear(message: E2E.Message, seconds: int) -> None:
    """Let a message disappear after so many seconds, as the others of its chat; 0: never."""
    if not seconds:
        return
    # A `conversation` is a bare string: it has no context that could hold the time.
    if message.conversation:
        message.extendedTextMessage.text = message.conversation
        message.ClearField("conversation")
    for field, body in message.ListFields():
        if field.message_type is not None and "contextInfo" in field.message_type.fields_by_name:
            body.contextInfo.expiration = seconds


def key_of(message: Message) -> Common.MessageKey:
    """The key that names a message on WhatsApp."""
    from whatsapp_mcp.protobufs import Common

    key = Common.MessageKey(remoteJID=message.chat, fromMe=message.from_me, ID=message.message_id)
    if not message.from_me and not Jid.parse(message.chat).is_person:
        key.participant = message.sender
    return key


def _addon(
    content: ReactionContent | EditContent | RevokeContent | PinContent,
    target: Message,
    new: E2E.Message | None = None,
) -> E2E.Message:
    """A change of a message; `new` is its content after an edit."""
    from whatsapp_mcp.protobufs import E2E

    now = time.time_ns() // 1_000_000
    key = key_of(target)
    match content:
        case ReactionContent(_, emoji):
            reaction = E2E.ReactionMessage(key=key, text=emoji, senderTimestampMS=now)
            return E2E.Message(reactionMessage=reaction)
        case RevokeContent():
            revoke = E2E.ProtocolMessage(type=E2E.ProtocolMessage.REVOKE, key=key)
            return E2E.Message(protocolMessage=revoke)
        case EditContent():
            edit = E2E.ProtocolMessage(
                type=E2E.ProtocolMessage.MESSAGE_EDIT,
                key=key,
                editedMessage=new,
                timestampMS=now,
            )
            inner = E2E.Message(protocolMessage=edit)
            # Wrapped, as WhatsApp's own apps and whatsmeow (`BuildEdit`) send it.
            return E2E.Message(editedMessage=E2E.FutureProofMessage(message=inner))
        case PinContent(_, seconds):
            kind = E2E.PinInChatMessage.PIN_FOR_ALL if seconds else E2E.PinInChatMessage.UNPIN_FOR_ALL
            pin = E2E.PinInChatMessage(key=key, type=kind, senderTimestampMS=now)
            lasting = E2E.MessageContextInfo(messageAddOnDurationInSecs=seconds)
            return E2E.Message(pinInChatMessage=pin, messageContextInfo=lasting)


def _info(message: Message) -> str:
    """The library's description of a message, in base64."""
    from whatsapp_mcp.protobufs import Neonize

    info = Neonize.MessageInfo(
        ID=message.message_id,
        ServerID=0,
        Type="poll",
        Pushname="",
        Timestamp=int(message.timestamp.timestamp() * 1000),
        Category="",
        Multicast=False,
        MediaType="",
        Edit="",
    )
    source = info.MessageSource
    for proto, text in (
        (source.Chat, message.chat),
        (source.Sender, message.sender),
        (source.SenderAlt, ""),
        (source.RecipientAlt, ""),
        (source.BroadcastListOwner, ""),
    ):
        jid = Jid.parse(text) if text else Jid("", "")
        proto.User, proto.Server, proto.Device = jid.user, jid.server, jid.device
        proto.RawAgent = proto.Integrator = 0
        proto.IsEmpty = not text
    source.IsFromMe = message.from_me
    source.IsGroup = Jid.parse(message.chat).is_group
    return b64encode(info.SerializePartialToString()).decode()
