"""`whatsapp-mcp logs`: the logs of the servers and of the client process, with colours on a terminal."""

from __future__ import annotations

import codecs
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
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
"""An entry of `client/__main__.py` or `server/log.py`; what the library prints has none."""
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
        Busy: A log cannot be read.
    """
    folder = known_account(account)
    paths = [folder.client_log, folder.server_log]
    console = Console(file=out, highlight=False, soft_wrap=True)
    try:
        for line in last_lines(paths, lines):
            console.print(painted(line))
        if follow:
            for line in new_lines(paths, time.sleep):
                console.print(painted(line))
    except OSError as error:
        raise Busy(f"The log cannot be read: {cause(error)}.", "Make it readable for yourself.") from error


def last_lines(paths: Sequence[Path], count: int) -> list[str]:
    """The last lines of some logs, in the order of time; none where there is none yet.

    Of each log the one before it, which is full, is read as well.
    """
    merged = _by_time([_last(path, count) for path in paths])
    return merged[len(merged) - min(count, len(merged)) :]


def _last(path: Path, count: int) -> list[str]:
    kept = deque[str](maxlen=count)
    for part in (path.with_name(f"{path.name}.1"), path):
        if part.exists():
            with part.open(encoding="utf-8", errors="replace") as log:
                kept.extend(line.rstrip("\n") for line in log)
    return list(kept)


def _by_time(logs: Iterable[Iterable[str]]) -> list[str]:
    """The lines of several logs in one; a line without a time stays behind the one before it."""
    timed: list[tuple[str, str]] = []
    for log in logs:
        timestamp = ""
        for line in log:
            entry = _ENTRY.fullmatch(line)
            timestamp = entry["time"] if entry else timestamp
            timed.append((timestamp, line))
    # The sort is stable: lines of one log stay in their order where times are equal.
    return [line for _, line in sorted(timed, key=itemgetter(0))]


def new_lines(paths: Sequence[Path], sleep: Callable[[float], None]) -> Iterator[str]:
    """Lines that are written from now on, also to the file that takes the place of a full one."""
    ends = [_End(path) for path in paths]
    while True:
        sleep(EVERY)
        yield from _by_time(end.read() for end in ends)


class _End:
    """The end of a log, from which on it is read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = self._size()
        self._rest = ""
        # A character may be cut between two reads.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def read(self) -> list[str]:
        """The whole lines that came since."""
        size = self._size()
        # The full log was renamed, and this is the one after it.
        if size < self._place:
            self._place = 0
            self._decoder.reset()
        if size == self._place:
            return []
        with self._path.open("rb") as log:
            log.seek(self._place)
            read = log.read()
        self._place += len(read)
        *whole, self._rest = (self._rest + self._decoder.decode(read)).split("\n")
        return whole

    def _size(self) -> int:
        return self._path.stat().st_size if self._path.exists() else 0


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
