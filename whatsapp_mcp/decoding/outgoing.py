"""Decoding of sent messages: as the library sent them, or as requested where it does not report that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from whatsapp_mcp import protobufs
from whatsapp_mcp.decoding.addons import Origin, decode_addon
from whatsapp_mcp.decoding.content import ADDON_FIELDS, content_of, message_parts
from whatsapp_mcp.decoding.updates import Content, Flag, MediaInfo, MessageUpdate, Update
from whatsapp_mcp.models import (
    ADDON_KINDS,
    AlbumContent,
    AlbumFileContent,
    ContactCardContent,
    FileContent,
    ForwardContent,
    LocationContent,
    MessageKind,
    PollContent,
    SendRequest,
)
from whatsapp_mcp.protobufs.bounded import parsed

_KINDS = {kind.value: kind for kind in MessageKind}
SENT_CODE: Final = 0
"""Stands for the event in the raw form of what was sent from here: the `E2E.Message` itself."""
_MEDIA_TYPES = {"gif": "video", "voice": "audio"}


def updates_of_request(
    request: SendRequest, message_id: str, sent_at: int, secret: bytes | None = None
) -> list[Update]:
    """Return the updates of a sent request: its message, but none of a reaction or an edit.

    Its secret stands in the details: it opens sealed answers to it.

    Args:
        request: What was asked for.
        message_id: WhatsApp's id of it.
        sent_at: Seconds since 1970.
        secret: The secret that was given to the message.
    """
    return [*message_of(request, _content(request.content), message_id, sent_at, secret)]


def message_of(
    request: SendRequest, content: Content | None, message_id: str, sent_at: int, secret: bytes | None
) -> list[MessageUpdate]:
    """The message that a request became, with its secret and what it answers."""
    if content is None:
        return []
    if secret:
        content.details["secret"] = secret.hex()
    if request.reply_to and not content.reply_to:
        content.reply_to = request.reply_to
    return [MessageUpdate(request.chat, None, message_id, sent_at, content, live=True)]


def _content(content: Any) -> Content | None:
    if content.kind in ADDON_KINDS or isinstance(content, ForwardContent):
        return None
    kind = _KINDS.get(content.kind, MessageKind.UNKNOWN)
    match content:
        case AlbumContent():
            return _album(content)
        case AlbumFileContent():
            file_content = _content(content.file)
            assert file_content is not None
            file_content.details["album_of"] = content.album
            return file_content
        case FileContent():
            media_type = _MEDIA_TYPES.get(content.kind, content.kind)
            media = MediaInfo(
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


def _album(content: AlbumContent) -> Content:
    """Return an album's content, the same as `kinds.py` decodes from the sent message."""
    videos = sum(file.kind == "video" for file in content.files)
    counts = {"images": len(content.files) - videos, "videos": videos}
    return Content(MessageKind.SYSTEM, f"Album of {len(content.files)} files", details={"album": counts})


def _mentions(jids: Iterable[str]) -> dict[str, Any]:
    return {"mentions": list(jids)} if jids else {}


def sent_message(
    request: SendRequest,
    message_id: str,
    sent_at: int,
    message: bytes,
    *,
    owner: str | None,
    secret: bytes | None,
) -> list[Update]:
    """Return the updates of a sent message: the message itself, or changes of another one.

    Args:
        request: What was asked for.
        message_id: WhatsApp's id of it.
        sent_at: Seconds since 1970.
        message: The `E2E.Message` that was sent.
        owner: The account's own jid.
        secret: The secret that was given to the message, where the message does not contain it.
    """
    parts, flags, own_secret, album = message_parts(parsed(protobufs.E2E.Message, message))
    origin = Origin(request.chat, None, owner, message_id, sent_at, live=True)
    changes = [
        update
        for name, value in parts
        if name in ADDON_FIELDS
        for update in decode_addon(name, value, origin)
    ]
    kept = message_of(
        request, content_of(parts, flags, own_secret, album), message_id, sent_at, own_secret or secret
    )
    return changes or [replace(update, raw_code=SENT_CODE, raw=message) for update in kept]
