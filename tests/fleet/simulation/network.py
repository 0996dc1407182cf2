"""Connections to the database: requests and answers that come late, after the client has left, or never."""

from __future__ import annotations

from typing import Any

from tests.fleet.simulation.database import Backend, Body, Database, Disconnected, Refused
from tests.fleet.simulation.rows import Login
from tests.fleet.simulation.world import Future, Process, TimedOut, World


class Weather:
    """How the network is at the moment.

    Attributes:
        slow: How probable it is that a request or an answer is seconds late.
        lossy: How probable it is that an answer is lost.
    """

    slow = 0.0
    lossy = 0.0


class Wire:
    """The way from one machine to the database.

    Attributes:
        cut: Whether nothing passes.
    """

    def __init__(self, world: World, database: Database, weather: Weather) -> None:
        self.world = world
        self.database = database
        self.weather = weather
        self.cut = False
        self._held: list[tuple[Any, ...]] = []

    def latency(self) -> float:
        """How long the next packet takes, in seconds."""
        late = self.world.random.random() < self.weather.slow
        return self.world.delay(1.0 if late else 0.001)

    def heal(self) -> None:
        """Let packets pass again. What was sent meanwhile may still arrive, by retransmission."""
        self.cut = False
        held, self._held = self._held, []
        for request in held:
            if self.world.random.random() < 0.5:
                self._deliver(*request)

    def send(self, backend: Backend, body: Body, answer: Future[Any]) -> None:
        """Send a request."""
        if self.cut:
            self._held.append((backend, body, answer))
        else:
            self._deliver(backend, body, answer)

    def _deliver(self, backend: Backend, body: Body, answer: Future[Any]) -> None:
        self.world.later(self.latency(), lambda: self.database.execute(backend, body, answer))


class Connection:
    """One process's connection, opened by its first request and again after it has failed.

    Args:
        role: The account whose role it logs in as, with its name and password; None for the node's own.
        lock: What it locks in the database for as long as it is there.
    """

    def __init__(
        self, process: Process, wire: Wire, role: tuple[str, Login] | None = None, lock: str | None = None
    ) -> None:
        self._lock = lock
        self._process = process
        self._wire = wire
        self._role = role
        self._backend: Backend | None = None
        process.at_death.append(self._left)

    async def run(self, body: Body, limit: float = 3.0) -> Any:
        """Run one transaction.

        Raises:
            Disconnected: It failed, or is not answered in time; it may be committed, or become so.
            Fenced: It found a newer epoch.
            Duplicate: It is there already.
            Refused: The login is not valid.
        """
        backend = self._backend or await self._opened()
        answer: Future[Any] = Future()
        self._wire.send(backend, body, answer)
        arrived: Future[Any] = Future()
        answer.then(lambda: self._answered(answer, arrived))
        try:
            return await self._process.within(arrived, limit)
        except (TimedOut, Disconnected):
            self._backend = None
            self._gone(backend)
            raise Disconnected from None

    async def _opened(self) -> Backend:
        database, account = self._wire.database, None
        for check in (database.accepts, database.knows):
            await self._process.sleep(self._wire.latency() + database.moment())
            if self._wire.cut or not database.up:
                await self._process.sleep(0.2)
                raise Disconnected
            if self._role is not None:
                account = self._role[0]
                if not check(*self._role):
                    raise Refused
        self._backend = database.open(account)
        self._backend.lock = self._lock
        return self._backend

    def close(self) -> None:
        """Leave this connection; the next request opens another."""
        self._left()
        self._backend = None

    def _answered(self, answer: Future[Any], arrived: Future[Any]) -> None:
        wire = self._wire
        if wire.cut or wire.world.random.random() < wire.weather.lossy:
            return

        wire.world.later(wire.latency(), lambda: answer.give(arrived))

    def _left(self) -> None:
        if self._backend is not None:
            self._gone(self._backend)

    def _gone(self, backend: Backend) -> None:
        """The server notices that this side is gone, unless no packet passes."""
        if not self._wire.cut:
            self._wire.world.later(self._wire.latency(), lambda: self._wire.database.leave(backend))
