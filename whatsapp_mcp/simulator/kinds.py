"""Every kind of message that is not a plain text, as people send them: pure builders of `E2E.Message`.

`await ann.says(kinds.location(52.5, 13.4, "Berlin"))`. What refers to another message takes its `key`
(`ann.said(message_id).key`), seen from whoever refers to it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from whatsapp_mcp.jid import Jid
from whatsapp_mcp.protobufs import E2E, Common
from whatsapp_mcp.simulator.message_secret import MessageSecret, encrypt_vote
from whatsapp_mcp.simulator.signal.xeddsa import Random


def text(
    body: str,
    *,
    mentions: Iterable[Jid] = (),
    forwarded: int = 0,
    expires: int = 0,
    link: tuple[str, str, str] | None = None,
) -> E2E.Message:
    """A text with something about it.

    Args:
        body: The words; each mention stands in them as `@user`.
        mentions: Who is mentioned.
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


def reaction(key: Common.MessageKey, emoji: str, at: float) -> E2E.Message:
    """A reaction; an empty `emoji` takes it back. `at` is in seconds."""
    reacted = E2E.ReactionMessage(key=key, text=emoji, senderTimestampMS=int(at * 1000))
    return E2E.Message(reactionMessage=reacted)


def edit(key: Common.MessageKey, new: E2E.Message, at: float) -> E2E.Message:
    """Another wording of one's own message. `at` is in seconds."""
    protocol = E2E.ProtocolMessage(
        key=key,
        type=E2E.ProtocolMessage.MESSAGE_EDIT,
        editedMessage=new,
        timestampMS=int(at * 1000),
    )
    return E2E.Message(protocolMessage=protocol)


def revoke(key: Common.MessageKey) -> E2E.Message:
    """Delete a message for everyone."""
    return E2E.Message(protocolMessage=E2E.ProtocolMessage(key=key, type=E2E.ProtocolMessage.REVOKE))


def pin(key: Common.MessageKey, at: float, *, unpin: bool = False) -> E2E.Message:
    """Pin a message in its chat. `at` is in seconds."""
    kind = E2E.PinInChatMessage.UNPIN_FOR_ALL if unpin else E2E.PinInChatMessage.PIN_FOR_ALL
    return E2E.Message(
        pinInChatMessage=E2E.PinInChatMessage(key=key, type=kind, senderTimestampMS=int(at * 1000))
    )


def keep(key: Common.MessageKey, at: float, *, undo: bool = False) -> E2E.Message:
    """Keep a message in a chat where messages disappear. `at` is in seconds."""
    kind = E2E.KeepType.UNDO_KEEP_FOR_ALL if undo else E2E.KeepType.KEEP_FOR_ALL
    return E2E.Message(
        keepInChatMessage=E2E.KeepInChatMessage(key=key, keepType=kind, timestampMS=int(at * 1000))
    )


def poll(question: str, options: Sequence[str], secret: bytes, selectable: int = 0) -> E2E.Message:
    """A poll; `secret` (32 bytes) encrypts its votes, `selectable` 0 is any number of options."""
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
    at: float,
    random: Random = os.urandom,
) -> E2E.Message:
    """`voter`'s vote in the poll of `author` with that secret. `at` is in seconds."""
    update = E2E.PollUpdateMessage(
        pollCreationMessageKey=key,
        vote=encrypt_vote(MessageSecret(key.ID, str(author), secret), str(voter), options, random),
        senderTimestampMS=int(at * 1000),
    )
    return E2E.Message(pollUpdateMessage=update)


def location(latitude: float, longitude: float, name: str = "", address: str = "") -> E2E.Message:
    """A place, in degrees."""
    place = E2E.LocationMessage(
        degreesLatitude=latitude, degreesLongitude=longitude, name=name, address=address
    )
    return E2E.Message(locationMessage=place)


def live_location(latitude: float, longitude: float, sequence: int = 1) -> E2E.Message:
    """Where somebody is just now, in degrees."""
    place = E2E.LiveLocationMessage(
        degreesLatitude=latitude, degreesLongitude=longitude, sequenceNumber=sequence
    )
    return E2E.Message(liveLocationMessage=place)


def contact(name: str, number: str) -> E2E.Message:
    """A contact card; `number` with its `+`."""
    return E2E.Message(contactMessage=_card(name, number))


def contacts(title: str, cards: Iterable[tuple[str, str]]) -> E2E.Message:
    """Several contact cards: (name, number) each."""
    array = E2E.ContactsArrayMessage(displayName=title, contacts=[_card(*each) for each in cards])
    return E2E.Message(contactsArrayMessage=array)


def view_once(message: E2E.Message) -> E2E.Message:
    """An image, video or voice message that may be looked at once."""
    return E2E.Message(viewOnceMessageV2=E2E.FutureProofMessage(message=message))


def disappearing(message: E2E.Message) -> E2E.Message:
    """A message of a chat in which messages disappear, as older clients wrap it."""
    return E2E.Message(ephemeralMessage=E2E.FutureProofMessage(message=message))


def list_reply(title: str, row: str, description: str = "") -> E2E.Message:
    """The choice of a row in a business's list."""
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
    """An invitation to a group, by a card rather than a link."""
    invite = E2E.GroupInviteMessage(
        groupJID=str(group), groupName=name, inviteCode=code, inviteExpiration=expires_at, caption=caption
    )
    return E2E.Message(groupInviteMessage=invite)


def event(name: str, starts_at: int, description: str = "", place: str = "") -> E2E.Message:
    """A date in the calendar of a group; `starts_at` is in seconds."""
    entry = E2E.EventMessage(name=name, description=description, startTime=starts_at)
    entry.location.name = place
    return E2E.Message(eventMessage=entry)


def unknown() -> E2E.Message:
    """A kind that no client of today knows: an empty message with an unknown field."""
    return E2E.Message.FromString(b"\xc2\x3e\x02hi")


def _card(name: str, number: str) -> E2E.ContactMessage:
    digits = number.lstrip("+")
    lines = ["BEGIN:VCARD", "VERSION:3.0", f"FN:{name}", f"TEL;type=CELL;waid={digits}:{number}", "END:VCARD"]
    return E2E.ContactMessage(displayName=name, vcard="\n".join(lines))
