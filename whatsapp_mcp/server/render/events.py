"""Change events for programs: the shape of every event that is sent unprompted."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Final, NotRequired

from typing_extensions import TypedDict

from whatsapp_mcp.models import Change, Message
from whatsapp_mcp.server.fencing import known_identifier, reaction_shown
from whatsapp_mcp.server.render.data import MessageData, message_data, ref_of
from whatsapp_mcp.server.render.times import stamp

ABOUT_A_MESSAGE: Final = frozenset({"message", "edit", "revoke", "reaction", "vote"})
"""Kinds of changes whose event holds the message as it is now."""


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
