"""`whatsapp-mcp status`: the link as one person or one program wants to see it."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Final

import anyio
from rich.console import Console
from rich.table import Table
from rich.text import Text

from whatsapp_mcp.cli.report import rfc3339
from whatsapp_mcp.device.protocol import Devices
from whatsapp_mcp.errors import NotLinked
from whatsapp_mcp.models import ConnectionState, ConnectionStatus

SETTLE_LIMIT: Final = 15.0
"""Seconds to wait for a link that is only just being made by this very command."""
SETTLE_POLL: Final = 0.1
_UNSETTLED = {ConnectionState.OFFLINE, ConnectionState.CONNECTING}


async def settled_status(devices: Devices, limit: float = SETTLE_LIMIT) -> ConnectionStatus:
    """The status once the first connect has come to an end, or after `limit` seconds."""
    deadline = anyio.current_time() + limit
    while True:
        async with devices.use() as device:
            status = await device.status()
        if status.state not in _UNSETTLED or anyio.current_time() >= deadline:
            return status
        await anyio.sleep(SETTLE_POLL)


def unlinked_status(account: str, error: NotLinked) -> ConnectionStatus:
    """The status of an account that is not here."""
    return ConnectionStatus(
        ConnectionState.UNLINKED, datetime.now(UTC), account, reason=error.message, action=error.action
    )


def as_json(status: ConnectionStatus, home: str) -> str:
    """One JSON object with every field of `ConnectionStatus` and `home`, the folder of all files."""
    facts: dict[str, Any] = {item.name: getattr(status, item.name) for item in fields(status)}
    return json.dumps(facts | {"home": home}, ensure_ascii=False, default=_plain)


def show(status: ConnectionStatus, home: str, console: Console) -> None:
    """A short table: what is known, and first of all what to do."""
    headline = f"{status.state.value}: {status.reason}" if status.reason else status.state.value
    console.print(headline, markup=False, soft_wrap=True)
    if status.action:
        console.print(f"What to do: {status.action}", markup=False, soft_wrap=True)
    table = Table.grid(padding=(0, 2))
    for name, value in _rows(status, home):
        table.add_row(name, Text(value, overflow="fold"))
    console.print(table)


def _rows(status: ConnectionStatus, home: str) -> list[tuple[str, str]]:
    # This command holds the link for as long as it runs if nobody else does.
    host = str(status.hosted_by) if status.hosted_by not in (None, os.getpid()) else None
    rows = [
        ("account", status.account),
        ("number", status.number),
        ("name", status.name),
        ("since", _local(status.since)),
        ("last event", _local(status.last_event_at)),
        ("last send", _local(status.last_sent_at)),
        ("phone last seen", _local(status.phone_seen_at)),
        ("until", _local(status.until)),
        ("generation", str(status.generation) if status.generation else None),
        ("hosted by process", host),
        ("history", f"{status.history_progress} %" if status.history_progress is not None else None),
        ("not yet in the archive", str(status.journal_waiting) if status.journal_waiting else None),
        ("possibly lost", str(status.events_lost) if status.events_lost else None),
        ("not decoded", str(status.undecoded) if status.undecoded else None),
        ("failed and restarted", ", ".join(f"{name} {n}" for name, n in status.failures.items())),
        ("files", home),
    ]
    return [(name, value) for name, value in rows if value]


def _local(moment: datetime | None) -> str | None:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z") if moment else None


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(f"no JSON for {type(value).__name__}")
