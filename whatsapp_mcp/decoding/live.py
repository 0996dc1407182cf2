"""Events that come one by one over the connection: messages, receipts, who we are, and calls.

Of a call, an offer makes the row, later steps say how it ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from whatsapp_mcp.decoding.addons import Origin, Unhandled, decode_addon
from whatsapp_mcp.decoding.addresses import identity, is_person, jid, lasting, millis, seconds
from whatsapp_mcp.decoding.content import ADDON_FIELDS, content_of, message_parts
from whatsapp_mcp.decoding.updates import (
    CallUpdate,
    Content,
    EditUpdate,
    Flag,
    LinkedUpdate,
    MessageUpdate,
    NameUpdate,
    OwnUpdate,
    ReceiptKind,
    ReceiptUpdate,
    UndecodedUpdate,
    Update,
)
from whatsapp_mcp.models import MessageKind

if TYPE_CHECKING:
    from google.protobuf.message import Message as Proto

MESSAGE_CODE: Final = 17
UNDECRYPTABLE_CODE: Final = 44
_ADMIN_EDIT: Final = "3"
"""The `edit` attribute of an edit in a channel (whatsmeow, `EditAttributeAdminEdit`)."""
_ADMIN_REVOKE: Final = "8"
"""The same where a group's admin deletes what another has sent (`EditAttributeAdminRevoke`)."""
_FAIL_HIDE: Final = 2
"""`DECRYPT_FAIL_HIDE`: apps show no placeholder, since it changes another message and is none itself."""
_PEER: Final = "peer"
"""Category of what one device of the account sends to another."""
_MARKS: Final = {
    1: ReceiptKind.DELIVERED,
    4: ReceiptKind.READ,
    5: ReceiptKind.READ,
    6: ReceiptKind.PLAYED,
    7: ReceiptKind.PLAYED,
    9: ReceiptKind.DELIVERED,
}
"""By neonize's number of a receipt's type; 9 is a delivery to an app that is not open. The others say nothing
of a person."""
_READ_SELF: Final = (5, 7)
"""Types of receipts that another device of the owner sends."""


def message(event: Any, received_at: int) -> list[Update]:
    """A `neonize.Message` event."""
    info = event.Info
    sent_at = seconds(info.Timestamp, received_at)
    updates = _who(info, sent_at)
    origin = _origin(info, sent_at)
    if origin is None:
        return updates
    body = event.Message if event.Message.ByteSize() else event.Raw
    parts, flags, secret, album = message_parts(body)
    if event.HasField("Raw") and (secret is None or album is None):  # the library has opened the wrappers
        outside = message_parts(event.Raw)
        secret, album = secret or outside.secret, album or outside.album
    flags |= _flags(event)
    for name, value in parts:
        if name in ADDON_FIELDS:
            return updates + _addon(name, value, origin, event)
    # After the add-ons: in such a message the phone also says which LID belongs to which number.
    if info.Category == _PEER:
        return updates
    content = content_of(parts, flags, secret, album)
    if content is None:
        return updates
    if info.Edit == _ADMIN_EDIT:
        edited = event.NewsLetterMeta.EditTS if event.HasField("NewsLetterMeta") else 0
        return [*updates, EditUpdate(origin.chat, origin.author, info.ID, millis(edited, sent_at), content)]
    if info.ServerID:
        content.details["server_id"] = info.ServerID
    raw = event.SerializePartialToString()
    return [
        *updates,
        MessageUpdate(origin.chat, origin.author, info.ID, sent_at, content, True, MESSAGE_CODE, raw),
    ]


def _addon(name: str, value: Any, origin: Origin, event: Any) -> list[Update]:
    """Decode an add-on; one that is not handled is kept with its event.

    What is only between the devices of the account is not kept, since it may hold keys.
    """
    try:
        return decode_addon(name, value, origin)
    except Unhandled as error:
        if event.Info.Category == _PEER:
            return []
        return [UndecodedUpdate(MESSAGE_CODE, event.SerializePartialToString(), type(error).__name__)]


def undecryptable(event: Any, received_at: int) -> list[Update]:
    """A `neonize.UndecryptableMessage` event: a place is kept for the message, which may still come."""
    sent_at = seconds(event.Info.Timestamp, received_at)
    updates = _who(event.Info, sent_at)
    origin = _origin(event.Info, sent_at)
    if origin is None or event.DecryptFailMode == _FAIL_HIDE or event.Info.Category == _PEER:
        return updates
    content = Content(MessageKind.UNDECRYPTABLE, details={"unavailable": True} if event.IsUnavailable else {})
    raw, wa_id = event.SerializePartialToString(), event.Info.ID
    return [
        *updates,
        MessageUpdate(origin.chat, origin.author, wa_id, sent_at, content, True, UNDECRYPTABLE_CODE, raw),
    ]


