"""`whatsapp-mcp logs`: the log of the client process, with colours on a terminal."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TextIO

from rich.console import Console
from rich.text import Text

from whatsapp_mcp.cli.options import known_account
from whatsapp_mcp.errors import Busy, cause
from whatsapp_mcp.policy import visible

_ENTRY: Final = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) (?P<level>[A-Z]+) (?P<logger>[\w.]+): (?P<said>.*)"
)
"""An entry of `client/__main__.py`; what the library itself prints has no such beginning."""
_STYLES: Final = {
    "DEBUG": "dim",
    "INFO": "green",
    "WARNING": "yellow",
    "ERROR": "bold red",
    "CRITICAL": "bold white on red",
}
EVERY: Final = 0.3
"""Seconds between two looks for new lines."""


def show_log(account: str, lines: int, *, follow: bool, out: TextIO) -> None:
    """Print the last lines, and with `follow` what comes, until Ctrl-C.

    Raises:
        InvalidArgument: The name cannot be one.
        NotLinked: There is no such account here.
        Busy: The log cannot be read.
    """
    path = known_account(account).client_log
    console = Console(file=out, highlight=False, soft_wrap=True)
    try:
        for line in last_lines(path, lines):
            console.print(painted(line))
        if follow:
            for line in new_lines(path, time.sleep):
                console.print(painted(line))
    except OSError as error:
        raise Busy(f"{path} cannot be read: {cause(error)}.", "Make it readable for yourself.") from error


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines of a log and of the one before it, which is full; none where there is none yet."""
    kept = deque[str](maxlen=count)
    for part in (path.with_name(f"{path.name}.1"), path):
        if part.exists():
            with part.open(encoding="utf-8", errors="replace") as log:
                kept.extend(line.rstrip("\n") for line in log)
    return list(kept)


def new_lines(path: Path, sleep: Callable[[float], None]) -> Iterator[str]:
    """Lines that are written from now on, also to the file that takes the place of a full one."""
    place = path.stat().st_size if path.exists() else 0
    rest = ""
    while True:
        sleep(EVERY)
        size = path.stat().st_size if path.exists() else 0
        if size < place:
            place = 0
        if size > place:
            with path.open("rb") as log:
                log.seek(place)
                read = log.read()
            place += len(read)
            *whole, rest = (rest + read.decode("utf-8", "replace")).split("\n")
            yield from whole


def painted(line: str) -> Text:
    """A line as it is shown: time and logger dim, the level in its colour, control characters by number."""
    entry = _ENTRY.fullmatch(line)
    if entry is None:
        return Text(visible(line), "dim")
    level = entry["level"]
    return Text.assemble(
        (f"{entry['time']} ", "dim"),
        (f"{level:<8}", _STYLES.get(level, "")),
        (f"{entry['logger']}: ", "dim"),
        visible(entry["said"]),
    )
