"""The progress of `whatsapp-mcp link`: for a person on stderr, for a program on stdout."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

from whatsapp_mcp.cli.advice import advice, for_account
from whatsapp_mcp.cli.connection.screen import (
    SCAN,
    TYPE,
    Screen,
    code_lines,
    draw_qr,
    legible,
    qr_lines,
    seconds_left,
    size_of,
)
from whatsapp_mcp.cli.outcome import print_error, rfc3339
from whatsapp_mcp.cli.terminal import shown
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.models import ConnectionStatus, HistoryProgress, QrCode

RISK = (
    "This links an unofficial client. WhatsApp may limit or ban accounts that use one, above all for "
    "writing to many strangers. Use it for your own conversations, at a human pace."
)
PICTURE_FOLLOWS = (
    "What follows is a picture made of characters, for the phone's camera. "
    "With a screen reader, stop here and use `whatsapp-mcp link --phone NUMBER`: it gives a code to type."
)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class JsonReport:
    """One JSON object a line: {"event": "qr" | "code" | "linked" | "history" | "synced" | "failed", …}."""

    def __init__(self, out: TextIO, account: str = "default") -> None:
        self._out = out
        self._account = account

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def begin(self) -> None:
        """Nothing: a program has read the documentation."""

    def qr(self, qr: QrCode) -> None:
        """{"event": "qr", text, expires_at}."""
        self._write("qr", text=qr.text, expires_at=rfc3339(qr.expires_at))

    def code(self, code: str, expires_at: datetime | None) -> None:
        """{"event": "code", code, expires_at}."""
        self._write("code", code=code, expires_at=rfc3339(expires_at) if expires_at else None)

    def tick(self) -> None:
        """Nothing: the program has its own clock."""

    def linked(self, status: ConnectionStatus, *, already: bool = False) -> None:
        """{"event": "linked", account, number, name}, also if it had done so before."""
        self._write("linked", account=status.account, number=status.number, name=status.name)

    def history(self, progress: HistoryProgress) -> None:
        """{"event": "history", percent, messages}."""
        self._write("history", percent=progress.percent, messages=progress.messages)

    def synced(self, messages: int, chats: int) -> None:
        """{"event": "synced", messages, chats}."""
        self._write("synced", messages=messages, chats=chats)

    def failed(self, error: WhatsAppError) -> None:
        """{"event": "failed", reason, code, action}."""
        action = advice(error.code, error.action, self._account)
        self._write("failed", reason=error.message, code=error.code, action=action)

    def interrupted(self) -> None:
        """{"event": "failed", reason}."""
        self._write("failed", reason="interrupted")

    def _write(self, event: str, **facts: Any) -> None:
        self._out.write(json.dumps({"event": event, **facts}, ensure_ascii=False) + "\n")
        self._out.flush()


class TerminalReport:
    """A QR code that is redrawn in its place with the seconds that are left, then a progress bar.

    Where the output is no terminal, or a dumb one, nothing is cleared, redrawn or moved: lines follow lines.

    Args:
        console: Where it is drawn.
        account: Named in commands.
        now: The wall clock.
    """

    def __init__(
        self, console: Console, account: str = "default", now: Callable[[], datetime] = _utc_now
    ) -> None:
        self._console = console
        self._account = account
        self._now = now
        self._is_screen = console.is_terminal and not console.is_dumb_terminal
        self._screen = Screen(console)
        self._shown: QrCode | tuple[str, datetime | None] | None = None
        self._redraws = False
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[count]}"),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._linked = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def begin(self) -> None:
        """Print the risk."""
        self._console.print(RISK, style="yellow")

    def _stop(self) -> None:
        self._screen.clear()
        if self._task is not None:  # a bar that was never started leaves an empty line
            self._progress.stop()

    def qr(self, qr: QrCode) -> None:
        """Draw it in place of the one before, or below it with a line that says so."""
        before, self._shown = self._shown, qr
        # Without escape codes a terminal is taken for a dark one: there the light modules are drawn.
        picture = draw_qr(qr.text, dark_terminal=not self._is_screen)
        rows, columns = size_of(picture)
        self._redraws = self._is_screen and self._console.height >= rows and self._console.width >= columns
        if self._redraws:
            self.tick()
            return
        self._screen.clear()
        if before is not None:
            self._console.print("The code above is no longer valid; here is the next one.")
        self._console.print(for_account(PICTURE_FOLLOWS, self._account), markup=False)
        legible(self._console).print(picture, no_wrap=True, crop=False, overflow="ignore")
        self._console.print(SCAN)
        if self._is_screen:
            self._console.print(
                f"It needs {rows} lines of {columns} characters: make the window larger, or use "
                "--phone NUMBER for a code to type.",
                style="yellow",
            )

    def code(self, code: str, expires_at: datetime | None) -> None:
        """Show it with the way to where it is typed."""
        self._shown, self._redraws = (code, expires_at), self._is_screen
        if self._redraws:
            self.tick()
            return
        self._console.print(TYPE)
        self._console.print(f"Type this code there: {code}")

    def tick(self) -> None:
        """Redraw what is left of the time."""
        if not self._redraws or self._shown is None:
            return
        if isinstance(self._shown, QrCode):
            announced = for_account(PICTURE_FOLLOWS, self._account)
            left = seconds_left(self._shown.expires_at, self._now())
            self._screen.show(qr_lines(draw_qr(self._shown.text), announced, left))
        else:
            code, expires_at = self._shown
            self._screen.show(code_lines(code, seconds_left(expires_at, self._now())))

    def linked(self, status: ConnectionStatus, *, already: bool = False) -> None:
        """Name the account, start the progress bar."""
        self._linked, self._shown = True, None
        self._screen.clear()
        who = " ".join(part for part in (status.name, status.number) if part)
        linked = shown(
            f"{'Linked already' if already else 'Linked'}: {who or status.account}.", self._console.file
        )
        self._console.print(linked, style="green", markup=False)
        if not self._is_screen:
            self._console.print("Waiting for your history.")
            return
        self._progress.start()
        self._task = self._progress.add_task("Waiting for your history", total=None, count="")

    def history(self, progress: HistoryProgress) -> None:
        """Move the bar."""
        if self._task is not None:
            self._progress.update(
                self._task,
                description="Your history comes",
                total=100,
                completed=progress.percent or 0,
                count=_counted(progress.messages, "message"),
            )

    def synced(self, messages: int, chats: int) -> None:
        """Print that it is done, and the next step."""
        self._progress.stop()
        connect = for_account("Connect an application: `whatsapp-mcp install HOST`", self._account)
        here = f"{_counted(messages, 'message')} in {_counted(chats, 'chat')}"
        self._console.print(f"Ready: {here}. {connect}", markup=False)

    def failed(self, error: WhatsAppError) -> None:
        """Print what happened and what to do."""
        self._stop()
        print_error(error, self._account)

    def interrupted(self) -> None:
        """Print the outcome."""
        self._stop()
        if not self._linked:
            self._console.print("Stopped; no phone was linked.")
        else:
            self._console.print("Stopped. The phone is linked; more history comes when a server runs.")


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
