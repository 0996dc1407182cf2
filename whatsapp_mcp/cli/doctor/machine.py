"""Checks of the computer: its clock, its time zone, the port of HTTP, the hosts that start this program."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import zoneinfo
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from whatsapp_mcp.cli import build_info
from whatsapp_mcp.cli.doctor.databases import Unread, newest_message, read_only
from whatsapp_mcp.cli.doctor.finding import Finding
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.settings import Settings
from whatsapp_mcp.system import has_time_zone, reuse_address

TOLERANCE: Final = timedelta(minutes=2)
"""How far a clock may be off; WhatsApp and certificates allow more, what `status` says becomes wrong."""
SET_CLOCK: Final = "Set the clock of this computer, best by switching on time synchronisation."
_POSIX_ZONE: Final = re.compile(r"(<[^>]+>|[A-Za-z]{3,})([+-]?\d.*)")
"""A zone that is written out, as tzset(3) takes it: `CET-1CEST`."""


def clock(loaded: Settings, now: datetime | None = None) -> Finding:
    """Whether the clock can be right: not before the library was made, nor before messages that are here.

    One that is ahead shows only against a server's (`--online`).
    """
    now = now or datetime.now(UTC)
    made = build_info.library_date()
    if made is not None and now.date() < made:
        return Finding(
            "clock", False, f"{now:%Y-%m-%d}, before the client library was made ({made})", SET_CLOCK
        )
    for name in loaded.accounts():
        folder = loaded.account_folder(name)
        try:
            with read_only(folder, folder.archive_db) as db:
                newest = newest_message(db)
        except (Unread, WhatsAppError, sqlite3.DatabaseError):  # `integrity` tells of damage
            continue
        if newest is not None and (behind := newest - now) > TOLERANCE:
            minutes = behind.total_seconds() / 60
            said = f"{minutes:.0f} minutes behind the server's time of messages that are here already"
            return Finding("clock", False, said, SET_CLOCK)
    return Finding("clock", True, "agrees with what is here; --online compares it with a server's")


def time_zone(loaded: Settings) -> Finding:
    """The zone in which times are shown and understood."""
    offset = datetime.now(loaded.zone).strftime("%z")
    if loaded.timezone:
        return Finding("time zone", True, f"{loaded.timezone} (UTC{offset}), of the settings")
    name = os.environ.get("TZ", "").removeprefix(":")
    if name and not _is_zone(name):
        said = f"the variable TZ names no zone that is known here ({name!r}), so times are in UTC"
        return Finding("time zone", False, said, "Correct TZ, or set `timezone` in config.toml.")
    if not name and not has_time_zone():
        said = "this system has none set, so times are in UTC"
        return Finding("time zone", True, said, "If you are elsewhere, set `timezone` in config.toml.")
    return Finding("time zone", True, f"{datetime.now().astimezone().tzname()} (UTC{offset}), of the system")


def _is_zone(name: str) -> bool:
    if _POSIX_ZONE.fullmatch(name) or Path(name).is_file():
        return True
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def port(loaded: Settings) -> Finding:
    """Whether a server could listen where the settings say. Nothing is asked of who listens there already."""
    host, number = loaded.server.host, loaded.server.port
    where = f"port {number} on {host}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, number, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            reuse_address(probe)  # as servers do
            probe.bind(address)
    except socket.gaierror:
        return Finding("port", True, f"{where} is not tried: a name would have to be looked up")
    except OSError as error:
        said = f"{where} cannot be used: {error.strerror}"
        action = "If it is no HTTP server of yours, use `serve --port`, or change server.host or server.port."
        return Finding("port", True, said, action)
    return Finding("port", True, f"{where} is free for HTTP")
