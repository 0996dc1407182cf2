"""What `link` keeps on a terminal while it waits: a QR code or a code to type, redrawn in its place."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import segno
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from whatsapp_mcp.models import LINKED_DEVICES

_QUIET_ZONE = 2
"""Light modules around a QR code; phones read fewer than the standard's four, and terminals are small."""
SCAN = f"On the phone: {LINKED_DEVICES} → Link a device, then scan the code."
TYPE = f"On the phone: {LINKED_DEVICES} → Link a device → Link with phone number."


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
    """For how many seconds a QR code is valid."""
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
