"""Structured content: the state of the connection, and the progress of linking."""

from __future__ import annotations

from dataclasses import asdict
from datetime import tzinfo

from typing_extensions import TypedDict

from whatsapp_mcp.models import ConnectionStatus, LinkState
from whatsapp_mcp.server.fencing import full_name
from whatsapp_mcp.server.render.times import rfc3339


class FilesData(TypedDict):
    """How far fetching and reading of files has come."""

    to_fetch: int
    to_read: int
    failed: int
    kept_bytes: int
    paused: str | None
    reader_bytes: int | None


class StatusData(TypedDict):
    """The state of the connection."""

    state: str
    since: str | None
    reason: str | None
    action: str | None
    account: str
    connected: bool
    logged_in: bool
    device_id: str | None
    number: str | None
    name: str | None
    generation: int
    last_event_at: str | None
    last_sent_at: str | None
    phone_seen_at: str | None
    until: str | None
    catching_up: bool
    history_progress: int | None
    journal_waiting: int
    events_lost: int
    undecoded: int
    address_book: str | None
    files: FilesData | None
    failures: dict[str, int]
    settings_error: str | None
    leader_pid: int | None


class QrData(TypedDict):
    """A QR text and when it ends."""

    text: str
    expires_at: str | None


class LinkData(TypedDict):
    """How far linking has come."""

    state: str
    qr: QrData | None
    code: str | None
    code_expires_at: str | None
    number: str | None
    reason: str | None


def status_data(status: ConnectionStatus, zone: tzinfo) -> StatusData:
    """The state of the connection."""
    return StatusData(
        state=status.state.value,
        since=rfc3339(status.since, zone),
        reason=status.reason,
        action=status.action,
        account=status.account,
        connected=status.connected,
        logged_in=status.logged_in,
        device_id=status.device_id,
        number=status.number,
        name=None if status.name is None else full_name(status.name),
        generation=status.generation,
        last_event_at=rfc3339(status.last_event_at, zone),
        last_sent_at=rfc3339(status.last_sent_at, zone),
        phone_seen_at=rfc3339(status.phone_seen_at, zone),
        until=rfc3339(status.until, zone),
        catching_up=status.catching_up,
        history_progress=status.history_progress,
        journal_waiting=status.journal_waiting,
        events_lost=status.events_lost,
        undecoded=status.undecoded,
        address_book=status.address_book.value if status.address_book else None,
        files=FilesData(**asdict(status.files)) if status.files else None,
        failures=status.failures,
        settings_error=status.settings_error,
        leader_pid=status.leader_pid,
    )


def link_data(link: LinkState, zone: tzinfo) -> LinkData:
    """How far linking has come."""
    qr = QrData(text=link.qr.text, expires_at=rfc3339(link.qr.expires_at, zone)) if link.qr else None
    return LinkData(
        state=link.state.value,
        qr=qr,
        code=link.code,
        code_expires_at=rfc3339(link.code_expires_at, zone),
        number=link.number,
        reason=link.reason,
    )
