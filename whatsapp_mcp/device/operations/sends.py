"""Sends: accepted, cancelled, and forgotten with their chat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsapp_mcp.device.operations.operation import DIRECT, Invocation
from whatsapp_mcp.models import (
    PurgeReport,
    SendRequest,
    SendResult,
)
from whatsapp_mcp.policy import Audience, Effect, has_effect

if TYPE_CHECKING:
    from whatsapp_mcp.device.guard import Sends


@has_effect(Effect.ACT, Audience.CHAT, "request", in_chat=True, begins_itself=True)
async def send(sends: Sends, request: SendRequest, *, invocation: Invocation = DIRECT) -> SendResult:
    """Put one message into the outbox and report what is known of it after `request.wait` seconds.

    One for later (`request.at`) is `scheduled` at once, and decided about again when it is due.

    Raises:
        NotLinked: No phone is linked.
        NotConnected: The connection is down and `request.queue` is false.
        InvalidArgument: Its moment has passed, is in quiet hours, or more than a year away.
        KeyReused: Its idempotency key was used for another message, or for one that was deleted since.
        SendUnknown: An earlier send of the same content to the same chat is unsettled.
        Rejected, NotOnWhatsApp, RateLimited: WhatsApp refused.
    """
    return await sends.send(request, invocation)


@has_effect(Effect.ACT, Audience.ONESELF, "chat")
async def cancel_send(sends: Sends, chat: str, send_id: int) -> SendResult:
    """Cancel a send to this chat that is scheduled, held or queued: it never goes out.

    Raises:
        MessageNotFound: There is no such send to this chat.
        InvalidArgument: It waits no more: it has gone out, may have, or was cancelled before.
    """
    return await sends.cancel_send(chat, send_id)


@has_effect(Effect.DESTROY, Audience.NOBODY, "chat")
async def forget_chat(sends: Sends, chat: str) -> PurgeReport:
    """Delete the messages of a chat here, for good, and cancel what waits to be sent there."""
    return await sends.forget_chat(chat)
