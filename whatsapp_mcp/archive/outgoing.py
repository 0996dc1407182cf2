"""What we sent, as the archive stores it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from whatsapp_mcp import protobufs
from whatsapp_mcp.archive.decode.addons import Origin, addon
from whatsapp_mcp.archive.decode.content import ADDONS, content_of, parts
from whatsapp_mcp.archive.facts import Content, Fact, Flag, MediaFact, MessageFact
from whatsapp_mcp.models import (
    ADDON_KINDS,
    ContactCardContent,
    FileContent,
    ForwardContent,
    LocationContent,
    MessageKind,
    PollContent,
    SendRequest,
)

_KINDS = {kind.value: kind for kind in MessageKind}
_MEDIA_TYPES = {"gif": "video", "voice": "audio"}


def content_of_request(
    request: SendRequest, message: bytes | None = None, secret: bytes | None = None
) -> Content | None:
    """The content of a sent message; None when it was no message (a reaction, an edit).

    Its secret stands in the details: it opens sealed answers to it, and no raw form of what we sent is kept.

    Args:
        request: What was asked for.
        message: The `E2E.Message` that the client library sent, where it tells.
        secret: The secret that was given to it, where the message does not tell.
    """
    if message:
        found, flags, told = parts(protobufs.E2E.Message.FromString(message))
        content, secret = content_of(found, flags, told), told or secret
    else:
        content = _from_request(request.content)
    if content is not None and secret:
        content.details["secret"] = secret.hex()
    if content is not None and request.reply_to and not content.reply_to:
        content.reply_to = request.reply_to
    return content


def facts_of_request(
    request: SendRequest,
    message_id: str,
    at: int,
    message: bytes | None = None,
    *,
    owner: str | None = None,
    secret: bytes | None = None,
) -> list[Fact]:
    """What a sent request leaves in the archive: a message, or a change of one.

    Args:
        request: What was asked for.
        message_id: WhatsApp's id of it.
        at: Seconds since 1970.
        message: The `E2E.Message` that was sent, where it is known.
        owner: The account's own jid.
        secret: The secret that was given to the message, where the message does not tell.
    """
    if message:
        found, _, _ = parts(protobufs.E2E.Message.FromString(message))
        origin = Origin(request.chat, None, owner, message_id, at, live=True)
        changes = [fact for name, value in found if name in ADDONS for fact in addon(name, value, origin)]
        if changes:
            return changes
    content = content_of_request(request, message, secret)
    return [] if content is None else [MessageFact(request.chat, None, message_id, at, content, live=True)]


def _from_request(content: Any) -> Content | None:
    if content.kind in ADDON_KINDS or isinstance(content, ForwardContent):
        return None
    kind = _KINDS.get(content.kind, MessageKind.UNKNOWN)
    match content:
        case FileContent():
            media_type = _MEDIA_TYPES.get(content.kind, content.kind)
            media = MediaFact(
                media_type,
                content.mime_type,
                content.file_name,
                duration=content.duration,
                width=content.width,
                height=content.height,
            )
            flags = int(Flag.VIEW_ONCE) if content.view_once else 0
            return Content(kind, content.caption, media, flags, details=_mentions(content.mentions))
        case LocationContent():
            details: dict[str, Any] = {"latitude": content.latitude, "longitude": content.longitude}
            return Content(kind, ", ".join(filter(None, (content.name, content.address))), details=details)
        case ContactCardContent():
            card = {"name": content.name, "numbers": [content.number]}
            return Content(kind, f"{content.name} {content.number}", details={"contacts": [card]})
        case PollContent():
            return Content(kind, content.question, details={"options": list(content.options)})
        case _:
            text = str(content.text)
            flags = int(Flag.LINK) if "://" in text else 0
            return Content(kind, text, flags=flags, details=_mentions(content.mentions))


def _mentions(jids: Iterable[str]) -> dict[str, Any]:
    return {"mentions": list(jids)} if jids else {}
