"""The server's log on standard error. Many an application starts a server and never reads there.

Once such a pipe is full, a write to it waits for ever. So a thread of its own writes, and what it cannot keep
up with is dropped.
"""

from __future__ import annotations

import logging
import queue
import sys
import time
from collections import Counter
from contextlib import suppress
from logging.handlers import QueueHandler, QueueListener
from typing import Final

from whatsapp_mcp.redaction import RedactingFormatter, set_levels

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


def log_to_stderr(level: str) -> None:
    """Let every logger of this process write to standard error; `logging.shutdown` writes what still waits.

    Args:
        level: `debug`, `info`, `warning` or `error`, for this package; libraries are held at warnings.
    """
    waiting = _Waiting()
    waiting.addFilter(_Repeats())
    # The handler that queues an entry writes out its exception, too.
    waiting.setFormatter(RedactingFormatter("%(message)s"))
    written = logging.StreamHandler(sys.stderr)
    written.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    QueueListener(waiting.entries, written).start()
    logging.basicConfig(handlers=[waiting])
    set_levels(level)
