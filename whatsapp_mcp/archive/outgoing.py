"""What we sent, as the archive stores it."""

from __future__ import annotations

from typing import Any

from whatsapp_mcp import protobufs
from whatsapp_mcp.archive.decode.content import content_of, parts
from whatsapp_mcp.archive.facts import Content, Flag
from whatsapp_mcp.models import MessageKind, SendRequest

_KINDS = {kind.value: kind for kind in MessageKind}


def content_of_request(request: SendRequest, message: bytes | None = None) -> Content | None:
    """The content of a sent message; None when it was no message (a reaction, an edit).

    Args:
        request: What was asked for.
        message: The `E2E.Message` that the client library sent, where it tells.
    """
    if message:
        content = content_of(*parts(protobufs.E2E.Message.FromString(message)))
    else:
        content = _from_request(request.content)
    if content is not None and request.reply_to and not content.reply_to:
        content.reply_to = request.reply_to
    return content


def _from_request(content: Any) -> Content | None:
    kind = _KINDS.get(content.kind, MessageKind.UNKNOWN)
    text = str(getattr(content, "text", None) or getattr(content, "caption", None) or "")
    flags = Flag.LINK if "://" in text else 0
    mentions = list(getattr(content, "mentions", ()))
    return Content(kind, text, flags=flags, details={"mentions": mentions} if mentions else {})