def receipt(event: Any, received_at: int) -> list[Update]:
    """A `neonize.Receipt` event."""
    source = event.MessageSource
    chat, sender = jid(source.Chat), jid(source.Sender)
    mark = _MARKS.get(event.Type)
    if chat is None or mark is None:
        return []
    receipt_at = seconds(event.Timestamp, received_at)
    alt = jid(source.SenderAlt)
    updates = identity(sender, alt, receipt_at)
    ours = source.IsFromMe or event.Type in _READ_SELF
    # That another device of the owner has it says nothing of who received or read it.
    if ours and mark is ReceiptKind.DELIVERED:
        return updates
    contact = None if ours else lasting(sender, alt) or chat
    if contact is not None and not is_person(contact):
        return updates
    chat = lasting(chat, jid(source.RecipientAlt) if ours else alt if chat == sender else None) or chat
    return [*updates, ReceiptUpdate(chat, contact, tuple(event.MessageIDs), mark, receipt_at)]


def pair_status(event: Any, _received_at: int) -> list[Update]:
    """A `neonize.PairStatus`: a phone has taken a code; one that may log in will send its history again.

    It does not say who the owner is: the phone of somebody else is refused after it has taken the code.
    """
    phone = jid(event.ID)
    return [LinkedUpdate()] if phone and is_person(phone) else []


def _who(info: Any, sent_at: int) -> list[Update]:
    """The identities and names that come with a message."""
    source = info.MessageSource
    chat, sender, alt = jid(source.Chat), jid(source.Sender), jid(source.SenderAlt)
    updates: list[Update] = []
    if source.IsFromMe:
        updates += [OwnUpdate(own) for own in (sender, alt) if own and is_person(own)]
        if is_person(chat):
            updates += identity(chat, jid(source.RecipientAlt), sent_at)
    updates += identity(sender, alt, sent_at)
    person = lasting(sender, alt)
    if person and is_person(person):
        if info.Pushname and info.Pushname != "-":
            updates.append(NameUpdate(person, push_name=info.Pushname, at=sent_at))
        business = info.VerifiedName.Details.verifiedName if info.HasField("VerifiedName") else ""
        if business and not source.IsFromMe:
            updates.append(NameUpdate(person, business_name=business, at=sent_at))
    return updates


def _origin(info: Any, sent_at: int) -> Origin | None:
    source = info.MessageSource
    chat, sender = jid(source.Chat), jid(source.Sender)
    if _came_by_list(source):
        chat = jid(source.BroadcastListOwner) if source.IsFromMe else sender
    if chat is None or not info.ID:
        return None
    alt = jid(source.RecipientAlt) if source.IsFromMe else jid(source.SenderAlt) if chat == sender else None
    place = lasting(chat, alt) or chat
    author = None if source.IsFromMe else lasting(sender, jid(source.SenderAlt)) or place
    return Origin(
        place, author, sender, info.ID, sent_at, live=True, as_admin=info.Edit == _ADMIN_REVOKE,
        from_phone=source.IsFromMe and not source.Sender.Device,
    )  # fmt: skip


def _came_by_list(source: Any) -> bool:
    """Return whether a message came through a broadcast list, so that it is in its sender's chat.

    It is as whatsmeow has it (`MessageSource.IsIncomingBroadcast`).
    """
    by_list = source.Chat.Server == "broadcast" and source.Chat.User != "status"
    return by_list and (not source.IsFromMe or bool(source.BroadcastListOwner.User))


def _flags(event: Proto) -> int:
    flags = 0
    values: Any = event
    if values.IsEphemeral:
        flags |= Flag.EPHEMERAL
    if values.IsViewOnce or values.IsViewOnceV2 or values.IsViewOnceV2Extension:
        flags |= Flag.VIEW_ONCE
    if _came_by_list(values.Info.MessageSource):
        flags |= Flag.BROADCAST
    return flags


def offer(event: Any, received_at: int) -> list[Update]:
    """A `neonize.CallOffer` event: somebody calls."""
    video = any(child.Tag == "video" for child in event.data.Nodes)
    return _step(event.basicCallMeta, "offer", received_at, video=video)


def offer_notice(event: Any, received_at: int) -> list[Update]:
    """A `neonize.CallOfferNotice` event: somebody calls a group."""
    return _step(event.basicCallMeta, "offer", received_at, video=event.media == "video")


def accept(event: Any, received_at: int) -> list[Update]:
    """A `neonize.CallAccept` event: it was taken, on another device."""
    return _step(event.basicCallMeta, "accept", received_at)


def terminate(event: Any, received_at: int) -> list[Update]:
    """A `neonize.CallTerminate` event: it is over."""
    return _step(event.basicCallMeta, "terminate", received_at, reason=event.reason)


def _step(meta: Any, step: str, received_at: int, *, video: bool = False, reason: str = "") -> list[Update]:
    # Who calls a person is who it came from, as the server says. What stands within the call (its creator,
    # and their other address) is from the caller's client, which may name anybody; a group's has no more.
    chat = jid(getattr(meta, "from")) or jid(meta.callCreator)
    if chat is None or not meta.callID:
        return []
    caller = None if is_person(chat) else jid(meta.callCreator)
    moment = seconds(meta.timestamp, received_at)
    return [CallUpdate(chat, caller or chat, meta.callID, moment, step, video, reason)]
