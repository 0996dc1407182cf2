"""From the library's callback into the journal.

The library acknowledges an event to WhatsApp once its callback keeps up, and never offers it again. So the
callback returns only when the event is on disk; while a file cannot be written, the callback waits, the
library's queue fills, and WhatsApp is no longer acknowledged. Where the journal is in PostgreSQL, its writer
has waited already, or another leader has taken over: then the process ends.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from whatsapp_mcp import storage
from whatsapp_mcp.client.protocol import EXIT_FENCED, EXIT_NO_JOURNAL, EXIT_REWOUND, STUCK, UNSTUCK
from whatsapp_mcp.errors import cause

_FIRST_RETRY: Final = 0.05
_LONGEST_RETRY: Final = 2.0
_QUIET: Final = 0.1
_LOOK_AGAIN: Final = 0.01
_PATIENCE: Final = 10.0
"""Seconds after which events that go on coming are waited for no longer."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class JournalWriter:
    """Takes events from the library's threads.

    Args:
        journal: Where they go.
        generation: Of this process.
        announce: Called with (seq, code, payload) of each event that is on disk; called in a thread of the
            library.
        notify: Called with `STUCK` and `UNSTUCK` with their parameters; called there too.
        sleep: Waits between two tries.
    """

    journal: storage.JournalWriter
    generation: int
    announce: Callable[[int, int, bytes], None]
    notify: Callable[[str, dict[str, Any]], None]
    sleep: Callable[[float], None] = time.sleep
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _last: float = field(default_factory=time.monotonic)

    def take(self, code: int, payload: bytes) -> None:
        """Return when the event is on disk and announced, however long that takes."""
        with self._lock:
            seq = self._append(code, payload)
            self.announce(seq, code, payload)
            self._last = time.monotonic()

    def wait_quiet(self) -> None:
        """Return when no event is being written and none has come for a moment, counted from now.

        The library may still have one in its queue, although none has come for long. Where they go on coming,
        the wait ends after `_PATIENCE`. An event that cannot be written is waited for without a limit: it is
        acknowledged, and the leader has been told.
        """
        begun = time.monotonic()
        while self._lock.locked() or self._is_busy(begun):
            self.sleep(_LOOK_AGAIN)

    def _is_busy(self, since: float) -> bool:
        now = time.monotonic()
        return now - since < _PATIENCE and now - max(self._last, since) < _QUIET

    def _append(self, code: int, payload: bytes) -> int:
        delay = _FIRST_RETRY
        stuck = False
        while True:
            try:
                seq = self.journal.append(self.generation, code, payload)
            except sqlite3.Error as error:
                if not stuck:
                    logger.error("journal: cannot be written: %s", error)
                    self.notify(STUCK, {"error": cause(error), "damaged": _is_damage(error)})
                    stuck = True
                self.sleep(delay)
                delay = min(2 * delay, _LONGEST_RETRY)
            except storage.StorageError as error:
                # What the library has acknowledged ahead of its callback, a hundred events at most, is lost
                # as when the process is killed. WhatsApp keeps the rest for the next client.
                logger.error("journal: cannot be written: %s", error)
                os._exit(_exit_code(error))
            else:
                if stuck:
                    logger.warning("journal: can be written again")
                    self.notify(UNSTUCK, {})
                return seq


def _exit_code(error: storage.StorageError) -> int:
    match error:
        case storage.Fenced():
            return EXIT_FENCED
        case storage.Rewound():
            return EXIT_REWOUND
        case _:
            return EXIT_NO_JOURNAL


def _is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is damaged for good; what passes by itself has an exception class of its own."""
    return type(error) is sqlite3.DatabaseError
