"""Checks of the home folder and of the computer.

Whether the folder can be used, its disk, and who may read it; the clock, the time zone and the port of HTTP;
and whether each MCP host here starts this program.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import sqlite3
import stat
import tempfile
import zoneinfo
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from whatsapp_mcp.cli import hosts
from whatsapp_mcp.cli import installation as this_build
from whatsapp_mcp.cli.doctor.databases import Unread, newest_message, read_only
from whatsapp_mcp.cli.doctor.finding import Finding, listed
from whatsapp_mcp.cli.hosts import Found, Launch, Machine
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.settings import (
    HOME_VARIABLE,
    REMOVING,
    RENAMING,
    Settings,
    file_system_of,
    home_in,
    sharing_of,
)
from whatsapp_mcp.system import HAS_MODES, has_time_zone, is_foreign, open_to_others, own_user, reuse_address
from whatsapp_mcp.text.redaction import without_credentials

_FULL: Final = 100
"""Megabytes below which the archive soon cannot be written."""
_PRIVATE: Final = (
    "http-token",
    "tokens",
    "tokens/*",
    "accounts",
    "accounts/*",
    "accounts/*/*",
    "accounts/*/client/*",
)
"""Paths that only the owner may read. `config.toml` is not one: editors write it for all, and its folder is
private."""
TOLERANCE: Final = timedelta(minutes=2)
"""Clock error that is tolerated; WhatsApp and certificates allow more, but `status` would become wrong."""
SET_CLOCK: Final = "Set the clock of this computer, best by switching on time synchronisation."
_POSIX_ZONE: Final = re.compile(r"(<[^>]+>|[A-Za-z]{3,})([+-]?\d.*)")
"""A zone that is written out, as tzset(3) takes it: `CET-1CEST`."""


def settings_in_force(loaded: Settings) -> Finding:
    """The settings that matter most, and whether the toolsets exist."""
    from whatsapp_mcp.server import tools

    try:
        tools.parse_selection(loaded.server.toolsets)
    except WhatsAppError as error:
        return Finding.of_error("settings", error)
    said = f"home {loaded.home}, toolsets {loaded.server.toolsets}, policy {loaded.policy.mode}"
    proxy = loaded.network.proxy_url
    return Finding("settings", True, f"{said}, proxy {without_credentials(proxy)}" if proxy else said)


def accounts(loaded: Settings) -> Finding:
    """Check for interrupted changes of accounts, and for settings of accounts that do not exist."""
    folder, here = loaded.home / "accounts", loaded.accounts()
    if (folder / RENAMING).exists() or any(folder.glob(f"{REMOVING}*")):
        said = "a rename or a removal was interrupted"
        return Finding("accounts", False, said, "Run `whatsapp-mcp accounts`, which ends it.")
    if unknown := sorted(loaded.accounts_with_settings - set(here)):
        said = f"config.toml has settings of {listed(unknown)}, which is no account here"
        return Finding("accounts", True, said, "Correct the name, or take the sections out.")
    return Finding("accounts", True, f"{len(here)} here" if here else "none is here yet")


def home(loaded: Settings) -> Finding:
    """Check whether the home folder is private and can be created or written."""
    folder = loaded.home
    try:
        if not folder.exists():
            return _writable(_nearest(folder), f"{folder} will be made at first use")
        if folder.is_dir() and (mode := open_to_others(folder.stat())) is not None:
            said = f"{folder} can be read by others ({mode:o})"
            return Finding("home folder", False, said, f"chmod 700 {folder}")
        accounts = folder / "accounts"
        if accounts.exists() and not (finding := _writable(accounts, "")).ok:
            return finding
        return _writable(folder, str(folder))
    except OSError as error:
        return _unusable(folder, error)


def _nearest(folder: Path) -> Path:
    """The folder itself, or the first above it that is there."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def _writable(folder: Path, detail: str) -> Finding:
    """Check whether a folder can be written by doing so: permissions do not show a read-only disk."""
    try:
        with tempfile.TemporaryDirectory(prefix=".whatsapp-mcp-", dir=folder):
            return Finding("home folder", True, detail)
    except OSError as error:
        return _unusable(folder, error)


def _unusable(folder: Path, error: OSError) -> Finding:
    action = f"Make it a folder that you can write, or set {HOME_VARIABLE} to another."
    return Finding("home folder", False, f"{folder} cannot be used: {error.strerror}", action)


def file_system(loaded: Settings) -> Finding:
    """Report the kind of the home folder's file system; a shared one is allowed only by a setting."""
    kind = file_system_of(loaded.home) or "of a kind that is not known"
    if (shared := sharing_of(loaded.home)) is not None:
        said = f"the home folder {shared}, and the settings allow that"
        action = f"Set {HOME_VARIABLE} to a folder on a disk of this computer, unless locks hold there."
        return Finding("file system", False, said, action)
    return Finding("file system", True, kind)


