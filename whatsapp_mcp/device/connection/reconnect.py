"""The reconnect loop: feeds the state machine and does what it says; and what no event reports to it.

It keeps no client. Clients live in the accessor alone; on every turn the loop asks it, by `replace` or by
`use`. It runs in the server's task group and can be cancelled at any wait: what it had begun is then either
done or undone. `watch` reports a client process that no longer works, `notice_sleep` a machine that has
slept.
"""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import anyio
from anyio.abc import TaskGroup

from whatsapp_mcp.device.clock import Clock, within
from whatsapp_mcp.device.connection import state
from whatsapp_mcp.device.connection.accessor import Accessor
from whatsapp_mcp.device.connection.client_process import Client
from whatsapp_mcp.device.connection.state import Action, Connection, Event, Moment
from whatsapp_mcp.errors import DeadlineExceeded, NotConnected, WhatsAppError
from whatsapp_mcp.storage import KeysUnreadable

_PROBE: Final = "probe"
PROBE_DEADLINE: Final = 10.0
FORGET_LIMIT: Final = 20.0
"""Seconds in which the keys can be deleted: longer than a client may stay that is being ended."""
_FORGET_PAUSE: Final = 0.1
"""Seconds between two tries to delete the keys."""
INTERVAL: Final = 15.0
"""Seconds between two questions."""
_DEADLINE: Final = 5.0
"""Seconds for each question to a client about its connection."""
LOOK: Final = 2.0
"""Seconds between two looks at the clocks."""
ASLEEP: Final = 10.0
"""Seconds that a wait may take too long; more is sleep, and the least after which connections break."""

logger = logging.getLogger(__name__)


class Record(Protocol):
    """Storage that keeps the connection between leaders."""

    async def save(self, connection: Connection) -> None:
        """Keep it."""
        ...


