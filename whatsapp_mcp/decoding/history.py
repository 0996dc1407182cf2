"""The phone's past: chunks of conversations, messages as `WebMessageInfo`, names, identities, calls.

A system message of it is a stub, whose number stands for a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from google.protobuf.message import DecodeError
from google.protobuf.message import Message as Proto

from whatsapp_mcp import protobufs
from whatsapp_mcp.decoding import limits
from whatsapp_mcp.decoding.addons import Origin, decode_addon, history_addons
from whatsapp_mcp.decoding.addresses import identity, is_person, lasting, seconds
from whatsapp_mcp.decoding.content import ADDON_FIELDS, content_of, message_parts
from whatsapp_mcp.decoding.kinds import bare
from whatsapp_mcp.decoding.limits import legibly, make_legible
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
from whatsapp_mcp.protobufs.bounded import OverBounds, Span, parsed, spans, tag_of, weigh

_CIPHERTEXT: Final = 2
"""`WebMessageInfo.StubType.CIPHERTEXT`: the phone itself could not read it yet."""
_MISSED_CALLS: Final = {40: False, 41: True, 45: False, 46: True, 169: False, 170: True}
"""Type of stub to whether it was a call with video."""
_WITH_PEOPLE: Final = {
    27: "added",
    28: "removed",
    29: "made admin:",
    30: "made no longer admin:",
    31: "invited",
    32: "left:",
    33: "changed the number of",
    71: "joined by link:",
    140: "accepted",
    141: "joined:",
}
"""Type of stub to the words before the people in its parameters."""
_WITH_TEXT: Final = {
    20: "created the group {}",
    21: "changed the group's name to {}",
    64: "changed the business name to {}",
    142: "created the community {}",
}
"""Type of stub to its sentence, with the first parameter in it."""
_PLAIN: Final = {
    22: "changed the group's picture",
    23: "reset the group's invite link",
    24: "changed the group's description",
    25: "changed who may change the group's settings",
    26: "changed who may send messages",
    38: "has a new security code",
    42: "changed the phone number",
    43: "deleted the group",
    72: "changed disappearing messages",
    122: "was blocked or unblocked",
    132: "An admin deleted this message",
    145: "changed how new members are approved",
    171: "changed who may add members",
    177: "pinned a message",
}
HISTORY_CODE: Final = 13
MAX_HISTORY_WEIGHT: Final = 512 << 20
"""Most bytes of one parsed chunk, by estimate: more than 100,000 messages. Only one message at a time is
parsed."""
MAX_MESSAGE_WEIGHT: Final = 16 << 20
"""Most bytes of one parsed message of a chunk, by estimate: 4,000 are usual, and each receipt or reaction of
a full group adds 300."""
MAX_UPDATES: Final = 300_000
"""Updates of one chunk, which are in memory together."""
MAX_PEOPLE: Final = 30_000
"""Names and addresses of people in one chunk: each costs the archive 90 microseconds."""
MAX_CONVERSATIONS: Final = 20_000
"""Conversations of one chunk, at 120 microseconds each."""
_NO_MORE: Final = 1
"""`COMPLETE_AND_NO_MORE_MESSAGE_REMAIN_ON_PRIMARY` of `EndOfHistoryTransferType`."""
_MARKED_UNREAD: Final = 1 << 31
"""A count from here on is -1, by which phones say that a chat was marked unread."""
_FOREVER: Final = 253_402_300_799
"""The last second of the year 9999."""
_STATUS_MARKS: Final = {3: ReceiptKind.DELIVERED, 4: ReceiptKind.READ, 5: ReceiptKind.PLAYED}
"""`WebMessageInfo.Status` to its receipt; lower numbers say nothing of the recipient."""


def stub_content(value: Any) -> Content | None:
    """Decode a `WebMessageInfo` without a message; None if it is nothing that a person sees."""
    stub = value.messageStubType
    if stub == _CIPHERTEXT:
        return Content(MessageKind.UNDECRYPTABLE)
    if stub in _MISSED_CALLS:
        return Content(
            MessageKind.CALL, details={"call": {"video": _MISSED_CALLS[stub], "outcome": "missed"}}
        )
    # REVOKE: the place of a message that `_message` then marks as deleted.
    if stub == 1:
        return Content(MessageKind.TEXT)
    parameters = list(value.messageStubParameters)
    if stub in _WITH_PEOPLE:
        people = [person for text in parameters if (person := bare(text))]
        names = ", ".join(f"@{person.partition('@')[0]}" for person in people)
        return Content(
            MessageKind.SYSTEM, f"{_WITH_PEOPLE[stub]} {names}".strip(), details={"mentions": people}
        )
    if stub in _WITH_TEXT:
        text = limits.bounded_text(parameters[0], limits.MAX_NAME) if parameters else ""
        return Content(MessageKind.SYSTEM, _WITH_TEXT[stub].format(text).strip())
    if stub in _PLAIN:
        return Content(MessageKind.SYSTEM, _PLAIN[stub])
    return None


def history_sync(payload: bytes, received_at: int) -> list[Update]:
    """Decode a `neonize.HistorySync` event.

    A chunk may hold tens of thousands of messages, so it is never parsed as a whole: each conversation, and
    each message in it, is parsed by itself and forgotten once it is decoded.

    Args:
        payload: The event.
        received_at: Seconds since 1970.

    Raises:
        OverBounds: It says more than is taken in at once.
    """
    event, kind = protobufs.Neonize.HistorySync.DESCRIPTOR, protobufs.HistorySync.HistorySync
    weigh(event, payload, MAX_HISTORY_WEIGHT)
    in_data, whole = tag_of(event, "Data"), spans(payload, 0, len(payload))
    head, parts = _split(
        payload, [one for one in whole if one.tag == in_data], kind, "conversations", "statusV3Messages"
    )
    if len(parts["conversations"]) > MAX_CONVERSATIONS:
        raise OverBounds(f"more than {MAX_CONVERSATIONS} conversations")
    updates = _legibly(kind, head, partial(_head, received_at=received_at))
    for conversation in parts["conversations"]:
        _extend(updates, _conversation(payload, conversation, received_at))
    for status in parts["statusV3Messages"]:
        _extend(updates, _web_message(payload[status.start : status.end], "status@broadcast", received_at))
    _extend(updates, _legibly(kind, head, partial(_calls, received_at=received_at)))
    return updates


def _split(
    payload: bytes, within: Sequence[Span], kind: type[Proto], *names: str
) -> tuple[bytes, dict[str, list[Span]]]:
    """A message in parts: without the fields of these names, and those fields."""
    parts: dict[str, list[Span]] = {name: [] for name in names}
    tags = {tag_of(kind.DESCRIPTOR, name): found for name, found in parts.items()}
    head: list[bytes] = []
    for outer in within:
        after = outer.start
        for span in spans(payload, outer.start, outer.end):
            fields = tags.get(span.tag)
            if fields is not None:
                if span.begin > after:
                    head.append(payload[after : span.begin])
                fields.append(span)
                after = span.end
        head.append(payload[after : outer.end])
    return b"".join(head), parts


def _extend(updates: list[Update], more: list[Update]) -> None:
    updates += more
    if len(updates) > MAX_UPDATES:
        raise OverBounds(f"more than {MAX_UPDATES} updates")


def _legibly(kind: type[Proto], payload: bytes, decode: Callable[[Any], list[Update]]) -> list[Update]:
    return legibly(parsed(kind, payload), decode)


def _head(data: Any, received_at: int) -> list[Update]:
    kind = data.DESCRIPTOR.fields_by_name["syncType"].enum_type.values_by_number[data.syncType].name
    progress = data.progress if data.HasField("progress") else None
    if len(data.phoneNumberToLidMappings) + len(data.pushnames) > MAX_PEOPLE:
        raise OverBounds(f"more than {MAX_PEOPLE} names and addresses of people")
    updates: list[Update] = [HistoryUpdate(kind.lower(), data.chunkOrder, progress)]
    for pair in data.phoneNumberToLidMappings:
        updates += identity(bare(pair.pnJID), bare(pair.lidJID), received_at)
    for name in data.pushnames:
        person = bare(name.ID)
        if person is not None and name.pushname and name.pushname != "-":
            updates.append(NameUpdate(person, push_name=name.pushname))
    return updates


def _calls(data: Any, received_at: int) -> list[Update]:
    return [update for record in data.callLogRecords for update in _call(record, received_at)]


def _conversation(payload: bytes, span: Span, received_at: int) -> list[Update]:
    """One conversation: who and what it is, its messages from the oldest to the newest, what is unread."""
    head, parts = _split(payload, (span,), protobufs.HistorySync.Conversation, "messages")
    value: Any = parsed(protobufs.HistorySync.Conversation, head)
    updates = legibly(value, partial(_chat, received_at=received_at))
    if not updates:
        return []
    unread = updates.pop()
    assert isinstance(unread, UnreadUpdate)
    in_entry = tag_of(protobufs.HistorySync.HistorySyncMsg.DESCRIPTOR, "message")
    # A phone lists the newest first.
    for entry in reversed(parts["messages"]):
        inner = (one for one in spans(payload, entry.start, entry.end) if one.tag == in_entry)
        # What stands twice is one message, whose parts follow each other.
        message = b"".join([payload[one.start : one.end] for one in inner])
        _extend(updates, _web_message(message, unread.chat, received_at))
    # Last: it counts from the newest message, which has to be there.
    return [*updates, unread]


def _chat(value: Any, received_at: int) -> list[Update]:
    """Decode a conversation without its messages; its unread count comes last."""
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
    updates.append(UnreadUpdate(chat, value.unreadCount if value.unreadCount < _MARKED_UNREAD else 0))
    return updates


def _settings(value: Any, chat: str, received_at: int) -> ChatUpdate:
    complete = value.endOfHistoryTransfer and value.endOfHistoryTransferType == _NO_MORE
    return ChatUpdate(
        chat,
        received_at,
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


def _web_message(payload: bytes, chat: str, received_at: int) -> list[Update]:
    """One `WebMessageInfo`; one that cannot be read gives an `UndecodedUpdate`, the others are not harmed."""
    try:
        value = parsed(protobufs.Web.WebMessageInfo, payload, MAX_MESSAGE_WEIGHT)
    except DecodeError as error:
        return [UndecodedUpdate(HISTORY_CODE, payload, type(error).__name__)]
    return legibly(value, partial(_decoded, chat=chat, received_at=received_at))


def _decoded(value: Any, chat: str, received_at: int) -> list[Update]:
    try:
        return _message(value, chat, received_at)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        return [UndecodedUpdate(HISTORY_CODE, value.SerializePartialToString(), type(error).__name__)]


def one_message(payload: bytes, chat: str | None, received_at: int) -> list[Update]:
    """One serialised `WebMessageInfo`; its own key names the chat when none is given."""
    value = parsed(protobufs.Web.WebMessageInfo, payload, MAX_MESSAGE_WEIGHT)
    make_legible(value)
    where = chat or bare(value.key.remoteJID)
    return _message(value, where, received_at) if where else []


def _message(value: Any, chat: str, received_at: int) -> list[Update]:
    key = value.key
    if not key.ID:
        return []
    sent_at = seconds(value.messageTimestamp, received_at)
    author = _author(value, chat)
    updates: list[Update] = []
    if author is not None and value.pushName and value.pushName != "-" and is_person(author):
        updates.append(NameUpdate(author, push_name=value.pushName, at=sent_at))
    if author is not None and value.verifiedBizName:
        updates.append(NameUpdate(author, business_name=value.verifiedBizName, at=sent_at))
    parts, flags, secret, album = message_parts(value.message)
    # The past does not say whether the server took this for an admin's act, so it counts as the author's.
    origin = Origin(chat, author, author, key.ID, sent_at, live=False)
    for name, part in parts:
        if name in ADDON_FIELDS:
            changes = decode_addon(name, part, origin)
            return updates + [
                update for change in changes for update in (*_only_edited(change, sent_at), change)
            ]
    content = content_of(parts, flags, value.messageSecret or secret, album) or stub_content(value)
    if content is None:
        return updates
    if value.starred:
        content.flags |= Flag.STARRED
    if value.broadcast and chat != "status@broadcast":
        content.flags |= Flag.BROADCAST
    if content.kind is MessageKind.LIVE_LOCATION and value.duration:
        content.details["ends_at"] = sent_at + value.duration
    if value.newsletterServerID:
        content.details["server_id"] = value.newsletterServerID
    raw = value.SerializePartialToString()
    updates.append(MessageUpdate(chat, author, key.ID, sent_at, content, False, HISTORY_CODE, raw))
    if value.messageStubType == 1 or value.revokeMessageTimestamp:
        updates.append(RevokeUpdate(chat, author, key.ID, seconds(value.revokeMessageTimestamp, sent_at)))
    return updates + _attached(value, chat, author, sent_at)


def _only_edited(update: Update, sent_at: int) -> list[Update]:
    """The place of a message of which the phone has kept the newest text alone."""
    if not isinstance(update, EditUpdate):
        return []
    content = replace(update.content, text="", flags=update.content.flags | Flag.ONLY_EDITED)
    return [MessageUpdate(update.chat, update.sender, update.wa_id, sent_at, content, live=False)]


def _author(value: Any, chat: str) -> str | None:
    if value.key.fromMe:
        return None
    return bare(value.participant) or bare(value.key.participant) or chat


def _attached(value: Any, chat: str, author: str | None, sent_at: int) -> list[Update]:
    """Add-ons and receipts that the phone stored with the message."""
    updates, wa_id = history_addons(value, chat, sent_at), value.key.ID
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
                updates.append(ReceiptUpdate(chat, person, (wa_id,), mark, seconds(stamp, sent_at)))
    mark = _STATUS_MARKS.get(value.status)
    if mark is not None and not receipts:
        updates.append(ReceiptUpdate(chat, chat, (wa_id,), mark, sent_at, everyone=not is_person(chat)))
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
    called_at = seconds(record.startTime, received_at)
    return [
        MessageUpdate(chat, creator if record.isIncoming else None, record.callID, called_at, content, False)
    ]
