"""From the library's callback into the journal.

The library acknowledges an event to WhatsApp once its callback keeps up, and never offers it again. So the
callback returns only when the event is on disk; while a file cannot be written, the callback waits, the
library's queue fills, and WhatsApp is no longer acknowledged. Where the journal is in PostgreSQL, its writer
waits itself, which `check_stuck` notices. If it gives up, or another leader has taken over, the process ends.
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
"""Seconds until a write that failed is tried again; doubled each time."""
_LONGEST_RETRY: Final = 2.0
_QUIET: Final = 0.1
"""Seconds without an event after which the library's queue counts as empty."""
_LOOK_AGAIN: Final = 0.01
_PATIENCE: Final = 10.0
"""Seconds after which events that go on coming are waited for no longer."""
UNANSWERED: Final = 1.0
"""Seconds after which an append that is not answered counts as one that cannot be made."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class EventJournaling:
    """Takes events from the library's threads.

    Args:
        journal: Where they go.
        generation: Of this process.
        announce: Called with (seq, code, payload) of each event that is on disk; called in a thread of the
            library.
        notify: Called with `STUCK` and `UNSTUCK` with their parameters; called there too.
        sleep: Waits between two tries.
        monotonic: The time, in seconds.
    """

    journal: storage.JournalWriter
    generation: int
    announce: Callable[[int, int, bytes], None]
    notify: Callable[[str, dict[str, Any]], None]
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _last: float = field(default_factory=time.monotonic)
    _telling: threading.Lock = field(default_factory=threading.Lock)
    _appending_since: float | None = None
    _is_stuck: bool = False

    def take(self, code: int, payload: bytes) -> None:
        """Return when the event is on disk and announced, however long that takes."""
        if len(payload) > storage.EVENT_BYTES:
            logger.error("journal: an event of %d bytes (code %d) is not kept", len(payload), code)
            # A mark takes its place, so that the status can say that something is missing.
            code, payload = storage.TOO_LARGE, b""
        # Held from before the write: `wait_quiet` tells by it that an event is on its way to the disk.
        with self._lock:
            seq = self._append(code, payload)
            self.announce(seq, code, payload)
            self._last = time.monotonic()

    def check_stuck(self) -> None:
        """Tell if an event has waited for long for a journal that does not answer; to be called now and then.

        What the library receives meanwhile it acknowledges, a hundred events ahead.
        """
        with self._telling:
            since = self._appending_since
            if since is not None and self.monotonic() - since >= UNANSWERED:
                self._tell_stuck("the database does not answer", is_damaged=False)

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
        with self._telling:
            self._appending_since = self.monotonic()
        while True:
            try:
                seq = self.journal.append(self.generation, code, payload)
            except sqlite3.Error as error:
                with self._telling:
                    self._tell_stuck(cause(error), is_damaged=_is_damage(error))
                self.sleep(delay)
                delay = min(2 * delay, _LONGEST_RETRY)
            except storage.StorageError as error:
                # What the library has acknowledged ahead of its callback, a hundred events at most, is lost
                # as when the process is killed. WhatsApp keeps the rest for the next client.
                logger.error("journal: cannot be written: %s", error)
                os._exit(_exit_code(error))
            else:
                self._tell_appended()
                return seq

    def _tell_stuck(self, why: str, *, is_damaged: bool) -> None:
        if not self._is_stuck:
            logger.error("journal: cannot be written: %s", why)
            self.notify(STUCK, {"error": why, "damaged": is_damaged})
            self._is_stuck = True

    def _tell_appended(self) -> None:
        with self._telling:
            self._appending_since = None
            if self._is_stuck:
                logger.warning("journal: can be written again")
                self.notify(UNSTUCK, {})
                self._is_stuck = False


def _exit_code(error: storage.StorageError) -> int:
    match error:
        case storage.Fenced():
            return EXIT_FENCED
        case storage.Rewound():
            return EXIT_REWOUND
        case _:
            return EXIT_NO_JOURNAL


def _is_damage(error: sqlite3.Error) -> bool:
    """Return whether the file is damaged for good; transient errors have classes of their own."""
    return type(error) is sqlite3.DatabaseError
