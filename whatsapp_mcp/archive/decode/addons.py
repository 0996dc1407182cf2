"""Messages that change other messages: edits, revokes, reactions, votes, settings of the chat."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from whatsapp_mcp.archive.decode.addresses import identity, millis
from whatsapp_mcp.archive.decode.content import content_of, parts
from whatsapp_mcp.archive.decode.kinds import bare
from whatsapp_mcp.archive.facts import (
    EVENT_ANSWERS,
    ChatFact,
    Content,
    EditFact,
    Fact,
    MessageFact,
    ReactionFact,
    RevokeFact,
    SealedFact,
    VoteFact,
)
from whatsapp_mcp.models import MessageKind

_REVOKE: Final = 0
_EPHEMERAL_SETTING: Final = 3
_EDIT: Final = 14
_LID_MAPPING: Final = 22


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an add-on came from.

    Attributes:
        chat: Jid of the chat.
        author: Jid of who sent it; None: the owner.
        author_jid: The address it was sent under.
        wa_id: WhatsApp's id of it.
        at: Seconds since 1970.
        live: It came over the connection, not with the past.
        as_admin: It was sent as the act of a group's admin: WhatsApp lets nobody else do that.
    """

    chat: str
    author: str | None
    author_jid: str | None
    wa_id: str
    at: int
    live: bool
    as_admin: bool = False


def addon(name: str, value: Any, origin: Origin) -> list[Fact]:
    """The facts in one add-on; an empty list for what says nothing."""
    match name:
        case "protocolMessage":
            return _protocol(value, origin)
        case "reactionMessage":
            at_ms = millis(value.senderTimestampMS, origin.at)
            return [ReactionFact(origin.chat, origin.author, value.key.ID, value.text, at_ms, origin.live)]
        case "pollUpdateMessage":
            return [
                VoteFact(
                    origin.chat,
                    origin.author,
                    value.pollCreationMessageKey.ID,
                    millis(value.senderTimestampMS, origin.at),
                    payload=value.vote.encPayload,
                    iv=value.vote.encIV,
                    voter_jid=origin.author_jid,
                )
            ]
        case "encReactionMessage" | "encCommentMessage" | "secretEncryptedMessage":
            return [_sealed(name, value, value.targetMessageKey, origin)]
        case "encEventResponseMessage":
            return [_sealed(name, value, value.eventCreationMessageKey, origin)]
        case "pinInChatMessage":
            text = "pinned a message" if value.type == 1 else "unpinned a message"
            content = Content(MessageKind.SYSTEM, text, reply_to=value.key.ID or None)
            return [MessageFact(origin.chat, origin.author, origin.wa_id, origin.at, content, origin.live)]
        case _:
            return []


def _sealed(name: str, value: Any, key: Any, origin: Origin) -> SealedFact:
    return SealedFact(
        origin.chat,
        origin.author,
        key.ID,
        origin.at,
        origin.wa_id,
        name,
        value.encPayload,
        value.encIV,
        origin.author_jid,
    )


def event_answer(value: Any, chat: str, who: str | None, wa_id: str, at: int) -> list[Fact]:
    """One person's `EventResponseMessage` to an invitation."""
    if not 1 <= value.response <= len(EVENT_ANSWERS):
        return []
    answer = hashlib.sha256(EVENT_ANSWERS[value.response - 1].encode()).digest()
    return [VoteFact(chat, who, wa_id, millis(value.timestampMS, at), options=answer)]


def _protocol(value: Any, origin: Origin) -> list[Fact]:
    if value.type == _REVOKE and value.key.ID:
        return [RevokeFact(origin.chat, _revoked_sender(value.key, origin), value.key.ID, origin.at)]
    if value.type == _EDIT and value.key.ID:
        found, flags, secret = parts(value.editedMessage)
        content = content_of(found, flags, secret)
        if content is None:
            return []
        at_ms = millis(value.timestampMS, origin.at)
        return [EditFact(origin.chat, origin.author, value.key.ID, at_ms, content)]
    if value.type == _EPHEMERAL_SETTING:
        text = "turned off disappearing messages"
        if value.ephemeralExpiration:
            text = f"set messages to disappear after {_duration(value.ephemeralExpiration)}"
        content = Content(MessageKind.SYSTEM, text)
        return [
            ChatFact(origin.chat, origin.at, expires_in=value.ephemeralExpiration),
            MessageFact(origin.chat, origin.author, origin.wa_id, origin.at, content, origin.live),
        ]
    if value.type == _LID_MAPPING and origin.author is None:  # from anybody else it would forge who is who
        return lid_mappings(value.lidMigrationMappingSyncMessage.encodedMappingPayload, origin.at)
    return []


def _revoked_sender(key: Any, origin: Origin) -> str | None:
    """Who wrote the revoked message: the key says so when an admin of a group revokes another's."""
    participant = bare(key.participant) if key.participant else None
    if participant is not None and origin.as_admin and origin.chat.endswith("@g.us") and not key.fromMe:
        return participant
    return origin.author


def lid_mappings(payload: bytes, at: int) -> list[Fact]:
    """The pairs in a phone's LID migration message."""
    from whatsapp_mcp.protobufs import LidMigration

    mapping = LidMigration.LIDMigrationMappingSyncPayload.FromString(payload)
    facts: list[Fact] = []
    for pair in mapping.pnToLidMappings:
        lid = pair.latestLid or pair.assignedLid
        facts += identity(f"{pair.pn}@s.whatsapp.net", f"{lid}@lid", at)
    return facts


def _duration(value: int) -> str:
    days, rest = divmod(value, 86400)
    return f"{days} day{'s' if days != 1 else ''}" if not rest else f"{value // 3600} hours"
