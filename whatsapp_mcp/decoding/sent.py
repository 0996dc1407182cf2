"""What we sent, as the client library sent it."""

from __future__ import annotations

from whatsapp_mcp import protobufs
from whatsapp_mcp.decoding.addons import Origin, decode_addon
from whatsapp_mcp.decoding.content import ADDONS, content_of, message_parts
from whatsapp_mcp.decoding.outgoing import message_of
from whatsapp_mcp.decoding.updates import Update
from whatsapp_mcp.models import SendRequest


def sent_message(
    request: SendRequest, message_id: str, at: int, message: bytes, *, owner: str | None, secret: bytes | None
) -> list[Update]:
    """What a sent message leaves in the archive: itself, or a change of another one.

    Args:
        request: What was asked for.
        message_id: WhatsApp's id of it.
        at: Seconds since 1970.
        message: The `E2E.Message` that was sent.
        owner: The account's own jid.
        secret: The secret that was given to the message, where the message does not contain it.
    """
    found, flags, own_secret = message_parts(protobufs.E2E.Message.FromString(message))
    origin = Origin(request.chat, None, owner, message_id, at, live=True)
    changes = [
        update for name, value in found if name in ADDONS for update in decode_addon(name, value, origin)
    ]
    return changes or message_of(
        request, content_of(found, flags, own_secret), message_id, at, own_secret or secret
    )
