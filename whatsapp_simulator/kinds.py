"""Builders of `E2E.Message` for every kind of message other than plain text; pure functions.

`await ann.says(kinds.location(52.5, 13.4, "Berlin"))`. A message that refers to another one takes its `key`
(`ann.said(message_id).key`), from the perspective of the sender.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from whatsapp_mcp.jid import Jid
from whatsapp_mcp.protobufs import E2E, Common
from whatsapp_simulator.message_secret import MessageSecret, encrypt_vote
from whatsapp_simulator.signal.xeddsa import Random


def text(
    body: str,
    *,
    mentions: Iterable[Jid] = (),
    forwarded: int = 0,
    expires: int = 0,
    link: tuple[str, str, str] | None = None,
) -> E2E.Message:
    """A text with mentions, a link preview or other attributes.

    Args:
        body: The text; it contains each mention as `@user`.
        mentions: The mentioned users.
        forwarded: How often it was forwarded.
        expires: Seconds after which it disappears.
        link: URL, title and description of the preview.
    """
    message = E2E.Message()
    extended = message.extendedTextMessage
    extended.text = body
    extended.contextInfo.mentionedJID.extend(map(str, mentions))
    if forwarded:
        extended.contextInfo.isForwarded = True
        extended.contextInfo.forwardingScore = forwarded
    if expires:
        extended.contextInfo.expiration = expires
    if link is not None:
        extended.matchedText, extended.title, extended.description = link
    return message


def reply(body: str, key: Common.MessageKey, author: Jid, quoted: E2E.Message) -> E2E.Message:
    """A text that quotes another message, written by `author`."""
    message = text(body)
    context = message.extendedTextMessage.contextInfo
    context.stanzaID = key.ID
    context.participant = str(author)
    context.quotedMessage.CopyFrom(quoted)
    return message


def reaction(key: Common.MessageKey, emoji: str, timestamp: float) -> E2E.Message:
    """A reaction; an empty `emoji` removes it. `timestamp` is in seconds."""
    reacted = E2E.ReactionMessage(key=key, text=emoji, senderTimestampMS=int(timestamp * 1000))
    return E2E.Message(reactionMessage=reacted)


def edit(key: Common.MessageKey, new: E2E.Message, timestamp: float) -> E2E.Message:
    """An edit of one's own message. `timestamp` is in seconds."""
    protocol = E2E.ProtocolMessage(
        key=key,
        type=E2E.ProtocolMessage.MESSAGE_EDIT,
        editedMessage=new,
        timestampMS=int(timestamp * 1000),
    )
    return E2E.Message(protocolMessage=protocol)


def revoke(key: Common.MessageKey) -> E2E.Message:
    """Delete a message for everyone."""
    return E2E.Message(protocolMessage=E2E.ProtocolMessage(key=key, type=E2E.ProtocolMessage.REVOKE))


def pin(key: Common.MessageKey, timestamp: float, *, unpin: bool = False) -> E2E.Message:
    """Pin a message in its chat. `timestamp` is in seconds."""
    kind = E2E.PinInChatMessage.UNPIN_FOR_ALL if unpin else E2E.PinInChatMessage.PIN_FOR_ALL
    return E2E.Message(
        pinInChatMessage=E2E.PinInChatMessage(key=key, type=kind, senderTimestampMS=int(timestamp * 1000))
    )


def keep(key: Common.MessageKey, timestamp: float, *, undo: bool = False) -> E2E.Message:
    """Keep a message in a chat with disappearing messages. `timestamp` is in seconds."""
    kind = E2E.KeepType.UNDO_KEEP_FOR_ALL if undo else E2E.KeepType.KEEP_FOR_ALL
    return E2E.Message(
        keepInChatMessage=E2E.KeepInChatMessage(key=key, keepType=kind, timestampMS=int(timestamp * 1000))
    )


def poll(question: str, options: Sequence[str], secret: bytes, selectable: int = 0) -> E2E.Message:
    """A poll; `secret` (32 bytes) encrypts its votes, `selectable` 0 allows any number of options."""
    message = E2E.Message(
        pollCreationMessage=E2E.PollCreationMessage(
            name=question,
            options=[E2E.PollCreationMessage.Option(optionName=option) for option in options],
            selectableOptionsCount=selectable,
        )
    )
    message.messageContextInfo.messageSecret = secret
    return message


