"""Sizes of benchmarks, and verdicts on their figures.

`python -m benchmarks --smallest` lets benchmarks measure so little that it shows only that they run: then no
limit of time is judged, and every other one is.
"""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Final, TypeVar

T = TypeVar("T")

SMALLEST: Final = "BENCHMARK_SMALLEST"
"""The variable that tells benchmarks, and the processes that they start, to measure as little as they can."""
IS_SMALLEST: Final = SMALLEST in os.environ


def amount(usual: T, smallest: T) -> T:
    """Return the amount to measure: rounds, messages, seconds."""
    return smallest if IS_SMALLEST else usual


class Verdict(StrEnum):
    """The verdict on a limit; false only for `FAIL`."""

    PASS = "PASS"
    FAIL = "FAIL"
    UNJUDGED = "----"

    def __bool__(self) -> bool:
        return self is not Verdict.FAIL


def judged(holds: bool) -> Verdict:
    """The verdict about a limit that holds at any size and on any machine."""
    return Verdict.PASS if holds else Verdict.FAIL


def timed(holds: bool) -> Verdict:
    """The verdict about a limit of time, which is none at the smallest size."""
    return Verdict.UNJUDGED if IS_SMALLEST else judged(holds)
