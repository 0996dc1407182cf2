"""The reconnect loop: feeds the state machine and does what it says.

It keeps no client. Clients live in the accessor alone; on every turn the loop asks it, by `replace` or by
`use`. It runs in the server's task group and can be cancelled at any wait: what it had begun is then either
done or undone.
"""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import anyio
from anyio.abc import TaskGroup

from whatsapp_mcp.device.clock import Clock, within
from whatsapp_mcp.device.connection import state
from whatsapp_mcp.device.connection.accessor import Accessor
from whatsapp_mcp.device.connection.client_process import Client
from whatsapp_mcp.device.connection.state import Effect, Event, Link, Moment
from whatsapp_mcp.errors import DeadlineExceeded, NotConnected, WhatsAppError

_PROBE: Final = "probe"
PROBE_DEADLINE: Final = 10.0

logger = logging.getLogger(__name__)


class Record(Protocol):
    """Where the link is kept between hosts."""

    async def save(self, link: Link) -> None:
        """Keep it."""
        ...


class ReconnectLoop:
    """Owner of the link's state.

    Args:
        clients: Holds the client.
        make: Makes a client of a generation; its `run` is started in `tasks`.
        tasks: Where clients run; it must outlive the loop.
        forget: Deletes the keys of the linked device.
        record: Where the link is kept.
        changed: Told after every change of the link.
    """

    def __init__(
        self,
        clients: Accessor[Client],
        make: Callable[[int], Client],
        tasks: TaskGroup,
        forget: Callable[[], None],
        record: Record,
        *,
        link: Link,
        clock: Clock,
        chance: Callable[[], float] = random.random,
        changed: Callable[[Link, Link], None] = lambda before, after: None,
    ) -> None:
        self._clients = clients
        self._make = make
        self._tasks = tasks
        self._forget = forget
        self._record = record
        self._link = link
        self._clock = clock
        self._chance = chance
        self._changed = changed
        self._events: deque[tuple[Event, anyio.Event | None]] = deque()
        self._asked: list[anyio.Event] = []
        self._due: deque[Effect] = deque()
        self._wake = anyio.Event()
        self._news = anyio.Event()

    @property
    def link(self) -> Link:
        """The link now."""
        return self._link

    def post(self, event: Event) -> None:
        """Hand an event to the loop; never waits."""
        self._events.append((event, None))
        self._wake.set()

    async def ask(self, event: Event) -> Link:
        """Hand an event to the loop and wait until it is dealt with; the caller sets the limit."""
        dealt_with = anyio.Event()
        self._events.append((event, dealt_with))
        self._wake.set()
        await dealt_with.wait()
        return self._link

    async def wait_for(self, met: Callable[[Link], bool]) -> Link:
        """Wait until the link is as asked; the caller sets the limit."""
        while not met(self._link):
            news = self._news
            await news.wait()
        return self._link

    async def run(self) -> None:
        """Take events, and `Tick` when the state's timer runs out, until cancelled.

        May be run again after a failure: effects that are still due come first.
        """
        while True:
            await self._do_effects()
            if not self._events:
                self._wake = anyio.Event()
                if await within(self._clock, self._left(), self._awake) is None:
                    self.post(state.Tick())
            event, dealt_with = self._events.popleft()
            self._apply(event)
            if dealt_with is not None:
                self._asked.append(dealt_with)

    async def _awake(self) -> bool:
        await self._wake.wait()
        return True

    def _left(self) -> float | None:
        timer = self._link.timer
        return None if timer is None else max(0.0, timer - self._clock.monotonic())

    def _moment(self) -> Moment:
        return Moment(self._clock.now(), self._clock.monotonic(), self._chance())

    async def _do_effects(self) -> None:
        while self._due:
            # Taken off only when done: what is cancelled half way is done again.
            await self._do(self._due[0])
            self._due.popleft()
        await self._record.save(self._link)
        while self._asked:
            self._asked.pop().set()

    async def _do(self, effect: Effect) -> None:
        match effect:
            case Effect.START:
                await self._start()
            case Effect.STOP:
                await self._clients.replace(None)
            case Effect.FORGET:
                await self._forget_keys()
            case Effect.PROBE:
                self._tasks.start_soon(self._probe, self._link.generation)

    def _apply(self, event: Event) -> None:
        before = self._link
        self._link, effects = state.step(before, event, self._moment())
        self._due.extend(effects)
        if self._link != before:
            if self._link.state is not before.state:
                logger.info("link %s: %s", self._link.state.value, self._link.reason or "well")
            self._news.set()
            self._news = anyio.Event()
            self._changed(before, self._link)

    async def _start(self) -> None:
        generation = await self._clients.replace(self._launch)
        self._apply(state.Started(generation))

    def _launch(self, generation: int) -> Client:
        made = self._make(generation)
        self._tasks.start_soon(made.run)
        return made

    async def _forget_keys(self) -> None:
        for _ in range(20):
            try:
                self._forget()
            except OSError:
                logger.warning("the keys cannot be deleted yet")
                await self._clock.sleep(0.1)
            else:
                return
        logger.error("the keys of the logged-out device could not be deleted")

    async def _probe(self, generation: int) -> None:
        """Ask WhatsApp something over the client; any answer proves the link."""
        outcome: state.ClientEvent = state.Answered(generation)
        try:
            async with self._clients.use(PROBE_DEADLINE) as client:
                await client.call(_PROBE, deadline=PROBE_DEADLINE)
        except (DeadlineExceeded, NotConnected):
            outcome = state.ProbeFailed(generation)
        except WhatsAppError as error:
            logger.info("probe answered with %s", error.code)
        self.post(outcome)
