"""The progress of `whatsapp-mcp link`: for a person on stderr, for a program on stdout."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Self, TextIO

import segno
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn
from rich.text import Text

from whatsapp_mcp.cli.advice import advice, for_account
from whatsapp_mcp.cli.outcome import print_error, rfc3339
from whatsapp_mcp.cli.terminal import shown
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.models import ConnectionStatus, QrCode

RISK = (
    "This links an unofficial client. WhatsApp may limit or ban accounts that use one, above all for "
    "writing to many strangers. Use it for your own conversations, at a human pace."
)
PICTURE_FOLLOWS = (
    "What follows is a picture made of characters, for the phone's camera. "
    "With a screen reader, stop here and use `whatsapp-mcp link --phone NUMBER`: it gives a code to type."
)
_QUIET_ZONE = 2
"""Light modules around a QR code; phones read fewer than the standard's four, and terminals are small."""


class JsonReport:
    """One JSON object a line: {"event": "qr" | "code" | "linked" | "synced" | "failed", …}."""

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

    def code(self, code: str) -> None:
        """{"event": "code", code}."""
        self._write("code", code=code)

    def linked(self, status: ConnectionStatus) -> None:
        """{"event": "linked", account, number, name}."""
        self._write("linked", account=status.account, number=status.number, name=status.name)

    def history(self, percent: int) -> None:
        """Nothing: a program waits for `synced`."""

    def synced(self) -> None:
        """{"event": "synced"}."""
        self._write("synced")

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
    """A QR code that is redrawn as it rotates, then a progress bar.

    Where the output is no terminal, or a dumb one, nothing is cleared, redrawn or moved: lines follow lines.
    """

    def __init__(self, console: Console, account: str = "default") -> None:
        self._console = console
        self._account = account
        self._is_screen = console.is_terminal and not console.is_dumb_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._drawn = False
        self._linked = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_progress()

    def begin(self) -> None:
        """Print the risk."""
        self._console.print(RISK, style="yellow")

    def _stop_progress(self) -> None:
        if self._task is not None:  # a bar that was never started leaves an empty line
            self._progress.stop()

    def qr(self, qr: QrCode) -> None:
        """Draw it in place of the one before, or below it with a line that says so."""
        # Without escape codes a terminal is taken for a dark one: there the light modules are drawn.
        picture = draw_qr(qr.text, dark_terminal=not self._is_screen)
        if self._drawn and self._is_screen:
            self._console.clear()
        elif self._drawn:
            self._console.print("The code above is no longer valid; here is the next one.")
        self._drawn = True
        self._console.print(for_account(PICTURE_FOLLOWS, self._account), markup=False)
        # Black on white is what a phone can read, no decoration: it stays under NO_COLOR too.
        screen = Console(
            file=self._console.file,
            force_terminal=self._is_screen,
            color_system="standard" if self._is_screen else None,
            no_color=not self._is_screen,
        )
        screen.print(picture, no_wrap=True, crop=False, overflow="ignore")
        self._console.print("On the phone: Settings → Linked devices → Link a device, then scan this code.")
        rows = len(picture.plain.splitlines()) + 6
        if self._console.is_terminal and self._console.height < rows:
            self._console.print(
                f"It needs {rows} lines: make the window taller, or use --phone NUMBER for a code to type.",
                style="yellow",
            )

    def code(self, code: str) -> None:
        """Show it with the way to where it is typed."""
        self._console.print(
            "On the phone: Settings → Linked devices → Link a device → Link with phone number."
        )
        self._console.print(f"Type this code there: [bold]{code}[/bold]")

    def linked(self, status: ConnectionStatus) -> None:
        """Name the account, start the progress bar."""
        self._linked = True
        who = " ".join(part for part in (status.name, status.number) if part)
        linked = shown(f"Linked: {who or status.account}.", self._console.file)
        self._console.print(linked, style="green", markup=False)
        if not self._is_screen:
            self._console.print("Waiting for your history.")
            return
        self._progress.start()
        self._task = self._progress.add_task("Waiting for your history", total=None)

    def history(self, percent: int) -> None:
        """Move the bar."""
        if self._task is not None:
            self._progress.update(self._task, description="Your history comes", total=100, completed=percent)

    def synced(self) -> None:
        """Print that it is done, and the next step."""
        self._progress.stop()
        connect = for_account("Connect an application: `whatsapp-mcp client-config`", self._account)
        self._console.print(f"Ready. {connect}", markup=False)

    def failed(self, error: WhatsAppError) -> None:
        """Print what happened and what to do."""
        self._stop_progress()
        print_error(error, self._account)

    def interrupted(self) -> None:
        """Print the outcome."""
        self._stop_progress()
        if not self._linked:
            self._console.print("Stopped; no phone was linked.")
        else:
            self._console.print("Stopped. The phone is linked; more history comes when a server runs.")


def draw_qr(text: str, *, dark_terminal: bool = False) -> Text:
    """A QR code in half blocks, two rows of modules a line.

    Args:
        text: What it says.
        dark_terminal: Draw the light modules and leave out all style, for a terminal that is light on dark
            and has no escape codes; else dark on light whatever the terminal's colours.
    """
    rows = [list(row) for row in segno.make_qr(text, error="l").matrix_iter(border=_QUIET_ZONE)]
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))
    if dark_terminal:
        rows = [[1 - module for module in row] for row in rows]
    lines = (_half_blocks(upper, lower) for upper, lower in zip(rows[::2], rows[1::2], strict=True))
    return Text("\n".join("".join(line) for line in lines), "" if dark_terminal else "black on bright_white")


def _half_blocks(upper: list[int], lower: list[int]) -> Iterator[str]:
    for top, bottom in zip(upper, lower, strict=True):
        yield " ▄▀█"[2 * bool(top) + bool(bottom)]