def vote(
    key: Common.MessageKey,
    author: Jid,
    secret: bytes,
    voter: Jid,
    options: Sequence[str],
    timestamp: float,
    random: Random = os.urandom,
) -> E2E.Message:
    """A vote of `voter` in the poll of `author` with that secret. `timestamp` is in seconds."""
    update = E2E.PollUpdateMessage(
        pollCreationMessageKey=key,
        vote=encrypt_vote(MessageSecret(key.ID, str(author), secret), str(voter), options, random),
        senderTimestampMS=int(timestamp * 1000),
    )
    return E2E.Message(pollUpdateMessage=update)


def location(latitude: float, longitude: float, name: str = "", address: str = "") -> E2E.Message:
    """A location, in degrees."""
    place = E2E.LocationMessage(
        degreesLatitude=latitude, degreesLongitude=longitude, name=name, address=address
    )
    return E2E.Message(locationMessage=place)


def live_location(latitude: float, longitude: float, sequence: int = 1) -> E2E.Message:
    """A live location, in degrees."""
    place = E2E.LiveLocationMessage(
        degreesLatitude=latitude, degreesLongitude=longitude, sequenceNumber=sequence
    )
    return E2E.Message(liveLocationMessage=place)


def contact(name: str, number: str) -> E2E.Message:
    """A contact card; `number` starts with `+`."""
    return E2E.Message(contactMessage=_card(name, number))


def contacts(title: str, cards: Iterable[tuple[str, str]]) -> E2E.Message:
    """Several contact cards: (name, number) each."""
    array = E2E.ContactsArrayMessage(displayName=title, contacts=[_card(*each) for each in cards])
    return E2E.Message(contactsArrayMessage=array)


def view_once(message: E2E.Message) -> E2E.Message:
    """A view-once image, video or voice message."""
    return E2E.Message(viewOnceMessageV2=E2E.FutureProofMessage(message=message))


def disappearing(message: E2E.Message) -> E2E.Message:
    """A disappearing message, in the wrapper that older clients use."""
    return E2E.Message(ephemeralMessage=E2E.FutureProofMessage(message=message))


def list_reply(title: str, row: str, description: str = "") -> E2E.Message:
    """The selection of a row in a business's list."""
    chosen = E2E.ListResponseMessage(
        title=title,
        description=description,
        listType=E2E.ListResponseMessage.SINGLE_SELECT,
        singleSelectReply=E2E.ListResponseMessage.SingleSelectReply(selectedRowID=row),
    )
    return E2E.Message(listResponseMessage=chosen)


def button_reply(label: str, button: str) -> E2E.Message:
    """The press of a business's button."""
    pressed = E2E.ButtonsResponseMessage(
        selectedButtonID=button,
        selectedDisplayText=label,
        type=E2E.ButtonsResponseMessage.DISPLAY_TEXT,
    )
    return E2E.Message(buttonsResponseMessage=pressed)


def group_invite(group: Jid, name: str, code: str, expires_at: int, caption: str = "") -> E2E.Message:
    """An invitation to a group as a message, not as a link."""
    invite = E2E.GroupInviteMessage(
        groupJID=str(group), groupName=name, inviteCode=code, inviteExpiration=expires_at, caption=caption
    )
    return E2E.Message(groupInviteMessage=invite)


def event(name: str, starts_at: int, description: str = "", place: str = "") -> E2E.Message:
    """An event in a group; `starts_at` is in seconds."""
    entry = E2E.EventMessage(name=name, description=description, startTime=starts_at)
    entry.location.name = place
    return E2E.Message(eventMessage=entry)


def album(images: int, videos: int = 0) -> E2E.Message:
    """The message of an album, which its files follow."""
    counts = E2E.AlbumMessage(expectedImageCount=images, expectedVideoCount=videos)
    return E2E.Message(albumMessage=counts)


def in_album(file: E2E.Message, key: Common.MessageKey) -> E2E.Message:
    """A file of the album that has this key."""
    whole = E2E.Message()
    whole.CopyFrom(file)
    association = whole.messageContextInfo.messageAssociation
    association.associationType = E2E.MessageAssociation.MEDIA_ALBUM
    association.parentMessageKey.CopyFrom(key)
    return whole


def unknown() -> E2E.Message:
    """A kind that current clients do not know: an empty message with an unknown field."""
    return E2E.Message.FromString(b"\xc2\x3e\x02hi")


def _card(name: str, number: str) -> E2E.ContactMessage:
    digits = number.lstrip("+")
    lines = ["BEGIN:VCARD", "VERSION:3.0", f"FN:{name}", f"TEL;type=CELL;waid={digits}:{number}", "END:VCARD"]
    return E2E.ContactMessage(displayName=name, vcard="\n".join(lines))
