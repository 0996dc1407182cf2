"""Write operations of the outbox: a send is accepted, and moves from state to state until it is settled."""

from whatsapp_mcp.archive.write.outbox.acceptance import add
from whatsapp_mcp.archive.write.outbox.states import (
    failed,
    quarantine,
    queued,
    sending,
    sent,
    settle_named_sends,
    unknown,
    unknown_ids,
    withdrawn,
)
from whatsapp_mcp.archive.write.outbox.waiting import asked, due, end_replied, postponed, released

__all__ = [
    "add",
    "asked",
    "due",
    "end_replied",
    "failed",
    "postponed",
    "quarantine",
    "queued",
    "released",
    "sending",
    "sent",
    "settle_named_sends",
    "unknown",
    "unknown_ids",
    "withdrawn",
]
