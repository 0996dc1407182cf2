"""Counts of calls by tool, their outcomes and their durations."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import anyio

from whatsapp_mcp.errors import WhatsAppError

BOUNDS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of a histogram's buckets, in seconds; one more bucket has no bound."""
DONE: Final = "OK"
CANCELLED: Final = "CANCELLED"
FAILED: Final = "INTERNAL"
"""Outcomes beside the codes of errors."""


@dataclass(slots=True)
class Durations:
    """A histogram of durations.

    Attributes:
        counts: How many fell into each bucket of `BOUNDS`, and last how many were longer than all of them.
        total: All durations together, in seconds.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


@dataclass(slots=True)
class CallMeter:
    """Counters of the calls in this process, for one account.

    Attributes:
        outcomes: How many calls ended how, by tool and outcome: `DONE`, `CANCELLED`, `FAILED` for an error
            of ours, or the code of the error.
        durations: How long calls took, by tool; a person's answer that a call waited for is included.
    """

    clock: Callable[[], float] = time.monotonic
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    durations: dict[str, Durations] = field(default_factory=dict[str, Durations])

    @contextmanager
    def measured(self, tool: str) -> Iterator[None]:
        """Count the call in the block when it ends, however it does.

        Args:
            tool: The name of a tool or resource of ours: never one that a caller made up.
        """
        begun, outcome = self.clock(), FAILED
        try:
            yield
            outcome = DONE
        except WhatsAppError as error:
            outcome = error.code
            raise
        except anyio.get_cancelled_exc_class():
            outcome = CANCELLED
            raise
        finally:
            self.outcomes[tool, outcome] += 1
            self.durations.setdefault(tool, Durations()).add(self.clock() - begun)
