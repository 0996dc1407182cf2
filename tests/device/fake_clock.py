"""Time that a test owns."""

from __future__ import annotations

import heapq
import itertools
from datetime import UTC, datetime, timedelta

import anyio
import anyio.lowlevel


async def settle() -> None:
    """Let every task go on until it waits; what runs in threads is not waited for."""
    for _ in range(30):
        await anyio.lowlevel.checkpoint()


class FakeClock:
    """Stands still until `advance`; whoever sleeps on it wakes in order."""

    def __init__(self) -> None:
        self._start = datetime(2026, 1, 1, tzinfo=UTC)
        self._passed = 0.0
        self._ids = itertools.count()
        self._alarms: list[tuple[float, int, anyio.Event | anyio.CancelScope]] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        return self._passed

    async def sleep(self, seconds: float) -> None:
        event = anyio.Event()
        if seconds <= 0:
            await anyio.lowlevel.checkpoint()
            return
        self._set(seconds, event)
        await event.wait()

    def limit(self, seconds: float | None) -> anyio.CancelScope:
        scope = anyio.CancelScope()
        if seconds is not None and seconds <= 0:
            scope.cancel()
        elif seconds is not None:
            self._set(seconds, scope)
        return scope

    def _set(self, seconds: float, alarm: anyio.Event | anyio.CancelScope) -> None:
        heapq.heappush(self._alarms, (self._passed + seconds, next(self._ids), alarm))

    async def advance(self, seconds: float) -> None:
        """Let time pass, alarm by alarm, and let everybody act on it."""
        await settle()
        end = self._passed + seconds
        while self._alarms and self._alarms[0][0] <= end:
            due, _, alarm = heapq.heappop(self._alarms)
            self._passed = max(self._passed, due)
            if isinstance(alarm, anyio.Event):
                alarm.set()
            else:
                alarm.cancel()
            await settle()
        self._passed = end
        await settle()

    @property
    def pending(self) -> int:
        """How many alarms are set, those that nobody awaits any more included."""
        return len(self._alarms)

    async def suspend(self, seconds: float) -> None:
        """Let the wall clock alone go on, as while a machine with Linux or macOS is asleep."""
        await settle()
        self._start += timedelta(seconds=seconds)

    async def jump(self, seconds: float) -> None:
        """Let time pass at once, as when a machine was asleep."""
        await settle()
        self._passed += seconds
        await self.advance(0)
