"""Messages that change other messages: edits, revokes, reactions, votes, settings of the chat.

Each name of `content.ADDON_FIELDS` stands in `HANDLERS`, or in `IGNORED` with the reason; a type of
`protocolMessage` in `PROTOCOL` or `IGNORED_PROTOCOL`. What stands in neither raises `Unhandled`: the event is
then kept as it came (`undecoded`), and a later version that handles it decodes it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from whatsapp_mcp.decoding.addresses import identity, is_person, millis
from whatsapp_mcp.decoding.content import content_of, message_parts
from whatsapp_mcp.decoding.kinds import bare
from whatsapp_mcp.decoding.updates import (
    EVENT_ANSWERS,
    ChatUpdate,
    Content,
    EditUpdate,
    KeepUpdate,
    MessageUpdate,
    ReactionUpdate,
    RevokeUpdate,
    SealedUpdate,
    Update,
    VoteUpdate,
)
from whatsapp_mcp.models import MessageKind
from whatsapp_mcp.protobufs.bounded import parsed

_KEEP_TYPES: Final = {1: True, 2: False}
"""`KeepType` to whether the message is kept; 0 is unknown."""


class Unhandled(ValueError):
    """An add-on that this version knows by its name and does not read."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of an add-on.

    Attributes:
        chat: Jid of the chat.
        author: Jid of who sent it; None: the owner.
        author_jid: The address it was sent under.
        wa_id: WhatsApp's id of it.
        at: Seconds since 1970.
        live: It came over the connection, not with the past.
        as_admin: It was sent as the act of a group's admin: WhatsApp lets nobody else do that.
        from_phone: The owner's own phone sent it: what it says of others counts.
    """

    chat: str
    author: str | None
    author_jid: str | None
    wa_id: str
    at: int
    live: bool
    as_admin: bool = False
    from_phone: bool = False


def decode_addon(name: str, value: Any, origin: Origin) -> list[Update]:
    """The updates in one add-on; an empty list for what says nothing.

    Raises:
        Unhandled: It is nowhere said how to read it, nor that it is ignored.
    """
    if name in IGNORED:
        return []
    if name not in HANDLERS:
        raise Unhandled(name)
    return HANDLERS[name](value, origin)


def _reaction(value: Any, origin: Origin) -> list[Update]:
    at_ms = millis(value.senderTimestampMS, origin.at)
    return [ReactionUpdate(origin.chat, origin.author, value.key.ID, value.text, at_ms, origin.live)]


def _vote(value: Any, origin: Origin) -> list[Update]:
    return [
        VoteUpdate(
            origin.chat,
            origin.author,
            value.pollCreationMessageKey.ID,
            millis(value.senderTimestampMS, origin.at),
            payload=value.vote.encPayload,
            iv=value.vote.encIV,
            voter_jid=origin.author_jid,
        )
    ]


def _keep(value: Any, origin: Origin) -> list[Update]:
    if value.keepType not in _KEEP_TYPES:
        raise Unhandled(f"keepInChatMessage {value.keepType}")
    at_ms, kept = millis(value.timestampMS, origin.at), _KEEP_TYPES[value.keepType]
    return [KeepUpdate(origin.chat, origin.author, value.key.ID, at_ms, kept)]


def _pin(value: Any, origin: Origin) -> list[Update]:
    # 1 is `PIN_FOR_ALL`, 2 is `UNPIN_FOR_ALL`.
    text = "pinned a message" if value.type == 1 else "unpinned a message"
    content = Content(MessageKind.SYSTEM, text, reply_to=value.key.ID or None)
    return [MessageUpdate(origin.chat, origin.author, origin.wa_id, origin.at, content, origin.live)]


def _sealed(name: str, target: str = "targetMessageKey") -> Callable[[Any, Origin], list[Update]]:
    """Return a reader of add-ons sealed with the secret of the message in their field `target`."""

    def read(value: Any, origin: Origin) -> list[Update]:
        key, author = getattr(value, target), origin.author
        sealed, iv = value.encPayload, value.encIV
        return [
            SealedUpdate(
                origin.chat, author, key.ID, origin.at, origin.wa_id, name, sealed, iv, origin.author_jid
            )
        ]

    return read


def event_answer(value: Any, chat: str, who: str | None, wa_id: str, sent_at: int) -> list[Update]:
    """One person's `EventResponseMessage` to an invitation."""
    if not 1 <= value.response <= len(EVENT_ANSWERS):
        return []
    # In the form of a vote, in which an option is named by its SHA-256: one table and one reader do for both.
    answer = hashlib.sha256(EVENT_ANSWERS[value.response - 1].encode()).digest()
    return [VoteUpdate(chat, who, wa_id, millis(value.timestampMS, sent_at), options=answer)]


def _protocol(value: Any, origin: Origin) -> list[Update]:
    if value.type in IGNORED_PROTOCOL:
        return []
    # A type that the protobufs do not know is left out by them, and must not be read as their first one.
    if value.type not in PROTOCOL or not value.HasField("type"):
        raise Unhandled(f"protocolMessage {value.type}")
    return PROTOCOL[value.type](value, origin)


def _revoke(value: Any, origin: Origin) -> list[Update]:
    if not value.key.ID:
        return []
    return [RevokeUpdate(origin.chat, _revoked_sender(value.key, origin), value.key.ID, origin.at)]


def _edit(value: Any, origin: Origin) -> list[Update]:
    content = content_of(*message_parts(value.editedMessage))
    if not value.key.ID or content is None:
        return []
    # Taken as an edit it would blank the text that is there.
    if content.kind is MessageKind.UNKNOWN:
        raise Unhandled("edit to an unknown kind")
    at_ms = millis(value.timestampMS, origin.at)
    return [EditUpdate(origin.chat, origin.author, value.key.ID, at_ms, content)]


