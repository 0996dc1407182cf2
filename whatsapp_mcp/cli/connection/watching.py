"""`whatsapp-mcp status --watch`: the state of the connection as it changes, until somebody stops it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, TextIO

import anyio
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from whatsapp_mcp import settings
from whatsapp_mcp.cli.connection.device import log_to_stderr
from whatsapp_mcp.cli.connection.status import to_json, to_text
from whatsapp_mcp.cli.options import known_account
from whatsapp_mcp.cli.terminal import isolated
from whatsapp_mcp.models import ConnectionState, ConnectionStatus

if TYPE_CHECKING:
    from whatsapp_mcp.settings import AccountFolder

EVERY: Final = 1.0
"""Seconds between two looks."""
_BAR: Final = 40
"""Characters of the bar of the history."""


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
    """What the leader says, or the disk, again and again."""
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
