"""The progress of `whatsapp-mcp link`: for a person on stderr, for a program on stdout.

On a terminal a QR code, or a code to type, is redrawn in its place while `link` waits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Self, TextIO

import segno
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn
from rich.text import Text

from whatsapp_mcp.cli.outcome import advice, for_account, print_error, rfc3339, shown
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.models import LINKED_DEVICES, ConnectionStatus, HistoryProgress, QrCode

_QUIET_ZONE = 2
"""Light modules around a QR code; phones read fewer than the standard's four, and terminals are small."""
SCAN = f"On the phone: {LINKED_DEVICES} → Link a device, then scan the code."
TYPE = f"On the phone: {LINKED_DEVICES} → Link a device → Link with phone number."
RISK = (
    "This links an unofficial client. WhatsApp may limit or ban accounts that use one, above all for "
    "writing to many strangers. Use it for your own conversations, at a human pace."
)
A_CODE_TO_TYPE = "`whatsapp-mcp link --phone NUMBER`"
PICTURE_FOLLOWS = f"A picture follows; for a code to type: {A_CODE_TO_TYPE}"
"""Line for screen readers before each picture; a single line, since windows are low."""
_A_PICTURE = "open and scan {}"
_IN_A_BROWSER = "open in a browser on this computer, once:\n  {}"


class Screen:
    """A part of the terminal that is redrawn in its place; what is printed afterwards takes the place over.

    Args:
        console: On a terminal that can move its cursor.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None

    def show(self, shown: RenderableType) -> None:
        """Draw this in place of what was there."""
        if self._live is None:
            self._live = Live(
                console=legible(self._console),
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                vertical_overflow="visible",
            )
            self._live.start()
        self._live.update(shown, refresh=True)

    def clear(self) -> None:
        """Erase it."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def legible(console: Console) -> Console:
    """The same with colours, if it is a terminal that knows any.

    Black on white is what a phone can read, no decoration: it stays under NO_COLOR too.
    """
    is_screen = console.is_terminal and not console.is_dumb_terminal
    return Console(
        file=console.file,
        force_terminal=is_screen,
        color_system="standard" if is_screen else None,
        no_color=not is_screen,
        highlight=False,
        width=console.width,
        height=console.height,
    )


def lines_of(shown: RenderableType, console: Console) -> int:
    """The lines that something takes on this console, at its width."""
    return len(console.render_lines(shown, pad=False))


def qr_lines(picture: Text, announced: str, left: float) -> Group:
    """The picture with the way to scan it, and for how many seconds it is valid."""
    picture.no_wrap = True
    picture.overflow = "ignore"
    return Group(Text(announced), picture, Text(SCAN), validity(left))


def validity(left: float) -> Text:
    """Return the line that says for how many seconds a QR code is valid."""
    valid = f"Valid for {left:.0f} s; the next one follows by itself." if left > 0 else "The next one comes …"
    return Text(valid)


def code_lines(code: str, left: float) -> Group:
    """The code with the way to where it is typed, and for how long it is valid."""
    minutes, seconds = divmod(max(0, round(left)), 60)
    typed = Text.assemble("Type this code there: ", (code, "bold"))
    return Group(Text(TYPE), typed, Text(f"Valid for {minutes}:{seconds:02}."))


def seconds_left(until: datetime | None, now: datetime) -> float:
    """Seconds until then, 0 where it has passed or nothing is known."""
    return 0.0 if until is None else max(0.0, (until - now).total_seconds())


def draw_qr(text: str, *, dark_terminal: bool = False) -> Text:
    """A QR code in half blocks, two rows of modules a line.

    Args:
        text: What it says.
        dark_terminal: Draw the light modules and leave out all style, for a terminal that is light on dark
            and has no escape codes; else dark on light whatever the terminal's colours.
    """
    # The lowest error correction: a screen has no dirt, and fewer modules fit into more windows.
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

    @property
    def lacks_room(self) -> bool:
        """Never: a program draws the code itself."""
        return False

    def page(self, url: str) -> None:
        """Nothing: no page is opened for a program."""

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

    A window without room for the code gets the other ways to link, until it is made larger. Nothing smaller
    than half blocks is drawn: a program cannot ask a terminal whether its font has sextants or octants.

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
        self._has_room = True
        self._page: str | None = None
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

    @property
    def lacks_room(self) -> bool:
        """True if the window is too small for the QR code to be shown."""
        return not self._has_room

    def page(self, url: str) -> None:
        """Tell where a browser shows the codes, if the window has no room for them."""
        self._page = url
        if self._has_room:
            return
        self._screen.clear()
        self._tell_way(_IN_A_BROWSER.format(url))
        self.tick()

    def qr(self, qr: QrCode) -> None:
        """Draw it in place of the one before, or below it with a line that says so."""
        before, self._shown = self._shown, qr
        self._redraws = self._is_screen
        if self._redraws:
            self.tick()
            return
        if before is not None:
            self._console.print("The code above is no longer valid; here is the next one.")
        self._console.print(self._announced, markup=False)
        # Without escape codes a terminal is taken for a dark one: there the light modules are drawn.
        picture = draw_qr(qr.text, dark_terminal=True)
        legible(self._console).print(picture, no_wrap=True, crop=False, overflow="ignore")
        self._console.print(SCAN, soft_wrap=True)
        if qr.file and before is None:
            self._tell_way(_A_PICTURE.format(qr.file))

    @property
    def _announced(self) -> str:
        return for_account(PICTURE_FOLLOWS, self._account)

    def _draw(self, qr: QrCode) -> None:
        """Draw the code; in a window that is too small for it, say which other ways there are."""
        left = seconds_left(qr.expires_at, self._now())
        picture = draw_qr(qr.text)
        drawn = qr_lines(picture, self._announced, left)
        rows, columns = lines_of(drawn, legible(self._console)), len(picture.plain.partition("\n")[0])
        had_room = self._has_room
        self._has_room = rows <= self._console.height and columns <= self._console.width
        if had_room != self._has_room:
            self._screen.clear()
        if had_room and not self._has_room:
            self._tell_other_ways(qr, f"{rows} lines of {columns} characters")
        self._screen.show(drawn if self._has_room else Group(Text(SCAN), validity(left)))

    def _tell_other_ways(self, qr: QrCode, needed: str) -> None:
        """Say how to link without the code in this window; printed once, so that a URL can be selected."""
        here = f"{self._console.height} of {self._console.width}"
        self._console.print(
            f"The QR code needs {needed}, and this window has {here}. Make it larger, and the code appears. "
            "Other ways:"
        )
        self._tell_way(for_account(f"type a code: {A_CODE_TO_TYPE}", self._account))
        if qr.file:
            self._tell_way(_A_PICTURE.format(qr.file))
        if self._page:
            self._tell_way(_IN_A_BROWSER.format(self._page))

    def _tell_way(self, way: str) -> None:
        # A path or URL that is broken into lines cannot be clicked.
        self._console.print(f"* {way}", markup=False, soft_wrap=True)

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
            self._draw(self._shown)
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
        """Print that it is done, and the next steps."""
        self._progress.stop()
        connect = for_account("Connect an application: `whatsapp-mcp install HOST`", self._account)
        here = f"{_counted(messages, 'message')} in {_counted(chats, 'chat')}"
        self._console.print(f"Ready: {here}. {connect}", markup=False)
        pages = "See your chats in a browser: `whatsapp-mcp serve --transport http`, then `whatsapp-mcp page`"
        self._console.print(for_account(pages, self._account), markup=False, soft_wrap=True)

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
