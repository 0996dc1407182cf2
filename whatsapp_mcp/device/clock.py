"""Time as the device's loops see it, so that a test can own it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Protocol, TypeVar

import anyio

T = TypeVar("T")


class Clock(Protocol):
    """Wall time for what is told, monotonic seconds for what is measured, and sleep."""

    def now(self) -> datetime:
        """The wall time, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""
        ...

    def limit(self, seconds: float | None) -> anyio.CancelScope:
        """A scope that is cancelled after that many seconds; never when None."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """The wall time, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""
        await anyio.sleep(seconds)

    def limit(self, seconds: float | None) -> anyio.CancelScope:
        """A scope that is cancelled after that many seconds; never when None."""
        return anyio.move_on_after(seconds)


async def within(clock: Clock, seconds: float | None, wait: Callable[[], Awaitable[T]]) -> T | None:
    """Return the result of `wait()`, or None if `seconds` pass first on `clock` (None: no limit)."""
    with clock.limit(seconds):
        return await wait()
    return None
