"""The server's log on standard error. Many an application starts a server and never reads there.

Once such a pipe is full, a write to it waits for ever. So a thread of its own writes, and what it cannot keep
up with is dropped.
"""

from __future__ import annotations

import json
import logging
import queue
import sys
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from typing import Final

from whatsapp_mcp.redaction import RedactingFormatter, set_levels
from whatsapp_mcp.tracing import carrier

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
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry = {
            "time": at.replace("+00:00", "Z"),
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
        begun = time.monotonic()
        while self.entries.unfinished_tasks and time.monotonic() - begun < _LAST:
            time.sleep(0.01)


def log_to_stderr(level: str, form: str = "text") -> None:
    """Let every logger of this process write to standard error; `logging.shutdown` writes what still waits.

    Args:
        level: `debug`, `info`, `warning` or `error`, for this package; libraries are held at warnings.
        form: `text`, or `json` for one object a line.
    """
    waiting = _Waiting()
    waiting.addFilter(_Repeats())
    waiting.addFilter(_Traced())
    # The handler that queues an entry writes out its exception, too.
    waiting.setFormatter(RedactingFormatter("%(message)s"))
    written = logging.StreamHandler(sys.stderr)
    for_people = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    written.setFormatter(JsonFormatter() if form == "json" else for_people)
    QueueListener(waiting.entries, written).start()
    logging.basicConfig(handlers=[waiting])
    set_levels(level)