class ReconnectLoop:
    """Owner of the connection's state.

    Args:
        clients: Holds the client.
        make: Makes a client of a generation; its `run` is started in `tasks`.
        tasks: Where clients run; it must outlive the loop.
        forget: Deletes the keys of the linked device; an `OSError` says that it cannot be done yet.
        record: Where the connection is kept.
        changed: Told after every change of the connection.
    """

    def __init__(
        self,
        clients: Accessor[Client],
        make: Callable[[int], Client],
        tasks: TaskGroup,
        forget: Callable[[], Awaitable[None]],
        record: Record,
        *,
        connection: Connection,
        clock: Clock,
        chance: Callable[[], float] = random.random,
        changed: Callable[[Connection, Connection], None] = lambda before, after: None,
    ) -> None:
        self._clients = clients
        self._make = make
        self._tasks = tasks
        self._forget = forget
        self._record = record
        self._connection = connection
        self._clock = clock
        self._chance = chance
        self._changed = changed
        self._events: deque[tuple[Event, anyio.Event | None]] = deque()
        self._asked: list[anyio.Event] = []
        self._due: deque[Action] = deque()
        self._wake = anyio.Event()
        self._news = anyio.Event()

    @property
    def connection(self) -> Connection:
        """The connection now."""
        return self._connection

    def post(self, event: Event) -> None:
        """Hand an event to the loop; never waits."""
        self._events.append((event, None))
        self._wake.set()

    async def ask(self, event: Event) -> Connection:
        """Hand an event to the loop and wait until it is dealt with; the caller sets the limit."""
        dealt_with = anyio.Event()
        self._events.append((event, dealt_with))
        self._wake.set()
        await dealt_with.wait()
        return self._connection

    async def wait_for(self, met: Callable[[Connection], bool]) -> Connection:
        """Wait until the connection is as asked; the caller sets the limit."""
        while not met(self._connection):
            news = self._news
            await news.wait()
        return self._connection

    async def run(self) -> None:
        """Take events, and `Tick` when the state's timer runs out, until cancelled.

        May be run again after a failure: actions that are still due come first.
        """
        while True:
            await self._do_actions()
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
        timer = self._connection.timer
        return None if timer is None else max(0.0, timer - self._clock.monotonic())

    def _moment(self) -> Moment:
        return Moment(self._clock.now(), self._clock.monotonic(), self._chance())

    async def _do_actions(self) -> None:
        while self._due:
            # Taken off only when done: what is cancelled half way is done again.
            await self._do(self._due[0])
            self._due.popleft()
        # Before those who asked are told: what they hear of has to outlive this leader.
        await self._record.save(self._connection)
        while self._asked:
            self._asked.pop().set()

    async def _do(self, action: Action) -> None:
        match action:
            case Action.START:
                await self._start()
            case Action.STOP:
                await self._clients.replace(None)
            case Action.FORGET:
                await self._forget_keys()
            case Action.PROBE:
                # Not awaited: while WhatsApp does not answer, the loop has other events to take.
                self._tasks.start_soon(self._probe, self._connection.generation)

    def _apply(self, event: Event) -> None:
        before = self._connection
        self._connection, actions = state.step(before, event, self._moment())
        self._due.extend(actions)
        if self._connection != before:
            if self._connection.state is not before.state:
                logger.info(
                    "connection %s: %s", self._connection.state.value, self._connection.reason or "well"
                )
            self._news.set()
            self._news = anyio.Event()
            self._changed(before, self._connection)

    async def _start(self) -> None:
        generation = await self._clients.replace(self._launch)
        self._apply(state.Started(generation))

    def _launch(self, generation: int) -> Client:
        made = self._make(generation)
        self._tasks.start_soon(made.run)
        return made

    async def _forget_keys(self) -> None:
        for tries in range(round(FORGET_LIMIT / _FORGET_PAUSE)):
            try:
                await self._forget()
            except (OSError, KeysUnreadable):
                if tries == 0:
                    logger.info("the keys cannot be deleted yet")
                await self._clock.sleep(_FORGET_PAUSE)
            else:
                return
        logger.error("the keys of the logged-out device could not be deleted")

    async def _probe(self, generation: int) -> None:
        """Ask WhatsApp something over the client; any answer proves the connection."""
        outcome: state.ClientEvent = state.Answered(generation)
        try:
            async with self._clients.use(PROBE_DEADLINE) as client:
                await client.call(_PROBE, deadline=PROBE_DEADLINE)
        except (DeadlineExceeded, NotConnected):
            outcome = state.ProbeFailed(generation)
        except WhatsAppError as error:
            logger.info("probe answered with %s", error.code)
        self.post(outcome)


async def notice_sleep(clock: Clock, woken: Callable[[], None]) -> None:
    """Call `woken` within `LOOK` seconds after the machine has slept, until cancelled.

    While it sleeps the monotonic clock stops on Linux and macOS, and the wall clock does not; on
    Windows both go on. A process that was stopped, and a wall clock that is set forward, look the same: the
    connection is then checked once for nothing.
    """
    while True:
        wall, steady = clock.now(), clock.monotonic()
        await clock.sleep(LOOK)
        passed = max((clock.now() - wall).total_seconds(), clock.monotonic() - steady)
        if passed > LOOK + ASLEEP:
            logger.info("watchdog: the machine has slept for about %.0f s", passed)
            woken()


async def watch(
    clients: Accessor[Client],
    clock: Clock,
    *,
    online: Callable[[], bool],
    report: Callable[[state.ClientEvent], None],
) -> None:
    """Report a client that does not answer, or is no longer logged in, until cancelled.

    After some stream errors the library only waits for WhatsApp to close the connection, and no event
    says so.
    """
    while True:
        await clock.sleep(INTERVAL)
        if not online():
            continue
        generation = clients.generation
        try:
            async with clients.use(_DEADLINE) as client:
                # Only whether it answers counts: it says yes of dead connections as well, but it blocks while
                # a dial hangs, during which the library holds its lock.
                await client.call("is_connected", deadline=_DEADLINE)
                logged_in = await client.call("is_logged_in", deadline=_DEADLINE)
        except DeadlineExceeded:
            report(state.Doubtful(generation, "The client process does not answer."))
        except WhatsAppError:
            logger.debug("watchdog: the client was replaced meanwhile")
        else:
            if not logged_in:
                report(state.Disconnected(generation))
