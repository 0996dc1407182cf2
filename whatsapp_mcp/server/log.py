"""The server's log on standard error, and in a file, because many an application shows no standard error.

Nor do all of them read it, and once such a pipe is full, a write to it waits for ever. So a thread of its own
writes to each, and what it cannot keep up with is dropped.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from typing import Final

from whatsapp_mcp.processes.tracing import carrier
from whatsapp_mcp.text.redaction import RedactingFormatter, set_levels

FILE_LIMIT: Final = 2 * 1024 * 1024
"""Bytes of the file after which it becomes `NAME.1`."""
_KEPT: Final = 1000
"""Entries that may wait to be written."""
_ALIKE: Final = 10
"""Entries from one place in the code that are written in a second."""
_LAST: Final = 0.2
"""Seconds in which the last entries are written."""


class _Repeats(logging.Filter):
    """Limits the entries from one place in the code in a second.

    Without file handles asyncio would write two thousand.
    """

    def __init__(self) -> None:
        super().__init__()
        self._second = 0
        self._seen = Counter[tuple[str, int]]()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        if int(record.created) != self._second:
            self._second = int(record.created)
            self._seen.clear()
        place = record.pathname, record.lineno
        self._seen[place] += 1
        return self._seen[place] <= _ALIKE


class _Traced(logging.Filter):
    """Writes down the span in which an entry is made; the thread that writes it is in none."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.traceparent = carrier()
        return True


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time` (RFC 3339), `level`, `logger`, `message`, `pid`, and `trace_id`, if any.

    A traceback stands in `message`, after its first line. Nothing is redacted here: what was queued is.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        timestamp = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry = {
            "time": timestamp.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
        }
        if traceparent := getattr(record, "traceparent", None):
            entry["trace_id"] = str(traceparent).split("-")[1]
        return json.dumps(entry)


class _Waiting(QueueHandler):
    """Keeps entries for the thread that writes them."""

    def __init__(self) -> None:
        self.entries: queue.Queue[logging.LogRecord] = queue.Queue(_KEPT)
        super().__init__(self.entries)

    def enqueue(self, record: logging.LogRecord) -> None:
        with suppress(queue.Full):
            self.entries.put_nowait(record)

    def flush(self) -> None:
        # `Queue.join` has no limit of time, and a pipe that nobody reads would hold up the end of the
        # process.
        begun = time.monotonic()
        while self.entries.unfinished_tasks and time.monotonic() - begun < _LAST:
            time.sleep(0.01)


class _SharedFile(logging.Handler):
    """Appends to a private file that several servers write; a full one becomes `NAME.1`.

    The file is opened for each entry, so that no server goes on with one that another has renamed.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._full = path.with_name(f"{path.name}.1")

    def emit(self, record: logging.LogRecord) -> None:
        # A text from outside may hold half of a surrogate pair, which UTF-8 cannot encode.
        line = f"{self.format(record)}\n".encode("utf-8", "backslashreplace")
        # Without a home folder, or on a full disk, standard error has it alone.
        with suppress(OSError):
            # With O_APPEND lines of several servers do not overwrite each other (open(2)).
            opened = os.open(self._path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
            try:
                size = os.fstat(opened).st_size
                os.write(opened, line)
            finally:
                os.close(opened)
            if size + len(line) > FILE_LIMIT:
                self._path.replace(self._full)


def log_to_stderr(level: str, form: str = "text", file: Path | None = None) -> None:
    """Let every logger of this process write to standard error; `logging.shutdown` writes what still waits.

    Args:
        level: `debug`, `info`, `warning` or `error`, for this package; libraries are held at warnings.
        form: `text`, or `json` for one object a line.
        file: Where the same goes as text, for a person whose application shows no standard error.
    """
    for_people = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    written = logging.StreamHandler(sys.stderr)
    written.setFormatter(JsonFormatter() if form == "json" else for_people)
    handlers: list[logging.Handler] = [_queued(written)]
    if file is not None:
        kept = _SharedFile(file)
        kept.setFormatter(for_people)
        handlers.append(_queued(kept))
    logging.basicConfig(handlers=handlers)
    set_levels(level)


def _queued(handler: logging.Handler) -> logging.Handler:
    """A handler whose entries another one writes, in a thread of its own."""
    waiting = _Waiting()
    waiting.addFilter(_Repeats())
    waiting.addFilter(_Traced())
    # The handler that queues an entry writes out its exception, too.
    waiting.setFormatter(RedactingFormatter("%(message)s"))
    QueueListener(waiting.entries, handler).start()
    return waiting
