"""Call events: an offer makes the row, later steps say how it ended."""

from __future__ import annotations

from typing import Any

from whatsapp_mcp.decoding.addresses import identity, is_person, jid, lasting, seconds
from whatsapp_mcp.decoding.updates import CallUpdate, Update


def offer(event: Any, received_at: int) -> list[Update]:
    """A `neonize.CallOffer` event: somebody calls."""
    video = any(child.Tag == "video" for child in event.data.Nodes)
    return _step(event.basicCallMeta, "offer", received_at, video=video)


def offer_notice(event: Any, received_at: int) -> list[Update]:
    """A `neonize.CallOfferNotice` event: somebody calls a group."""
    return _step(event.basicCallMeta, "offer", received_at, video=event.media == "video")


def accept(event: Any, received_at: int) -> list[Update]:
    """A `neonize.CallAccept` event: it was taken, on another device."""
    return _step(event.basicCallMeta, "accept", received_at)


def terminate(event: Any, received_at: int) -> list[Update]:
    """A `neonize.CallTerminate` event: it is over."""
    return _step(event.basicCallMeta, "terminate", received_at, reason=event.reason)


def _step(meta: Any, step: str, received_at: int, *, video: bool = False, reason: str = "") -> list[Update]:
    came_from = getattr(meta, "from")
    creator, alt = jid(meta.callCreator), jid(meta.callCreatorAlt)
    chat = jid(came_from) or creator
    if chat is None or not meta.callID:
        return []
    caller = lasting(creator, alt)
    if is_person(chat) and caller is not None:
        chat = caller
    at = seconds(meta.timestamp, received_at)
    return [
        *identity(creator, alt, at),
        CallUpdate(chat, caller or chat, meta.callID, at, step, video, reason),
    ]
