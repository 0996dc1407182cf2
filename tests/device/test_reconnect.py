"""The reconnect loop on a clock of its own: no client that was replaced is ever touched again."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import anyio
import pytest

from tests.device.fake_clock import FakeClock, settle
from tests.tables import for_each
from whatsapp_mcp.client import claim
from whatsapp_mcp.device.connection import ConnectionControls, state
from whatsapp_mcp.device.connection.accessor import Accessor
from whatsapp_mcp.device.connection.client_process import Client
from whatsapp_mcp.device.connection.reconnect import PROBE_DEADLINE, ReconnectLoop
from whatsapp_mcp.device.connection.state import Connection
from whatsapp_mcp.device.supervise import background_tasks
from whatsapp_mcp.errors import NotConnected, WhatsAppError
from whatsapp_mcp.models import ConnectionState as S

pytestmark = pytest.mark.anyio


@dataclass
class Fakes:
    """Clients that were made, and what happened to them that must not."""

    made: list[FakeClient] = field(default_factory=list)
    misdeeds: list[str] = field(default_factory=list)
    answering: bool = True
    undeletable: int = 0
    """How often the keys cannot be deleted yet."""

    @property
    def alive(self) -> list[int]:
        return [client.generation for client in self.made if not client.dead]

    async def forget(self) -> None:
        """Nothing is stored; a client may still use it."""
        if self.undeletable:
            self.undeletable -= 1
            raise BlockingIOError("a client process still uses the keys")


class FakeClient:
    """A client that tells when it is used after its end."""

    def __init__(self, generation: int, fakes: Fakes) -> None:
        self.generation = generation
        self._ended = anyio.Event()
        self._fakes = fakes
        fakes.made.append(self)

    @property
    def dead(self) -> bool:
        return self._ended.is_set()

    def end(self) -> None:
        self._ended.set()

    async def run(self) -> None:
        await self._ended.wait()

    async def call(self, method: str, params: Any = None, *, deadline: float) -> None:
        if self.dead:
            self._fakes.misdeeds.append(f"{method} on {self.generation}")
        await anyio.lowlevel.checkpoint()
        if not self._fakes.answering:
            await anyio.sleep_forever()


class Kept:
    """Keeps the connection nowhere."""

    async def save(self, connection: Connection) -> None:
        await anyio.lowlevel.checkpoint()


@dataclass
class Rig:
    loop: ReconnectLoop
    clients: Accessor[Client]
    fakes: Fakes
    clock: FakeClock
    tasks: anyio.abc.TaskGroup

    async def tell(self, *events: state.Event) -> None:
        for event in events:
            self.loop.post(event)
            await settle()


def end(client: Client) -> None:
    client.end()


@asynccontextmanager
async def rig(*, running: bool = True) -> AsyncIterator[Rig]:
    fakes, clock = Fakes(), FakeClock()
    clients: Accessor[Client] = Accessor(lambda: NotConnected("None."), end=end)
    async with background_tasks() as tasks:
        loop = ReconnectLoop(
            clients,
            lambda generation: cast("Client", FakeClient(generation, fakes)),
            tasks,
            fakes.forget,
            Kept(),
            connection=Connection(S.OFFLINE, clock.now()),
            clock=clock,
            chance=lambda: 0.5,
        )
        if running:
            tasks.start_soon(loop.run)
        yield Rig(loop, clients, fakes, clock, tasks)


async def test_a_replaced_client_is_never_touched_by_a_later_check() -> None:
    async with rig() as it:
        await it.tell(state.Opened(linked=True), state.Online(1))
        assert it.fakes.alive == [1]
        await it.tell(state.Disconnected(1))
        await it.clock.advance(state.LIBRARY_RECONNECT + 1)
        assert it.fakes.alive == [2]
        await it.tell(state.Online(2))
        # Everything that may have been waiting for the old one becomes due.
        for _ in range(20):
            await it.clock.advance(60)
            await it.tell(state.Doubtful(1, "late"), state.Disconnected(1), state.Ended(1, "late"))
        assert it.fakes.alive == [2]
        assert it.fakes.misdeeds == []
        assert it.loop.connection.state is S.ONLINE


async def test_a_probe_that_outlives_its_client_decides_nothing() -> None:
    async with rig() as it:
        await it.tell(state.Opened(linked=True), state.Online(1))
        it.fakes.answering = False
        await it.tell(state.Doubtful(1, "keep-alive"))
        await it.tell(state.ReconnectAsked(), state.Online(2))
        it.fakes.answering = True
        await it.clock.advance(PROBE_DEADLINE * 2)
        assert it.fakes.alive == [2]
        assert it.loop.connection.state is S.ONLINE
        assert it.fakes.misdeeds == []


def controls(it: Rig) -> ConnectionControls:
    """What is asked of the connection of a rig; WhatsApp cannot be told of a logout."""

    async def call(method: str, params: Any = None, *, deadline: float = 1.0) -> Any:
        raise NotConnected("There is no way to it.")

    nothing = cast("Any", None)
    return ConnectionControls(it.clock, it.loop, nothing, call=call, status=nothing)


async def test_unlinking_waits_for_a_client_that_stays_for_the_address_book() -> None:
    async with rig() as it:
        await it.tell(state.Opened(linked=True), state.Online(1))
        longest = claim.PATIENCE + claim.LONGEST_PATIENCE
        it.fakes.undeletable = round(longest / 0.1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(controls(it).unlink)
            await it.clock.advance(longest + 1)
        assert it.fakes.undeletable == 0
        assert it.loop.connection.state is S.UNLINKED


async def test_replacements_under_load_touch_only_the_current_client() -> None:
    async with rig() as it:
        await it.tell(state.Opened(linked=True), state.Online(1))
        done = anyio.Event()
        served = 0

        async def user() -> None:
            nonlocal served
            while not done.is_set():
                try:
                    async with it.clients.use(5) as client:
                        await client.call("probe", deadline=5)
                        served += 1
                except WhatsAppError:
                    pass
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as users:
            for _ in range(10):
                users.start_soon(user)
            for _ in range(100):
                await it.loop.ask(state.ReconnectAsked())
                it.loop.post(state.Online(it.loop.connection.generation))
                await anyio.lowlevel.checkpoint()
            done.set()
        assert it.fakes.misdeeds == []
        assert len(it.fakes.alive) == 1
        assert served > 0


@for_each("steps", range(0, 60, 1))
async def test_a_loop_cancelled_at_any_wait_leaves_one_client_at_most_and_can_go_on(steps: int) -> None:
    script: tuple[state.Event, ...] = (
        state.Opened(linked=True),
        state.Online(1),
        state.ReconnectAsked(),
        state.Online(2),
        state.Doubtful(2, "quiet"),
        state.ReconnectAsked(),
        state.Online(3),
    )
    async with rig(running=False) as it:
        for event in script:
            it.loop.post(event)
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as first:
                first.start_soon(it.loop.run)
                for _ in range(steps):
                    await anyio.lowlevel.checkpoint()
                scope.cancel()
        assert len(it.fakes.alive) <= 1
        it.tasks.start_soon(it.loop.run)
        await it.tell(state.ReconnectAsked())
        generation = it.loop.connection.generation
        await it.tell(state.Online(generation))
        assert it.fakes.alive == [generation]
        assert it.loop.connection.state is S.ONLINE
        assert it.fakes.misdeeds == []


@pytest.mark.parametrize("seed", range(3))
async def test_a_day_of_random_trouble_ends_with_one_client_and_nothing_piled_up(seed: int) -> None:
    chance = random.Random(seed)
    async with rig() as it:
        await it.tell(state.Opened(linked=True))
        passed = 0.0
        while passed < 24 * 3600:
            generation = it.loop.connection.generation
            event = chance.choice(
                (
                    state.Online(generation),
                    state.Online(generation),
                    state.Disconnected(generation),
                    state.Doubtful(generation, "quiet"),
                    state.Ended(generation, "killed"),
                    state.Refused(generation, "code 400"),
                    state.Stuck(generation, "disk"),
                    state.Unstuck(generation),
                    state.Banned(generation, "too much", 600.0),
                    state.ReconnectAsked(),
                    state.Ended(max(0, generation - 1), "late"),
                )
            )
            await it.tell(event)
            pause = chance.expovariate(1 / 90)
            await it.clock.advance(pause)
            passed += pause
            assert len(it.fakes.alive) <= 1
        await it.tell(state.ReconnectAsked())
        await it.tell(state.Online(it.loop.connection.generation))
        assert it.fakes.alive == [it.loop.connection.generation]
        assert it.fakes.misdeeds == []
        assert it.clock.pending < 100
