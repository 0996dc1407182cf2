"""Events of the journal, decoded for the operation that archives them."""

from __future__ import annotations

from collections.abc import Sequence

from whatsapp_mcp.decoding.decoded import DecodedEvent
from whatsapp_mcp.decoding.events import UNDECODABLE, decode_event
from whatsapp_mcp.models import JournalEvent


def decode_events(events: Sequence[JournalEvent], after: int) -> tuple[DecodedEvent, ...]:
    """Decode the events with a number after `after`; what cannot be decoded says why."""
    return tuple(_decoded(event) for event in events if event.seq > after)


def _decoded(event: JournalEvent) -> DecodedEvent:
    try:
        updates, error = tuple(decode_event(event.code, event.payload, event.received_at)), None
    except UNDECODABLE as found:
        updates, error = (), type(found).__name__
    return DecodedEvent(event.seq, event.received_at, event.code, event.payload, updates, error)
