"""One WhatsApp message (`E2E.Message`) to what it says: kind, text, file, quote, details.

Wrappers (disappearing, view-once, captioned document, sent from another device …) are opened first. The field
names are those of WhatsApp's published protobufs as the neonize wheel carries them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from google.protobuf.unknown_fields import UnknownFieldSet

from whatsapp_mcp.decoding import interactive, kinds, limits
from whatsapp_mcp.decoding.updates import Content, Flag
from whatsapp_mcp.models import MessageKind

if TYPE_CHECKING:
    from google.protobuf.message import Message as Proto

MAX_DEPTH: Final = 12
"""Wrappers opened at most; an honest message has two or three."""

_IN_ALBUM: Final = 1
"""`MessageAssociation.AssociationType.MEDIA_ALBUM`."""
_VIEW_ONCE = {"viewOnceMessage", "viewOnceMessageV2", "viewOnceMessageV2Extension"}
SILENT = {
    "senderKeyDistributionMessage",
    "fastRatchetKeySenderKeyDistributionMessage",
    "messageContextInfo",
    "chat",
    "groupRootKeyShare",
    "rootSecretDistributeMessage",
    "stickerSyncRmrMessage",
    "statusLinkPreviewMetadata",
}
"""Parts that say nothing to a person."""

ADDON_FIELDS: Final = {
    "protocolMessage",
    "reactionMessage",
    "encReactionMessage",
    "pollUpdateMessage",
    "pinInChatMessage",
    "keepInChatMessage",
    "encEventResponseMessage",
    "encCommentMessage",
    "secretEncryptedMessage",
}
"""Parts that change another message rather than being one; `addons.py` says of each how it is read."""

Handler = Callable[[Any], Content]


class Parts(NamedTuple):
    """The inside of a message once its wrappers are open.

    Attributes:
        found: The innermost fields with their values.
        flags: What the wrappers say.
        secret: The message's secret.
        album: WhatsApp's id of the album that its file belongs to.
    """

    found: list[tuple[str, Any]]
    flags: int = 0
    secret: bytes | None = None
    album: str | None = None


def message_parts(message: Proto) -> Parts:
    """Open all wrappers of a message."""
    flags = 0
    secret: bytes | None = None
    album: str | None = None
    for _ in range(MAX_DEPTH):
        parts: list[tuple[str, Any]] = []
        inner = None
        for field, value in message.ListFields():
            name = field.name
            if name == "messageContextInfo":
                secret, album = value.messageSecret or secret, _album(value) or album
            elif field.message_type is not None and name not in SILENT:
                kind = field.message_type.name
                # By type and not by name: WhatsApp wraps new kinds of messages under ever new names.
                if kind in ("FutureProofMessage", "DeviceSentMessage"):
                    if name in _VIEW_ONCE:
                        flags |= Flag.VIEW_ONCE
                    elif name == "ephemeralMessage":
                        flags |= Flag.EPHEMERAL
                    inner = value.message
                else:
                    parts.append((name, value))
            elif name not in SILENT:
                parts.append((name, value))
        if inner is None or parts:
            return Parts(parts or _of_the_future(message), flags, secret, album)
        message = inner
    raise ValueError("wrapped too deeply")


def _of_the_future(message: Proto) -> list[tuple[str, Any]]:
    """The parts of a message that these protobufs do not know, by their numbers."""
    return [(f"field {one.field_number}", "") for one in UnknownFieldSet(message)]


def _album(context: Any) -> str | None:
    """The album in which a message's context puts it."""
    association = context.messageAssociation
    return (association.parentMessageKey.ID or None) if association.associationType == _IN_ALBUM else None


def content_of(
    parts: list[tuple[str, Any]], flags: int = 0, secret: bytes | None = None, album: str | None = None
) -> Content | None:
    """Return the content of a message's parts, UNKNOWN if no part is known; None without any part."""
    for name, value in parts:
        content = _opened(name, value)
        if content is not None:
            content.flags |= flags
            if not isinstance(value, str):
                _add_context(content, value)
            if content.kind in (MessageKind.POLL, MessageKind.EVENT) and secret:
                content.details["secret"] = secret.hex()
            if album is not None and content.media is not None:
                content.details["album_of"] = limits.identifier(album)
            if "://" in content.text or "www." in content.text:
                content.flags |= Flag.LINK
            return content
    if not parts:
        return None
    return Content(MessageKind.UNKNOWN, details={"type": parts[0][0]}, flags=flags)


def text_of(message: Proto) -> str:
    """The text of a quoted message, or its kind in brackets."""
    for name, value in message_parts(message).found:
        content = _opened(name, value)
        if content is not None:
            return content.text or f"[{content.details.get('what', content.kind)}]"
    return ""


def _opened(name: str, value: Any) -> Content | None:
    """Return the content of a part; None if this version does not know the part."""
    if name in HANDLERS:
        return HANDLERS[name](value)
    return kinds.opened(name, value) if name in kinds.NAMED else None


def _add_context(content: Content, value: Any) -> None:
    """Take over quote, mentions, forwarding and expiry."""
    if "contextInfo" not in value.DESCRIPTOR.fields_by_name or not value.HasField("contextInfo"):
        return
    context = value.contextInfo
    if context.stanzaID:
        content.reply_to = context.stanzaID
        if context.HasField("quotedMessage"):
            content.details["quote"] = {
                "sender": kinds.bare(context.participant),
                "text": text_of(context.quotedMessage)[: limits.MAX_QUOTE],
            }
    if context.mentionedJID:
        content.details["mentions"] = [jid for raw in context.mentionedJID if (jid := kinds.bare(raw))]
    if context.nonJIDMentions:
        content.flags |= Flag.MENTIONS_ME
    if context.isForwarded or context.forwardingScore:
        content.flags |= Flag.FORWARDED
    if context.expiration:
        content.flags |= Flag.EPHEMERAL
        content.details["expires_in"] = context.expiration


def _payment(value: Any) -> Content:
    return interactive.payment(_note(value))


def _payment_request(value: Any) -> Content:
    return interactive.payment_request(value, _note(value))


def _note(value: Any) -> str:
    return text_of(value.noteMessage) if value.HasField("noteMessage") else ""


def _comment(value: Any) -> Content:
    content = content_of(*message_parts(value.message)) or Content(MessageKind.TEXT)
    content.reply_to = value.targetMessageKey.ID or None
    return content


HANDLERS: Final[dict[str, Handler]] = {
    **kinds.HANDLERS,
    "sendPaymentMessage": _payment,
    "requestPaymentMessage": _payment_request,
    "commentMessage": _comment,
}
"""Field of `E2E.Message` to its handler."""
