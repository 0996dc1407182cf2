"""Call events: an offer makes the row, later steps say how it ended."""

from __future__ import annotations

from typing import Any

from whatsapp_mcp.decoding.addresses import is_person, jid, seconds
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
    # Who calls a person is who it came from, as the server says. What stands within the call (its creator,
    # and their other address) is from the caller's client, which may name anybody; a group's has no more.
    chat = jid(getattr(meta, "from")) or jid(meta.callCreator)
    if chat is None or not meta.callID:
        return []
    caller = None if is_person(chat) else jid(meta.callCreator)
    at = seconds(meta.timestamp, received_at)
    return [CallUpdate(chat, caller or chat, meta.callID, at, step, video, reason)]
