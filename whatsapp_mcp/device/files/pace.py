"""Pace at which files are fetched unasked: as a person opens them, and not while it goes wrong."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from whatsapp_mcp.device.clock import Clock

GAP: Final = (2.0, 8.0)
"""Seconds between two fetches: the least, and the most."""
BURST: Final = 10
"""New files that are fetched one after the other within `BURST_SECONDS`, as WhatsApp's own apps do."""
BURST_SECONDS: Final = 60.0
FIRST_PAUSE: Final = 600.0
"""Seconds without a fetch after WhatsApp has asked for fewer; doubled each time it asks again."""
LONGEST_PAUSE: Final = 6 * 3600.0


class Pace:
    """Says when the next file may be fetched.

    Args:
        chance: Gives numbers in [0, 1).
    """

    def __init__(self, clock: Clock, chance: Callable[[], float]) -> None:
        self._clock = clock
        self._chance = chance
        self._next = 0.0
        self._burst: deque[float] = deque(maxlen=BURST)
        self._refusals = 0
        self._resume = 0.0
        self._reason: str | None = None

    @property
    def paused(self) -> str | None:
        """Why nothing is fetched; None when something may be."""
        return self._reason if self._clock.monotonic() < self._resume else None

    def wait(self, *, is_new: bool) -> float:
        """Seconds until a file may be fetched; 0: now.

        Args:
            is_new: Whether it has only just come.
        """
        now = self._clock.monotonic()
        next_at = self._next
        if is_new and (len(self._burst) < BURST or now - self._burst[0] >= BURST_SECONDS):
            next_at = 0.0
        return max(0.0, next_at - now, self._resume - now)

    def tried(self, *, is_new: bool) -> None:
        """A fetch has ended, well or badly: the next one is due after a gap."""
        now = self._clock.monotonic()
        least, most = GAP
        self._next = now + least + (most - least) * self._chance()
        if is_new:
            self._burst.append(now)

    def succeeded(self) -> None:
        """WhatsApp gave a file: earlier refusals no longer count."""
        self._refusals = 0

    def refused(self, reason: str) -> None:
        """WhatsApp asks for fewer requests, or cannot answer them: pause, twice as long as the last time."""
        self._refusals += 1
        # Bounded, since 2.0 to the power of 1,024 is an `OverflowError`.
        self.pause(min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._refusals - 1, 30)), reason)

    def pause(self, seconds: float, reason: str) -> None:
        """Fetch nothing for so long."""
        self._resume = self._clock.monotonic() + seconds
        self._reason = reason
