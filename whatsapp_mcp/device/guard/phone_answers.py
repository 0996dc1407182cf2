"""Answers to questions on the person's phone: decided from each live event as it came.

The archive cannot decide it: it keeps who reacted, and not with which device. Of the devices of an account
only the phone, device 0, is in a person's hand; whatever is linked to it, this companion included, reacts as
the same person. Two kinds of event name device 0 although the phone has not just sent them: a message that
the phone was asked to send again (`UnavailableRequestID`), whose sender the library fills in, and one out of
the phone's stored messages (`SourceWebMsg`).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from google.protobuf.message import DecodeError

from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.decoding import UNDECODABLE, MessageUpdate, bound_update, decode_event, message_parts
from whatsapp_mcp.device.operations.whatsapp import jid_text
from whatsapp_mcp.ledger import PhoneMessage
from whatsapp_mcp.models import JournalEvent, MessageKind
from whatsapp_mcp.protobufs.bounded import parsed

if TYPE_CHECKING:
    from whatsapp_mcp.protobufs import Neonize

_SKIN_TONES: Final = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
_ANSWERS: Final = {
    thumb + tone: approved
    for thumb, approved in (("\U0001f44d", True), ("\U0001f44e", False))
    for tone in ("", "\ufe0f", *_SKIN_TONES)
}
"""👍 and 👎, plain (with or without the selector that asks for a picture) and in each skin tone."""
_REVOKE: Final = 0
_EDIT: Final = 14
"""`ProtocolMessage.Type`."""
_TARGETS: Final = {"secretEncryptedMessage": "targetMessageKey"}
"""Sealed changes, with the field that names what they change."""


class AnswerChange(NamedTuple):
    """A change to a question on the phone: an answer, an edit or a deletion.

    Attributes:
        question_id: WhatsApp's id of the message that asks.
        approved: 👍 or 👎; None if the question was edited or deleted.
        at: When WhatsApp's server took it.
    """

    question_id: str
    approved: bool | None
    at: datetime


def answer_in(event: JournalEvent, asked: Collection[str], own: Collection[str]) -> AnswerChange | None:
    """Return what an event does with one of the questions; None if nothing that counts.

    Args:
        event: As the library gave it.
        asked: WhatsApp's ids of the messages that ask.
        own: The account's own addresses without a device: its number and its LID.
    """
    # Nearly every event ends here, unparsed.
    if event.code != EventCode.MESSAGE or not any(one.encode() in event.payload for one in asked):
        return None
    from whatsapp_mcp.protobufs import Neonize

    try:
        message = parsed(Neonize.Message, event.payload)
        changed = _changed(message)
    except (DecodeError, ValueError):
        return None
    answered_at = datetime.fromtimestamp(message.Info.Timestamp / 1000, UTC)
    if changed is not None and changed in asked:
        return AnswerChange(changed, None, answered_at)
    reaction = message.Message.reactionMessage
    if (
        reaction.key.ID not in asked
        or not _is_of_the_phone(message, own)
        or not _names_own(reaction.key, own)
    ):
        return None
    approved = _ANSWERS.get(reaction.text)
    return None if approved is None else AnswerChange(reaction.key.ID, approved, answered_at)


def phone_message_in(event: JournalEvent, own: Collection[str]) -> PhoneMessage | None:
    """Return the message that the phone has just written in the chat with oneself; None for other events.

    That is a text or a voice note: a reaction, an edit or a message between devices has an id as well, under
    which another device could write something later.

    Args:
        event: As the library gave it.
        own: The account's own addresses without a device.
    """
    # Nearly every event ends here, unparsed: an own address stands in it as a user and a server.
    if event.code != EventCode.MESSAGE or not any(
        one.partition("@")[0].encode() in event.payload for one in own
    ):
        return None
    from whatsapp_mcp.protobufs import Neonize

    try:
        message = parsed(Neonize.Message, event.payload)
        if not _is_of_the_phone(message, own):
            return None
        # As it is archived, so that what stands there later can be compared.
        for update in decode_event(event.code, event.payload, event.received_at):
            if isinstance(update, MessageUpdate):
                bound_update(update)
                has_words = bool(update.content.text) or update.content.kind is MessageKind.VOICE
                return PhoneMessage(update.wa_id, update.content.text) if has_words else None
    except UNDECODABLE:
        pass
    return None


def _is_of_the_phone(message: Neonize.Message, own: Collection[str]) -> bool:
    """Return whether the account's phone has just sent a message in the chat with oneself."""
    info, source = message.Info, message.Info.MessageSource
    sent_again = message.HasField("SourceWebMsg") or message.UnavailableRequestID
    destination = info.DeviceSentMeta.DestinationJID
    return (
        source.IsFromMe
        and source.Sender.Device == 0
        and jid_text(source.Sender) in own
        and jid_text(source.Chat) in own
        and (not destination or destination in own)
        and not sent_again
        and not message.IsEdit
        # "peer": what one device of an account tells another, in no chat.
        and not info.Category
    )


def _names_own(key: Any, own: Collection[str]) -> bool:
    """Return whether a key names a message of the owner in the chat with oneself."""
    return bool(key.fromMe) and key.remoteJID in own and (not key.participant or key.participant in own)


def _changed(message: Neonize.Message) -> str | None:
    """Which message it edits or deletes, whoever sent it: a question that may read otherwise asks nothing."""
    for body in (message.Message, message.Raw):
        for name, value in message_parts(body).found:
            if name == "protocolMessage" and value.type in {_REVOKE, _EDIT}:
                return value.key.ID
            if name in _TARGETS:
                return getattr(value, _TARGETS[name]).ID
    return None
