"""`whatsapp-mcp status`: the connection's state for a person or a program, also as it changes (`--watch`)."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol, TextIO

import anyio
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from whatsapp_mcp import settings
from whatsapp_mcp.cli.connection.device import log_to_stderr, settled_status, with_device
from whatsapp_mcp.cli.options import known_account
from whatsapp_mcp.cli.outcome import ExitCode, advice, aligned, isolated, rfc3339, shown
from whatsapp_mcp.errors import NotLinked
from whatsapp_mcp.models import (
    ADDRESS_BOOK_MISSING,
    GROUPS_SILENT,
    AddressBookState,
    ConnectionState,
    ConnectionStatus,
    FilesStatus,
)

if TYPE_CHECKING:
    from whatsapp_mcp.settings import AccountFolder

EVERY: Final = 1.0
"""Seconds between two looks."""
_BAR: Final = 40
"""Characters of the bar of the history."""


def find(account: str, *, wait: bool) -> ConnectionStatus:
    """The status of an account; one that is not here is unlinked.

    Args:
        wait: Lead if no server does, and wait for the first connection.

    Raises:
        InvalidArgument: The name cannot be one, or the settings are wrong.
    """
    try:
        folder = known_account(account)
        if wait:
            return with_device(account, lambda devices, _: settled_status(devices))
    except NotLinked as error:
        return ConnectionStatus(
            ConnectionState.UNLINKED, datetime.now(UTC), account, reason=error.message, action=error.action
        )
    from whatsapp_mcp.device.leader import observed_status

    log_to_stderr(settings.load().log_level)
    return anyio.run(observed_status, folder)


def print_status(status: ConnectionStatus, *, as_json: bool = False) -> ExitCode:
    """Print it on stdout; a program or a person gets the same facts and exit code."""
    typer.echo(_told(status, as_json=as_json))
    return _exit_code([status])


def print_statuses(statuses: Sequence[ConnectionStatus], *, as_json: bool = False) -> ExitCode:
    """Print those of several accounts: an array for a program, one after the other for a person."""
    texts = [_told(status, as_json=as_json) for status in statuses]
    typer.echo(f"[{', '.join(texts)}]" if as_json else "\n\n".join(texts))
    return _exit_code(statuses)


def _told(status: ConnectionStatus, *, as_json: bool) -> str:
    loaded = settings.load().for_account(status.account)
    home, away = str(loaded.home), loaded.leaves_this_computer
    return to_json(status, home, away) if as_json else shown(to_text(status, home, away), sys.stdout)


def _exit_code(statuses: Sequence[ConnectionStatus]) -> ExitCode:
    is_online = all(status.state is ConnectionState.ONLINE for status in statuses)
    return ExitCode.OK if is_online else ExitCode.FAILED


def to_json(status: ConnectionStatus, home: str, away: str | None = None) -> str:
    """One JSON object with every field of `ConnectionStatus`, and two more.

    `home` is the folder of all files, `speech` the sentence that says where audio is sent, if it is.
    """
    facts: dict[str, Any] = {item.name: getattr(status, item.name) for item in fields(status)}
    facts |= {"action": _action(status), "home": home, "speech": away}
    return json.dumps(facts, ensure_ascii=False, default=_plain)


def to_text(status: ConnectionStatus, home: str, away: str | None = None) -> str:
    """The state with its reason, what to do, then a table of what else is known."""
    lines = [f"{status.state.value}: {status.reason}" if status.reason else status.state.value]
    if action := _action(status):
        lines.append(f"What to do: {action}")
    return "\n".join([*lines, aligned(_rows(status, home, away))])


def _action(status: ConnectionStatus) -> str | None:
    return advice(status.state.value, status.action, status.account) if status.action else None


def _rows(status: ConnectionStatus, home: str, away: str | None) -> list[tuple[str, str]]:
    # Where no server runs, this command is the leader itself.
    leader = str(status.leader_pid) if status.leader_pid not in (None, os.getpid()) else None
    rows = [
        ("account", status.account),
        ("number", status.number),
        ("name", status.name),
        ("since", _local(status.since)),
        ("last event", _local(status.last_event_at)),
        ("last send", _local(status.last_sent_at)),
        ("phone last seen", _local(status.phone_seen_at)),
        ("until", _local(status.until)),
        ("server process", leader),
        ("history", f"{status.history_progress} %" if status.history_progress is not None else None),
        ("address book", _address_book(status)),
        ("groups", GROUPS_SILENT.format(status.silent_groups) if status.silent_groups else None),
        ("not yet in the archive", str(status.journal_waiting) if status.journal_waiting else None),
        ("possibly lost", str(status.events_lost) if status.events_lost else None),
        ("not decoded", str(status.undecoded) if status.undecoded else None),
        ("messages cut short", str(status.cut_short) if status.cut_short else None),
        ("waited in vain for their message", str(status.addons_dropped) if status.addons_dropped else None),
        ("failed and restarted", ", ".join(f"{name} {n}" for name, n in status.failures.items())),
        ("files of messages", status.files.progress if status.files else None),
        ("kept files", _megabytes(status.files.kept_bytes if status.files else None)),
        ("memory of reading", _megabytes(status.files.reader_bytes if status.files else None)),
        ("speech", away),
        ("settings", status.settings_error),
        ("files", home),
    ]
    return [(name, value) for name, value in rows if value]


def _address_book(status: ConnectionStatus) -> str | None:
    return ADDRESS_BOOK_MISSING if status.address_book is AddressBookState.MISSING else None


def _megabytes(count: int | None) -> str | None:
    return f"{count / 1e6:.0f} MB" if count else None


def _local(moment: datetime | None) -> str | None:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z") if moment else None


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, FilesStatus):
        return asdict(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


class Watcher(Protocol):
    """Shows each status that differs from the one before."""

    def show(self, status: ConnectionStatus) -> None:
        """A status has come."""
        ...


def watch(account: str, *, as_json: bool, out: TextIO) -> None:
    """Show the state of the connection until Ctrl-C.

    Raises:
        InvalidArgument: The name cannot be one, or the settings are wrong.
        NotLinked: There is no such account here.
        KeyboardInterrupt: Ctrl-C.
    """
    folder = known_account(account)
    loaded = settings.load().for_account(account)
    log_to_stderr(loaded.log_level)
    home, away = str(loaded.home), loaded.leaves_this_computer
    console = Console(file=out, highlight=False)
    is_screen = console.is_terminal and not console.is_dumb_terminal
    if as_json or not is_screen:
        write = to_json if as_json else to_text
        anyio.run(follow, looks(folder), LineWatcher(out, lambda status: write(status, home, away)))
        return
    with Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live:
        anyio.run(follow, looks(folder), ScreenWatcher(live, lambda status: to_text(status, home, away)))


async def looks(folder: AccountFolder, every: float = EVERY) -> AsyncGenerator[ConnectionStatus]:
    """Yield the connection status again and again, from the leader or else from the disk."""
    from whatsapp_mcp.device.leader import observed_status

    while True:
        yield await observed_status(folder)
        await anyio.sleep(every)


async def follow(statuses: AsyncGenerator[ConnectionStatus], watcher: Watcher) -> None:
    """Show each of them, as long as there are any."""
    async with aclosing(statuses):
        async for status in statuses:
            watcher.show(status)


@dataclass
class LineWatcher:
    """Writes a status whenever something in it has changed: for programs, or where nothing is redrawn."""

    out: TextIO
    told: Callable[[ConnectionStatus], str]
    _last: str = ""

    def show(self, status: ConnectionStatus) -> None:
        """Write it if it is new."""
        said = self.told(status)
        if said != self._last:
            self.out.write(f"{said}\n")
            self.out.flush()
            self._last = said


@dataclass
class ScreenWatcher:
    """Redraws one place; the states that the connection has left stay above it, each with its time."""

    live: Live
    told: Callable[[ConnectionStatus], str]
    _last: ConnectionStatus | None = field(default=None)

    def show(self, status: ConnectionStatus) -> None:
        """Redraw it."""
        before, self._last = self._last, status
        if before is not None and before.state is not status.state:
            lasted = f"{before.since.astimezone():%H:%M:%S} – {status.since.astimezone():%H:%M:%S}"
            self.live.console.print(Text.assemble((f"{lasted}  ", "dim"), *_first_line(before)))
        first, *rest = isolated(self.told(status)).splitlines()
        styled = Text(first, style=style_of(status.state))
        bar = [_bar(status.history_progress)] if status.history_progress is not None else []
        self.live.update(Group(styled, Text("\n".join(rest)), *bar), refresh=True)


def _first_line(status: ConnectionStatus) -> list[tuple[str, str]]:
    why = f": {isolated(status.reason)}" if status.reason else ""
    return [(status.state.value, style_of(status.state)), (why, "")]


def _bar(percent: int) -> Group:
    return Group(Text("The history comes:"), ProgressBar(100, percent, width=_BAR))


def style_of(state: ConnectionState) -> str:
    """Green where all is well, yellow where it ends by itself, red where somebody has to act."""
    if state is ConnectionState.ONLINE:
        return "bold green"
    return "bold red" if state.traits.needs_person else "bold yellow"
