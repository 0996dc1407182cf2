"""Structured content of what happened: change events for programs, what became of sends, and a digest.

Every event that is sent unprompted has the shape of `EventData`. A digest is the newest lines of each chat,
in a fixed budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from itertools import groupby
from typing import Final, NotRequired

from typing_extensions import TypedDict

from whatsapp_mcp.models import (
    NEW_COUNTED,
    Change,
    Digest,
    Message,
    MessageFilter,
    SendReport,
    SendResult,
    SendStatus,
)
from whatsapp_mcp.policy import clean_line
from whatsapp_mcp.server.fencing import Text, full_name, identifier, known_identifier, length, reaction_shown
from whatsapp_mcp.server.render.data import MessageData, message_data, ref_of
from whatsapp_mcp.server.render.message_line import View, body_of, chat_of, notes_of, sender_of
from whatsapp_mcp.server.render.text import narrowed
from whatsapp_mcp.server.render.times import rfc3339, short_stamp, stamp

ABOUT_A_MESSAGE: Final = frozenset({"message", "edit", "revoke", "reaction", "vote"})
"""Kinds of changes whose event holds the message as it is now."""
BUDGET: Final = 6_000
"""Characters of a digest: about 1,500 tokens of English."""
_AROUND: Final = 300
"""Characters of the heading, the fence and the note around the lines."""
_SIZES: Final = ((5, 200), (3, 120), (2, 90), (1, 70))
"""Lines of each chat, and characters of each text, until all chats fit."""
_WHOLE_LINE: Final = 400
"""Characters of a line: names, marks and what stands for files are short, but not counted in its text."""


class EventData(TypedDict):
    """One change; what is not there does not apply or is not known.

    `type` is the kind of the change, `seq` its number, by which a reader resumes. `ref` names the message
    that it is about, `message` is that message as it is now. `actor` is the jid of who did it. `emoji` is of
    a reaction, empty where one was taken back; `status` of a receipt or a send; `send_id` of a send. `before`
    is of a purge: messages before that time are gone, all if it is not there; of this `chat`, of all chats if
    there is none.
    """

    type: str
    timestamp: str
    seq: int
    chat: NotRequired[str]
    ref: NotRequired[str]
    actor: NotRequired[str]
    emoji: NotRequired[str]
    status: NotRequired[str]
    send_id: NotRequired[int]
    before: NotRequired[str]
    message: NotRequired[MessageData]


def event_data(change: Change, message: Message | None, zone: tzinfo) -> EventData:
    """Return the event for a change.

    Args:
        change: One that whoever hears of it may hear of (`GuardedArchive.readable`).
        message: The message that it is about, as its archive shows it to them; None without one.
        zone: The person's time zone.
    """
    data: EventData = {"type": change.kind, "timestamp": stamp(change.at, zone), "seq": change.seq}
    if change.chat:
        data["chat"] = known_identifier(change.chat)
    if change.ref is not None:
        data["ref"] = ref_of(change.ref) or ""
    if change.actor:
        data["actor"] = known_identifier(change.actor)
    _add_detail(data, change, zone)
    if message is not None:
        shown = message_data(message, zone)
        if "media" in shown:
            # The path of this computer is of no use elsewhere.
            shown["media"].pop("path", None)
        data["message"] = shown
    return data


def _add_detail(data: EventData, change: Change, zone: tzinfo) -> None:
    detail = change.detail
    match change.kind:
        case "reaction":
            data["emoji"] = reaction_shown(detail) if detail else ""
        case "receipt" if detail:
            data["status"] = detail
        case "send" if detail:
            number, _, status = detail.partition(" ")
            data["send_id"], data["status"] = int(number), status
        case "purge" if detail:
            data["before"] = stamp(datetime.fromtimestamp(int(detail), UTC), zone)
        case _:
            pass


class SentData(TypedDict):
    """State of a send. `send_id` identifies it until WhatsApp has given it a `message_id`.

    `at` says when it is to go out, while it is scheduled.
    """

    message_id: str | None
    ref: str | None
    chat: str
    status: str
    timestamp: str | None
    send_id: int
    reason: NotRequired[str]
    at: NotRequired[str]


class DeliveryData(TypedDict):
    """Delivery state of a message for one person."""

    contact: str
    delivered_at: str | None
    read_at: str | None
    stranger: NotRequired[bool]


class CountsData(TypedDict):
    """Numbers of people who read a message, only received it, or of whom nothing is known."""

    read: int
    delivered: int
    without: int


class ReportData(SentData):
    """A send and its receipts."""

    counts: CountsData
    deliveries: list[DeliveryData]
    next_cursor: str | None


def sent_data(result: SendResult, zone: tzinfo) -> SentData:
    """Return the state of a send."""
    data = SentData(
        message_id=result.message_id and identifier(result.message_id),
        ref=ref_of(result.ref),
        chat=result.chat,
        status=result.status.value,
        timestamp=rfc3339(result.timestamp, zone),
        send_id=result.send_id,
    )
    if result.reason:
        data["reason"] = clean_line(result.reason, 300)
    if result.status is SendStatus.SCHEDULED and result.due_at is not None:
        data["at"] = stamp(result.due_at, zone)
    return data


def report_data(report: SendReport, zone: tzinfo) -> ReportData:
    """A send and its receipts."""
    deliveries = [
        DeliveryData(
            contact=full_name(delivery.contact),
            delivered_at=rfc3339(delivery.delivered_at, zone),
            read_at=rfc3339(delivery.read_at, zone),
            **({"stranger": True} if delivery.stranger else {}),
        )
        for delivery in report.deliveries
    ]
    counts = report.counts
    return ReportData(
        **sent_data(report.result, zone),
        counts=CountsData(read=counts.read, delivered=counts.delivered, without=counts.without),
        deliveries=deliveries,
        next_cursor=report.next_cursor,
    )


class NewsData(TypedDict):
    """A chat: how many messages are new, and the newest of them, oldest first."""

    new: int
    messages: list[MessageData]


class DigestData(TypedDict):
    """Messages since a time, the chat with the newest message first; `others` counts further chats."""

    since: str
    chats: list[NewsData]
    others: int


def digest_shown(digest: Digest, since: datetime, now: datetime, zone: tzinfo) -> tuple[Text, DigestData]:
    """A digest as text and as data, both of the same messages."""
    header = f"Said in chats and groups{narrowed(MessageFilter(since=since), zone)}, the newest first"
    today = stamp(now, zone)
    chats = [
        NewsData(new=digest.new[jid], messages=[message_data(message, zone) for message in each])
        for jid, each in groupby(digest.messages, key=lambda message: message.chat)
    ]
    blocks: list[list[str]] = []
    kept, fits = chats, 0
    for most, width in _SIZES:
        kept = [NewsData(new=chat["new"], messages=chat["messages"][-most:]) for chat in chats]
        blocks = [_block(chat, today, width) for chat in kept]
        if (fits := _fitting(blocks)) == len(blocks):
            break
    others = len(digest.others) + len(blocks) - fits
    data = DigestData(since=stamp(since, zone), chats=kept[:fits], others=others)
    if not fits:
        return Text(f"{header}: nothing."), data
    note = [f"({others} more chat{'' if others == 1 else 's'}: list_chats shows them.)"] if others else []
    return Text(f"{header}:", [line for block in blocks[:fits] for line in block], note), data


def _fitting(blocks: Sequence[Sequence[str]]) -> int:
    """Return the number of chats that fit the budget."""
    room = BUDGET - _AROUND
    for count, block in enumerate(blocks):
        if (room := room - length(block)) < 0:
            return count
    return len(blocks)


def _block(chat: NewsData, today: str, width: int) -> list[str]:
    """`Boat club, 12 new` above its lines, such as `#1042 14:03 Ann: see you at eight`."""
    new, messages = chat["new"], chat["messages"]
    view = View(False, width, "")
    heading = f"{chat_of(messages[0])}, {new}{'+' if new == NEW_COUNTED else ''} new"
    return [heading, *(_line(message, today, view) for message in messages)]


def _line(message: MessageData, today: str, view: View) -> str:
    """Return the line of a message; the other person of a direct chat is named in the heading above."""
    who = f" {sender_of(message, message)[0]}" if "from_me" in message or "sender" in message else ""
    sent_at = short_stamp(message["timestamp"], today)
    line = f"{message['ref']} {sent_at}{who}{notes_of(message, view)}: {body_of(message, message, view)}"
    return line if len(line) <= _WHOLE_LINE else f"{line[:_WHOLE_LINE]}…"
