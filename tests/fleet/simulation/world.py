"""A deterministic world: virtual time, processes that can be killed and stopped, and tasks that wait.

Everything that happens is an event at a time of the virtual clock. Times come from one seeded generator, so a
seed names a history, and the order of events varies from seed to seed.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Act = Callable[[], None]


class Violation(Exception):
    """An invariant does not hold; the text names it and says where."""


class TimedOut(Exception):
    """What was waited for did not come within its time."""


class World:
    """Virtual time and chance."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.random = random.Random(seed)
        self._events: list[tuple[float, int, Act]] = []
        self._count = 0

    def later(self, seconds: float, act: Act) -> None:
        """Call `act` in so many seconds."""
        self._count += 1
        heapq.heappush(self._events, (self.now + seconds, self._count, act))

    def run(self, until: float) -> None:
        """Let everything happen up to a time."""
        events = self._events
        while events and events[0][0] <= until:
            self.now, _, act = heapq.heappop(events)
            act()
        self.now = until

    def delay(self, typical: float = 0.003) -> float:
        """A random time, mostly about the typical one."""
        return self.random.expovariate(1 / typical)


class Future(Generic[T]):
    """A value that comes later, or an error; awaited by tasks of a process."""

    __slots__ = ("_error", "_value", "_waiting", "done")

    def __init__(self) -> None:
        self.done = False
        self._value: T | None = None
        self._error: Exception | None = None
        self._waiting: list[Act] = []

    def __await__(self) -> Generator[Future[T], None, T]:
        if not self.done:
            yield self
        if self._error is not None:
            raise self._error
        return self._value  # pyright: ignore[reportReturnType]

    def resolve(self, value: T) -> None:
        """Give the value, unless there is one."""
        if not self.done:
            self._value = value
            self._end()

    def fail(self, error: Exception) -> None:
        """Give an error, unless there is a value."""
        if not self.done:
            self._error = error
            self._end()

    def then(self, act: Act) -> None:
        """Call `act` as soon as it is done."""
        if self.done:
            act()
        else:
            self._waiting.append(act)

    def value(self) -> T:
        """The value, which must be there; raises the error if it has failed."""
        assert self.done
        if self._error is not None:
            raise self._error
        return self._value  # pyright: ignore[reportReturnType]

    def give(self, other: Future[T]) -> None:
        """Hand the value or the error to another one."""
        if self._error is not None:
            other.fail(self._error)
        else:
            other.resolve(self._value)  # pyright: ignore[reportArgumentType]

    def _end(self) -> None:
        self.done = True
        waiting, self._waiting = self._waiting, []
        for act in waiting:
            act()


Task = Coroutine[Future[Any], None, None]


class Clock:
    """The clock of a machine, which all its processes read.

    Args:
        speed: Seconds that it counts in a true second.
        suspended_counts: Whether it counts the time in which the machine was suspended.
    """

    def __init__(self, world: World, *, speed: float = 1.0, suspended_counts: bool = True) -> None:
        self.speed = speed
        self._world = world
        self._suspended_counts = suspended_counts
        self._suspended = 0.0

    def now(self) -> float:
        """Its time."""
        return (self._world.now - self._suspended) * self.speed

    def slept(self, seconds: float) -> None:
        """The machine was suspended."""
        if not self._suspended_counts:
            self._suspended += seconds


class Process:
    """Tasks that live, stand still and die together."""

    def __init__(self, world: World, clock: Clock | None = None) -> None:
        self.world = world
        self.clock = clock or Clock(world)
        self.alive = True
        self.stopped = False
        self.at_death: list[Act] = []
        self._tasks: list[Task] = []
        self._deferred: list[Act] = []

    def now(self) -> float:
        """The time of its machine's clock."""
        return self.clock.now()

    def spawn(self, task: Task) -> None:
        """Begin a task; it runs at once up to the first thing that it waits for."""
        self._tasks.append(task)
        self._step(task)

    def sleep(self, seconds: float) -> Future[None]:
        """Done when so many seconds of its clock are over."""
        future: Future[None] = Future()
        self.world.later(max(0.0, seconds) / self.clock.speed, lambda: future.resolve(None))
        return future

    def within(self, future: Future[T], seconds: float) -> Future[T]:
        """The same future, which fails if it is not done in time."""
        self.world.later(seconds, lambda: future.fail(TimedOut()))
        return future

    def kill(self) -> None:
        """End it: no task of it does anything any more."""
        if not self.alive:
            return
        self.alive = False
        for task in self._tasks:
            # The one that ends its own process is running: it goes no further than its next wait.
            if getattr(task, "cr_running", False):
                continue
            task.close()
        self._tasks.clear()
        self._deferred.clear()
        for act in self.at_death:
            act()

    def stop(self) -> None:
        """Let it stand still, as SIGSTOP does."""
        self.stopped = True

    def go_on(self) -> None:
        """Let it go on. What it would have done meanwhile it does now, in any order."""
        self.stopped = False
        deferred, self._deferred = self._deferred, []
        for act in deferred:
            self.world.later(self.world.random.random() * 1e-3, act)

    def _step(self, task: Task) -> None:
        if not self.alive:
            return
        if self.stopped:
            self._deferred.append(lambda: self._step(task))
            return
        try:
            future = task.send(None)
        except StopIteration:
            if task in self._tasks:
                self._tasks.remove(task)
            return
        if self.alive:
            future.then(lambda: self._step(task))
        else:
            task.close()