def disk(loaded: Settings) -> Finding:
    """Check how much room there is for the archive and for files."""
    try:
        free = shutil.disk_usage(_nearest(loaded.home)).free // 1_000_000
    except OSError as error:
        return Finding("disk", False, f"cannot be asked: {error.strerror}", "Check that it is mounted.")
    if free < _FULL:
        return Finding("disk", False, f"{free} MB free: messages soon cannot be stored", "Free some space.")
    wanted = loaded.media.free_megabytes
    if free < wanted:
        said = f"{free} MB free, less than media.free_megabytes ({wanted}): no files are fetched"
        return Finding("disk", True, said, "Free some space, or lower media.free_megabytes.")
    return Finding("disk", True, f"{free} MB free" if free < 10_000 else f"{free // 1000} GB free")


def permissions(loaded: Settings) -> Finding:
    """Check whether each file with keys, tokens or messages is private to this user."""
    if not HAS_MODES:
        return Finding("permissions", True, "this system has no permission bits")
    if loaded.home.exists() and is_foreign(file_stat := loaded.home.stat()):
        said = f"{loaded.home} belongs to another user (uid {file_stat.st_uid})"
        return Finding("permissions", False, said, "Run whatsapp-mcp as that user, without sudo.")
    open_files: list[str] = []
    foreign: list[str] = []
    for path in _private(loaded):
        try:
            file_stat = path.lstat()
        except OSError:  # gone since it was listed, or in a folder that `home folder` tells of
            continue
        if is_foreign(file_stat):
            foreign.append(str(path))
        elif not stat.S_ISLNK(file_stat.st_mode) and open_to_others(file_stat) is not None:
            open_files.append(str(path))
    if foreign:
        said = f"{listed(foreign)} belong to another user, perhaps since a command ran with sudo"
        return Finding("permissions", False, said, f"sudo chown -R {own_user()} {loaded.home}")
    if open_files:
        said = f"others may read {listed(open_files)}"
        return Finding("permissions", False, said, f"chmod -R go-rwx {' '.join(open_files[:3])}")
    return Finding("permissions", True, "no other user can read keys, tokens or messages")


def _private(loaded: Settings) -> Iterator[Path]:
    """Yield paths that only the owner may read; downloads are left out, since their folder is private."""
    yield from (key for key in (loaded.encryption.key_file, loaded.server.tls_key) if key is not None)
    for pattern in _PRIVATE:
        yield from loaded.home.glob(pattern)


def clock(loaded: Settings, now: datetime | None = None) -> Finding:
    """Check that the clock is not behind the client library's date or the messages archived here.

    One that is ahead shows only against a server's (`--online`).
    """
    now = now or datetime.now(UTC)
    made = this_build.library_date()
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
    """Check whether a server can listen where the settings say; a present listener is not queried."""
    host, number = loaded.server.host, loaded.server.port
    where = f"port {number} on {host}"
    try:
        # No name is looked up: without `--online` nothing is asked over the network.
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


def applications(loaded: Settings, machine: Machine | None = None) -> Finding:
    """The hosts whose configuration has this server, and whether each starts the right program.

    Configurations are read, and nothing is started. A program that is not there is a fault; another one may
    be meant.
    """
    entries = hosts.found(machine or Machine.here())
    if not entries:
        return Finding("hosts", True, "no application is set up here", "Run `whatsapp-mcp install HOST`.")
    gone = [each for each in entries if shutil.which(each.launch.command) is None]
    others = [each for each in entries if each not in gone and not _is_this(each.launch, loaded.home)]
    if gone:
        said = f"{_titles(gone)}: the program that is to be started is not there"
        return Finding("hosts", False, said, _install(gone))
    if others:
        said = f"{_titles(others)}: another installation or another home folder is used"
        return Finding("hosts", True, said, f"If that is not meant: {_install(others)}")
    return Finding("hosts", True, f"this program is started by {_titles(entries)}")


def _titles(entries: Sequence[Found]) -> str:
    return ", ".join(sorted({each.host.title for each in entries}))


def _install(entries: Sequence[Found]) -> str:
    commands = [f"`whatsapp-mcp install {name}`" for name in sorted({each.host.name for each in entries})]
    return f"Run {' and '.join(commands)}."


def _is_this(launch: Launch, home: Path) -> bool:
    """Return whether a host starts the running installation with the current home folder."""
    here = Launch.here(None)
    program = os.path.realpath(shutil.which(launch.command) or launch.command)
    if program != os.path.realpath(here.command) or launch.args[: len(here.args)] != here.args:
        return False
    return home_in(dict(launch.env)) == home