def _timer(value: Any, origin: Origin) -> list[Update]:
    if not is_person(origin.chat):  # a group's timer is the server's to say, which knows who may set it
        return []
    text = "turned off disappearing messages"
    if value.ephemeralExpiration:
        text = f"set messages to disappear after {_duration(value.ephemeralExpiration)}"
    content = Content(MessageKind.SYSTEM, text)
    return [
        ChatUpdate(origin.chat, origin.at, expires_in=value.ephemeralExpiration),
        MessageUpdate(origin.chat, origin.author, origin.wa_id, origin.at, content, origin.live),
    ]


def _mappings(value: Any, origin: Origin) -> list[Update]:
    if not origin.from_phone:  # from anybody else it would forge who is who
        return []
    return lid_mappings(value.lidMigrationMappingSyncMessage.encodedMappingPayload, origin.at)


def _revoked_sender(key: Any, origin: Origin) -> str | None:
    """Return the revoked message's sender, whom the key names if a group's admin revokes another's."""
    participant = bare(key.participant) if key.participant else None
    if participant is not None and origin.as_admin and origin.chat.endswith("@g.us") and not key.fromMe:
        return participant
    return origin.author


def lid_mappings(payload: bytes, sent_at: int) -> list[Update]:
    """The pairs in a phone's LID migration message."""
    from whatsapp_mcp.protobufs import LidMigration

    mapping = parsed(LidMigration.LIDMigrationMappingSyncPayload, payload)
    updates: list[Update] = []
    for pair in mapping.pnToLidMappings:
        lid = pair.latestLid or pair.assignedLid
        updates += identity(f"{pair.pn}@s.whatsapp.net", f"{lid}@lid", sent_at)
    return updates


def _duration(seconds: int) -> str:
    """The length of a timer of disappearing messages, in the largest unit that it is a multiple of."""
    units = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))
    unit, length = next(each for each in units if seconds % each[1] == 0)
    count = seconds // length
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def history_addons(value: Any, chat: str, sent_at: int) -> list[Update]:
    """The add-ons that a phone stored with their message, a `WebMessageInfo`.

    Args:
        value: The message.
        chat: Its chat.
        sent_at: Its time, which is used where an add-on has none.
    """
    updates: list[Update] = []
    wa_id = value.key.ID
    for reaction in value.reactions:
        who, at_ms = _key_author(reaction.key, chat), millis(reaction.senderTimestampMS, sent_at)
        updates.append(ReactionUpdate(chat, who, wa_id, reaction.text, at_ms, live=False))
    for update in value.pollUpdates:
        who = _key_author(update.pollUpdateMessageKey, chat)
        # Hashes of 32 bytes each, so the whole can be taken apart again.
        chosen = b"".join(update.vote.selectedOptions)
        updates.append(
            VoteUpdate(chat, who, wa_id, millis(update.senderTimestampMS, sent_at), options=chosen)
        )
    for answer in value.eventResponses:
        who = _key_author(answer.eventResponseMessageKey, chat)
        updates += event_answer(answer.eventResponseMessage, chat, who, wa_id, sent_at)
    keep = value.keepInChat
    if keep.keepType in _KEEP_TYPES:
        who = _key_author(keep.key, chat, bare(keep.deviceJID))
        at_ms = millis(keep.clientTimestampMS or keep.serverTimestampMS, sent_at)
        updates.append(KeepUpdate(chat, who, wa_id, at_ms, _KEEP_TYPES[keep.keepType]))
    return updates


def _key_author(key: Any, chat: str, otherwise: str | None = None) -> str | None:
    return None if key.fromMe else bare(key.participant) or otherwise or chat


HANDLERS: Final[dict[str, Callable[[Any, Origin], list[Update]]]] = {
    "protocolMessage": _protocol,
    "reactionMessage": _reaction,
    "pollUpdateMessage": _vote,
    "keepInChatMessage": _keep,
    "pinInChatMessage": _pin,
    "encReactionMessage": _sealed("encReactionMessage"),
    "encCommentMessage": _sealed("encCommentMessage"),
    "secretEncryptedMessage": _sealed("secretEncryptedMessage"),
    "encEventResponseMessage": _sealed("encEventResponseMessage", "eventCreationMessageKey"),
}
"""Field of `E2E.Message` to what reads it."""
IGNORED: Final[dict[str, str]] = {}
"""Add-ons that are dropped, and why."""
PROTOCOL: Final[dict[int, Callable[[Any, Origin], list[Update]]]] = {
    0: _revoke,
    3: _timer,
    14: _edit,
    22: _mappings,
}
"""`ProtocolMessage.Type` to what reads it."""
_OF_DEVICES: Final = "between the devices of one account, for the client library alone; it may hold keys"
_OF_BOTS: Final = "steers a bot of WhatsApp; what it and a person say comes as messages"
IGNORED_PROTOCOL: Final[dict[int, str]] = {
    4: _OF_DEVICES,
    5: "the client library fetches the history that it announces, and hands that over",
    6: _OF_DEVICES,
    7: _OF_DEVICES,
    8: _OF_DEVICES,
    9: _OF_DEVICES,
    10: _OF_DEVICES,
    11: "the sender's number, which comes with every message of theirs",
    16: _OF_DEVICES,
    17: _OF_DEVICES,
    18: _OF_BOTS,
    19: _OF_BOTS,
    20: _OF_DEVICES,
    24: _OF_BOTS,
    26: _OF_BOTS,
    37: _OF_DEVICES,
    40: _OF_DEVICES,
    41: _OF_DEVICES,
}
"""Types of `protocolMessage` that are dropped, and why."""
