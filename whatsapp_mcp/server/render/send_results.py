"""Structured content about sends: what became of them, and how far they came."""

from __future__ import annotations

from datetime import tzinfo
from typing import NotRequired

from typing_extensions import TypedDict

from whatsapp_mcp.models import SendReport, SendResult, SendStatus
from whatsapp_mcp.policy import clean_line
from whatsapp_mcp.server.fencing import full_name, identifier
from whatsapp_mcp.server.render.data import ref_of
from whatsapp_mcp.server.render.times import rfc3339, stamp


class SentData(TypedDict):
    """State of a send. `send_id` identifies it until WhatsApp has given it a `message_id`.

    `at` says when it is to go out, while it is scheduled.
    """

    message_id: str | None
    ref: str | None
    chat: str
    status: str
    timestamp: str | None
    send_id: int
    reason: NotRequired[str]
    at: NotRequired[str]


class DeliveryData(TypedDict):
    """Delivery state of a message for one person."""

    contact: str
    delivered_at: str | None
    read_at: str | None
    stranger: NotRequired[bool]


class CountsData(TypedDict):
    """Numbers of people who read a message, only received it, or of whom nothing is known."""

    read: int
    delivered: int
    without: int


class ReportData(SentData):
    """A send and its receipts."""

    counts: CountsData
    deliveries: list[DeliveryData]
    next_cursor: str | None


def sent_data(result: SendResult, zone: tzinfo) -> SentData:
    """Return the state of a send."""
    data = SentData(
        message_id=result.message_id and identifier(result.message_id),
        ref=ref_of(result.ref),
        chat=result.chat,
        status=result.status.value,
        timestamp=rfc3339(result.timestamp, zone),
        send_id=result.send_id,
    )
    if result.reason:
        data["reason"] = clean_line(result.reason, 300)
    if result.status is SendStatus.SCHEDULED and result.due_at is not None:
        data["at"] = stamp(result.due_at, zone)
    return data


def report_data(report: SendReport, zone: tzinfo) -> ReportData:
    """A send and its receipts."""
    deliveries = [
        DeliveryData(
            contact=full_name(delivery.contact),
            delivered_at=rfc3339(delivery.delivered_at, zone),
            read_at=rfc3339(delivery.read_at, zone),
            **({"stranger": True} if delivery.stranger else {}),
        )
        for delivery in report.deliveries
    ]
    counts = report.counts
    return ReportData(
        **sent_data(report.result, zone),
        counts=CountsData(read=counts.read, delivered=counts.delivered, without=counts.without),
        deliveries=deliveries,
        next_cursor=report.next_cursor,
    )
