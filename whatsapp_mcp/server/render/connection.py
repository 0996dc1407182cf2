"""Structured content: the state of the connection, and the progress of linking."""

from __future__ import annotations

import base64
import io
from dataclasses import asdict
from datetime import datetime, tzinfo

from typing_extensions import TypedDict

from whatsapp_mcp.models import ConnectionState, ConnectionStatus, LinkState
from whatsapp_mcp.policy import cut_name
from whatsapp_mcp.server.fencing import full_name
from whatsapp_mcp.server.render.times import rfc3339


class FilesData(TypedDict):
    """Progress of fetching and reading files."""

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
    cut_short: int
    addons_dropped: int
    address_book: str | None
    files: FilesData | None
    failures: dict[str, int]
    silent_groups: int
    settings_error: str | None
    leader_pid: int | None


class QrData(TypedDict):
    """A QR text and when it ends."""

    text: str
    expires_at: str | None


class LinkCardData(TypedDict):
    """Content of the linking card.

    `qr` is a picture as a data URI, `seconds` how long it or the code is valid, `history` the percentage of
    the phone's history that has come, None when none is coming.
    """

    state: str
    number: str | None
    name: str | None
    reason: str | None
    action: str | None
    qr: str | None
    code: str | None
    seconds: int | None
    history: int | None
    messages: int


class LinkData(TypedDict):
    """Progress of linking."""

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
        name=None if status.name is None else full_name(cut_name(status.name)),
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
        cut_short=status.cut_short,
        addons_dropped=status.addons_dropped,
        address_book=status.address_book.value if status.address_book else None,
        files=FilesData(**asdict(status.files)) if status.files else None,
        failures=status.failures,
        silent_groups=status.silent_groups,
        settings_error=status.settings_error,
        leader_pid=status.leader_pid,
    )


def link_data(link: LinkState, zone: tzinfo) -> LinkData:
    """Return the progress of linking."""
    qr = QrData(text=link.qr.text, expires_at=rfc3339(link.qr.expires_at, zone)) if link.qr else None
    return LinkData(
        state=link.state.value,
        qr=qr,
        code=link.code,
        code_expires_at=rfc3339(link.code_expires_at, zone),
        number=link.number,
        reason=link.reason,
    )


def link_card_data(
    status: ConnectionStatus, link: LinkState, name: str | None, messages: int, now: datetime
) -> LinkCardData:
    """Return the progress of linking, for the card.

    Args:
        status: Of the connection.
        link: The codes, as far as there are any.
        name: The owner's, if it is known.
        messages: How many are in the archive.
        now: From when on the seconds count.
    """
    is_linking = status.state is link.state is ConnectionState.LINKING
    ends = link.code_expires_at if link.code else link.qr.expires_at if link.qr else None
    return LinkCardData(
        state=status.state.value,
        number=status.number,
        name=None if name is None else full_name(cut_name(name)),
        reason=status.reason,
        action=status.action,
        qr=f"data:image/png;base64,{qr_png(link.qr.text)}" if is_linking and link.qr else None,
        code=link.code if is_linking else None,
        seconds=max(0, round((ends - now).total_seconds())) if is_linking and ends else None,
        history=status.history_progress,
        messages=messages,
    )


def qr_png(text: str) -> str:
    """The QR of a text as PNG in base64, large enough to scan from a screen."""
    import segno

    buffer = io.BytesIO()
    # Least error correction gives the fewest modules, and a screen needs no more; a border of four is the
    # quiet zone that ISO/IEC 18004 asks for.
    segno.make(text, error="l").save(buffer, kind="png", scale=6, border=4)
    return base64.b64encode(buffer.getvalue()).decode()
