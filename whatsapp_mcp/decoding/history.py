"""The phone's past: chunks of conversations, messages as `WebMessageInfo`, names, identities, calls."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from google.protobuf.message import DecodeError

from whatsapp_mcp import protobufs
from whatsapp_mcp.decoding.addons import Origin, decode_addon, history_addons
from whatsapp_mcp.decoding.addresses import identity, is_person, lasting, seconds
from whatsapp_mcp.decoding.content import ADDON_FIELDS, content_of, message_parts
from whatsapp_mcp.decoding.kinds import bare
from whatsapp_mcp.decoding.legible import make_legible
from whatsapp_mcp.decoding.stubs import stub_content
from whatsapp_mcp.decoding.updates import (
    ChatUpdate,
    Content,
    EditUpdate,
    Flag,
    HistoryUpdate,
    MembersUpdate,
    MessageUpdate,
    NameUpdate,
    ReceiptKind,
    ReceiptUpdate,
    RevokeUpdate,
    UndecodedUpdate,
    UnreadUpdate,
    Update,
)
from whatsapp_mcp.models import MessageKind

HISTORY_CODE: Final = 13
_NO_MORE: Final = 1
_MARKED_UNREAD: Final = 1 << 31
"""A count from here on is -1, by which phones say that a chat was marked unread."""
_FOREVER: Final = 253_402_300_799
"""The last second of the year 9999."""
_STATUS_MARKS: Final = {3: ReceiptKind.DELIVERED, 4: ReceiptKind.READ, 5: ReceiptKind.PLAYED}


def history_sync(event: Any, received_at: int) -> list[Update]:
    """A `neonize.HistorySync` event."""
    data = event.Data
    kind = data.DESCRIPTOR.fields_by_name["syncType"].enum_type.values_by_number[data.syncType].name
    progress = data.progress if data.HasField("progress") else None
    updates: list[Update] = [HistoryUpdate(kind.lower(), data.chunkOrder, progress)]
    for pair in data.phoneNumberToLidMappings:
        updates += identity(bare(pair.pnJID), bare(pair.lidJID), received_at)
    for name in data.pushnames:
        person = bare(name.ID)
        if person is not None and name.pushname and name.pushname != "-":
            updates.append(NameUpdate(person, push_name=name.pushname))
    for conversation in data.conversations:
        updates += _conversation(conversation, received_at)
    for status in data.statusV3Messages:
        updates += web_message(status, "status@broadcast", received_at)
    for record in data.callLogRecords:
        updates += _call(record, received_at)
    return updates


def _conversation(value: Any, received_at: int) -> list[Update]:
    chat = bare(value.newJID) or bare(value.ID)
    if chat is None:
        return []
    updates: list[Update] = []
    if is_person(chat):
        for other in (bare(value.ID), bare(value.pnJID), bare(value.lidJID)):
            updates += identity(chat, other, received_at)
            chat = lasting(chat, other) or chat
        if value.name:
            # What the phone shows; of somebody who is not in its address book it may be their own choice.
            updates.append(NameUpdate(chat, given_name=value.name, at=received_at))
        elif value.displayName:
            updates.append(NameUpdate(chat, push_name=value.displayName))
    else:
        updates.append(ChatUpdate(chat, received_at, name=value.name or None))
    updates.append(_settings(value, chat, received_at))
    if value.participant:
        members = [(person, entry.rank) for entry in value.participant if (person := bare(entry.userJID))]
        updates.append(MembersUpdate(chat, tuple(members), received_at, whole=True))
    messages: list[Update] = []
    for entry in reversed(value.messages):
        messages += web_message(entry.message, chat, received_at)
    updates += messages
    updates.append(UnreadUpdate(chat, value.unreadCount if value.unreadCount < _MARKED_UNREAD else 0))
    return updates


def _settings(value: Any, chat: str, at: int) -> ChatUpdate:
    complete = value.endOfHistoryTransfer and value.endOfHistoryTransferType == _NO_MORE
    return ChatUpdate(
        chat,
        at,
        archived=value.archived if value.HasField("archived") else None,
        pinned=bool(value.pinned) if value.HasField("pinned") else None,
        muted_until=_muted_until(value.muteEndTime) if value.HasField("muteEndTime") else None,
        marked_unread=_marked_unread(value),
        expires_in=value.ephemeralExpiration if value.HasField("ephemeralExpiration") else None,
        complete=True if complete else None,
    )


def _muted_until(stamp: int) -> int:
    """Seconds since 1970; 0: not muted. Phones send a mute without an end as -1, which is unsigned here."""
    return seconds(stamp, _FOREVER if stamp else 0)


def _marked_unread(value: Any) -> bool | None:
    if value.unreadCount >= _MARKED_UNREAD:
        return True
    return value.markedAsUnread if value.HasField("markedAsUnread") else None


def web_message(value: Any, chat: str, received_at: int) -> list[Update]:
    """One `WebMessageInfo`; one that cannot be read gives an `UndecodedUpdate`, the others are not harmed."""
    try:
        return _web_message(value, chat, received_at)
    except (DecodeError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        return [UndecodedUpdate(HISTORY_CODE, value.SerializePartialToString(), f"{type(error).__name__}")]


def one_message(payload: bytes, chat: str | None, received_at: int) -> list[Update]:
    """One serialised `WebMessageInfo`; its own key names the chat when none is given."""
    value = protobufs.Web.WebMessageInfo.FromString(payload)
    make_legible(value)
    where = chat or bare(value.key.remoteJID)
    return _web_message(value, where, received_at) if where else []


def _web_message(value: Any, chat: str, received_at: int) -> list[Update]:
    key = value.key
    if not key.ID:
        return []
    at = seconds(value.messageTimestamp, received_at)
    author = _author(value, chat)
    updates: list[Update] = []
    if author is not None and value.pushName and value.pushName != "-" and is_person(author):
        updates.append(NameUpdate(author, push_name=value.pushName, at=at))
    if author is not None and value.verifiedBizName:
        updates.append(NameUpdate(author, business_name=value.verifiedBizName, at=at))
    found, flags, secret, album = message_parts(value.message)
    # The past does not say whether the server took this for an admin's act, so it counts as the author's.
    origin = Origin(chat, author, author, key.ID, at, live=False)
    for name, part in found:
        if name in ADDON_FIELDS:
            changes = decode_addon(name, part, origin)
            return updates + [update for change in changes for update in (*_only_edited(change, at), change)]
    content = content_of(found, flags, value.messageSecret or secret, album) or stub_content(value)
    if content is None:
        return updates
    if value.starred:
        content.flags |= Flag.STARRED
    if value.broadcast and chat != "status@broadcast":
        content.flags |= Flag.BROADCAST
    if content.kind is MessageKind.LIVE_LOCATION and value.duration:
        content.details["ends_at"] = at + value.duration
    if value.newsletterServerID:
        content.details["server_id"] = value.newsletterServerID
    raw = value.SerializePartialToString()
    updates.append(MessageUpdate(chat, author, key.ID, at, content, False, HISTORY_CODE, raw))
    if value.messageStubType == 1 or value.revokeMessageTimestamp:
        updates.append(RevokeUpdate(chat, author, key.ID, seconds(value.revokeMessageTimestamp, at)))
    return updates + _attached(value, chat, author, at)


def _only_edited(update: Update, at: int) -> list[Update]:
    """The place of a message of which the phone has kept the newest text alone."""
    if not isinstance(update, EditUpdate):
        return []
    content = replace(update.content, text="", flags=update.content.flags | Flag.ONLY_EDITED)
    return [MessageUpdate(update.chat, update.sender, update.wa_id, at, content, live=False)]


def _author(value: Any, chat: str) -> str | None:
    if value.key.fromMe:
        return None
    return bare(value.participant) or bare(value.key.participant) or chat


def _attached(value: Any, chat: str, author: str | None, at: int) -> list[Update]:
    """Add-ons and receipts that the phone stored with the message."""
    updates, wa_id = history_addons(value, chat, at), value.key.ID
    if author is not None:
        return updates
    receipts = False
    for receipt in value.userReceipt:
        person = bare(receipt.userJID)
        for stamp, mark in (
            (receipt.receiptTimestamp, ReceiptKind.DELIVERED),
            (receipt.readTimestamp, ReceiptKind.READ),
            (receipt.playedTimestamp, ReceiptKind.PLAYED),
        ):
            if person is not None and stamp > 0:
                receipts = True
                updates.append(ReceiptUpdate(chat, person, (wa_id,), mark, seconds(stamp, at)))
    mark = _STATUS_MARKS.get(value.status)
    if mark is not None and not receipts:
        updates.append(ReceiptUpdate(chat, chat, (wa_id,), mark, at, everyone=not is_person(chat)))
    return updates


def _call(record: Any, received_at: int) -> list[Update]:
    """One entry of the phone's call log."""
    creator = bare(record.callCreatorJID)
    others = [person for entry in record.participants if (person := bare(entry.userJID))]
    chat = bare(record.groupJID) or (creator if record.isIncoming else next(iter(others), None))
    if chat is None or not record.callID:
        return []
    outcome = (
        record.DESCRIPTOR.fields_by_name["callResult"].enum_type.values_by_number[record.callResult].name
    )
    details = {"call": {"video": record.isVideo, "outcome": outcome.lower(), "duration": record.duration}}
    content = Content(MessageKind.CALL, details=details)
    at = seconds(record.startTime, received_at)
    return [MessageUpdate(chat, creator if record.isIncoming else None, record.callID, at, content, False)]
