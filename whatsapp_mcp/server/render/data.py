"""Structured content: the shapes that programs may rely on. Times are RFC 3339 with zone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Any, NotRequired

from typing_extensions import TypedDict

from whatsapp_mcp.models import (
    Chat,
    Contact,
    ContactDetails,
    Media,
    Message,
    Page,
    SendReport,
    SendResult,
)
from whatsapp_mcp.server.render.sanitise import clean, clean_line, full_name
from whatsapp_mcp.server.render.times import rfc3339, stamp


class ChatData(TypedDict):
    """One chat of a list."""

    jid: str
    name: str
    kind: str
    unread: int
    last_message_at: str | None
    last_message: NotRequired[str]
    archived: NotRequired[bool]
    pinned: NotRequired[bool]
    muted_until: NotRequired[str | None]


class ChatsData(TypedDict):
    """A page of chats."""

    chats: list[ChatData]
    next_cursor: str | None


class MessageData(TypedDict):
    """One message of a list; what is not there does not apply."""

    ref: str
    message_id: str
    chat: str
    chat_name: str
    sender: str
    sender_name: str
    from_me: bool
    kind: str
    text: str
    timestamp: str
    status: NotRequired[str]
    snippet: NotRequired[str]
    media: NotRequired[dict[str, Any]]
    reply_to: NotRequired[dict[str, Any]]
    reactions: NotRequired[list[dict[str, Any]]]
    poll: NotRequired[list[dict[str, Any]]]
    edited_at: NotRequired[str | None]
    revoked_at: NotRequired[str | None]
    forwarded: NotRequired[bool]
    mentions_me: NotRequired[bool]
    starred: NotRequired[bool]
    details: NotRequired[dict[str, Any]]


class MessagesData(TypedDict):
    """A page of messages; `notes` tell where messages may be missing."""

    messages: list[MessageData]
    next_cursor: str | None
    notes: NotRequired[list[str]]


class ContactData(TypedDict):
    """One person."""

    jid: str
    name: str
    number: str | None
    lid: NotRequired[str]
    saved_name: NotRequired[str]
    push_name: NotRequired[str]
    business_name: NotRequired[str]


class ContactsData(TypedDict):
    """A page of people."""

    contacts: list[ContactData]
    next_cursor: str | None


class GroupData(TypedDict):
    """A group by its address and name."""

    jid: str
    name: str


class ProfileData(ContactData):
    """One person with what WhatsApp shows of them and the groups in common.

    `note` says when WhatsApp could not be asked.
    """

    about: NotRequired[str]
    picture: NotRequired[str]
    business: NotRequired[str]
    groups: NotRequired[list[GroupData]]
    last_message: NotRequired[MessageData]
    note: NotRequired[str]


class PollData(TypedDict):
    """Votes of a poll."""

    ref: str
    question: str
    options: list[dict[str, Any]]


class SentData(TypedDict):
    """What is known of a send. `send_id` names it until WhatsApp has given it a `message_id`."""

    message_id: str | None
    ref: str | None
    chat: str
    status: str
    timestamp: str | None
    send_id: int
    reason: NotRequired[str]


class DeliveryData(TypedDict):
    """How far a message came with one person."""

    contact: str
    delivered_at: str | None
    read_at: str | None


class ReportData(SentData):
    """A send and its receipts."""

    deliveries: list[DeliveryData]


def ref_of(number: int | None) -> str | None:
    """`#1042`; None stays None."""
    return None if number is None else f"#{number}"


def chat_data(chat: Chat, zone: tzinfo) -> ChatData:
    """One chat."""
    data: ChatData = {
        "jid": chat.jid,
        "name": full_name(chat.name),
        "kind": str(chat.kind),
        "unread": chat.unread,
        "last_message_at": rfc3339(chat.last_message_at, zone),
    }
    if chat.last_message:
        data["last_message"] = clean(chat.last_message)
    if chat.archived:
        data["archived"] = True
    if chat.pinned:
        data["pinned"] = True
    if chat.muted_until:
        data["muted_until"] = rfc3339(chat.muted_until, zone)
    return data


def chats_data(page: Page[Chat], zone: tzinfo) -> ChatsData:
    """A page of chats."""
    return ChatsData(chats=[chat_data(chat, zone) for chat in page.items], next_cursor=page.next_cursor)


def message_data(message: Message, zone: tzinfo) -> MessageData:
    """One message, its text cleaned and otherwise whole."""
    data: MessageData = {
        "ref": f"#{message.ref}",
        "message_id": message.message_id,
        "chat": message.chat,
        "chat_name": full_name(message.chat_name),
        "sender": message.sender,
        "sender_name": full_name(message.sender_name),
        "from_me": message.from_me,
        "kind": str(message.kind),
        "text": clean(message.text),
        "timestamp": stamp(message.timestamp, zone),
    }
    if message.status:
        data["status"] = str(message.status)
    if message.snippet:
        data["snippet"] = clean(message.snippet)
    if message.media:
        data["media"] = media_data(message.media)
    _add_relations(data, message)
    if message.edited_at:
        data["edited_at"] = rfc3339(message.edited_at, zone)
    if message.revoked_at:
        data["revoked_at"] = rfc3339(message.revoked_at, zone)
    if message.forwarded:
        data["forwarded"] = True
    if message.mentions_me:
        data["mentions_me"] = True
    if message.starred:
        data["starred"] = True
    if message.details:
        data["details"] = _cleaned(dict(message.details))
    return data


def _add_relations(data: MessageData, message: Message) -> None:
    if message.quote:
        quote = message.quote
        data["reply_to"] = {
            "message_id": quote.message_id,
            "ref": ref_of(quote.ref),
            "sender_name": full_name(quote.sender_name or ""),
            "text": clean(quote.text or ""),
        }
    if message.reactions:
        data["reactions"] = [
            {
                "emoji": clean_line(reaction.emoji, 20),
                "sender_name": full_name(reaction.sender_name),
                "from_me": reaction.from_me,
            }
            for reaction in message.reactions
        ]
    if message.poll:
        data["poll"] = [
            {
                "name": full_name(option.name),
                "voters": [full_name(voter) for voter in option.voters],
            }
            for option in message.poll
        ]


def media_data(media: Media) -> dict[str, Any]:
    """What is known of a file, without the unknown."""
    known = {
        "mime_type": media.mime_type,
        "file_name": None if media.file_name is None else full_name(media.file_name),
        "size": media.size,
        "duration": media.duration,
        "width": media.width,
        "height": media.height,
        "path": media.path,
        "view_once": media.view_once or None,
    }
    return {key: value for key, value in known.items() if value is not None}


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {key: _cleaned(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cleaned(inner) for inner in value]
    return value


def messages_data(page: Page[Message], zone: tzinfo) -> MessagesData:
    """A page of messages."""
    data = MessagesData(
        messages=[message_data(message, zone) for message in page.items], next_cursor=page.next_cursor
    )
    if page.notes:
        data["notes"] = list(page.notes)
    return data


def contact_data(contact: Contact) -> ContactData:
    """One person."""
    data = ContactData(jid=contact.jid, name=full_name(contact.name), number=contact.number)
    if contact.lid:
        data["lid"] = contact.lid
    for key in ("saved_name", "push_name", "business_name"):
        if name := getattr(contact, key):
            data[key] = full_name(name)
    return data


def contacts_data(page: Page[Contact]) -> ContactsData:
    """A page of people."""
    return ContactsData(contacts=[contact_data(c) for c in page.items], next_cursor=page.next_cursor)


def profile_data(
    person: Contact,
    details: ContactDetails,
    groups: Sequence[Chat],
    last: Message | None,
    note: str | None,
    zone: tzinfo,
) -> ProfileData:
    """One person with what WhatsApp shows of them and the groups in common."""
    data = ProfileData(**contact_data(person))
    if details.about:
        data["about"] = clean(details.about)
    if details.picture:
        data["picture"] = details.picture
    if details.business:
        data["business"] = full_name(details.business)
    if groups:
        data["groups"] = [GroupData(jid=group.jid, name=full_name(group.name)) for group in groups]
    if last:
        data["last_message"] = message_data(last, zone)
    if note:
        data["note"] = note
    return data


def poll_data(message: Message) -> PollData:
    """Votes of a poll."""
    options = [
        {
            "name": full_name(option.name),
            "votes": len(option.voters),
            "voters": [full_name(voter) for voter in option.voters],
        }
        for option in message.poll
    ]
    return PollData(ref=f"#{message.ref}", question=clean(message.text), options=options)


def sent_data(result: SendResult, zone: tzinfo) -> SentData:
    """What is known of a send."""
    data = SentData(
        message_id=result.message_id,
        ref=ref_of(result.ref),
        chat=result.chat,
        status=result.status.value,
        timestamp=rfc3339(result.timestamp, zone),
        send_id=result.send_id,
    )
    if result.reason:
        data["reason"] = clean_line(result.reason, 300)
    return data


def report_data(report: SendReport, zone: tzinfo) -> ReportData:
    """A send and its receipts."""
    deliveries = [
        DeliveryData(
            contact=full_name(delivery.contact),
            delivered_at=rfc3339(delivery.delivered_at, zone),
            read_at=rfc3339(delivery.read_at, zone),
        )
        for delivery in report.deliveries
    ]
    return ReportData(**sent_data(report.result, zone), deliveries=deliveries)
