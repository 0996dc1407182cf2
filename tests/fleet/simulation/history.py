"""One history: a world with accounts, nodes, traffic and faults, from its seed to its end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.fleet.simulation.archive import Archive, Tail
from tests.fleet.simulation.database import Database, Transaction
from tests.fleet.simulation.defects import Defect
from tests.fleet.simulation.faults import Faults
from tests.fleet.simulation.follower import Follower
from tests.fleet.simulation.monitor import Monitor
from tests.fleet.simulation.network import Weather
from tests.fleet.simulation.node import Node
from tests.fleet.simulation.rows import Key, empty
from tests.fleet.simulation.scene import TIMES, Scene
from tests.fleet.simulation.statements import read_log
from tests.fleet.simulation.whatsapp import WhatsApp
from tests.fleet.simulation.world import Future, Process, TimedOut, Violation, World

FAULTS_BEGIN = 3.0
FAULTS_END = 25.0
END = 45.0
"""Seconds of virtual time."""


@dataclass(frozen=True)
class Outcome:
    """How a history went.

    Attributes:
        violation: The invariant that did not hold, or None.
        counts: What happened, and how often.
    """

    seed: int
    violation: str | None
    counts: Counter[str]


def run(seed: int, *defects: Defect, sees_processes: bool = False) -> Outcome:
    """Let one history happen.

    Args:
        seed: Its name.
        defects: What is done wrong in it.
        sees_processes: See `Scene`.
    """
    sees_processes = sees_processes or any(defect.is_of_sightings for defect in defects)
    monitor = Monitor()
    world = World(seed)
    try:
        History(world, monitor, frozenset(defects), sees_processes=sees_processes).run()
    except Violation as violation:
        return Outcome(seed, f"{violation} (at {world.now:.1f} s)", monitor.counts)
    return Outcome(seed, None, monitor.counts)


class History:
    """The parts of one history."""

    def __init__(
        self, world: World, monitor: Monitor, defects: frozenset[Defect], *, sees_processes: bool
    ) -> None:
        accounts = ["a", "b"][: world.random.choice([1, 1, 2])]
        rows: dict[Key, Any] = {key: value for account in accounts for key, value in empty(account).items()}
        database = Database(world, rows, waits=Defect.ASYNCHRONOUS not in defects, watch=monitor.visible)
        monitor.database = database
        self._scene = Scene(
            world=world,
            database=database,
            weather=Weather(),
            whatsapp={account: WhatsApp(world, account, monitor) for account in accounts},
            monitor=monitor,
            times=TIMES,
            defects=defects,
            sees_processes=sees_processes,
        )
        self._nodes = [Node(self._scene, name) for name in ("x", "y", "z")[: world.random.choice([2, 3])]]
        self._follower = Follower(self._scene)
        self._people = Process(world)

    def run(self) -> None:
        """Let it happen, and check it."""
        world = self._scene.world
        faults = Faults(self._scene, self._nodes)
        faults.plan(FAULTS_BEGIN, FAULTS_END)
        for account in self._scene.whatsapp:
            self._people.spawn(self._write_to(account))
            self._people.spawn(self._send_from(account))
        world.run(FAULTS_END)
        faults.repair()
        world.run(END)
        for account in self._scene.whatsapp:
            self._check(account)

    async def _write_to(self, account: str) -> None:
        while self._people.now() < FAULTS_END:
            await self._people.sleep(self._scene.world.delay(0.6))
            self._scene.whatsapp[account].arrive()

    async def _send_from(self, account: str) -> None:
        count = 0
        while self._people.now() < FAULTS_END:
            await self._people.sleep(self._scene.world.delay(0.6))
            count += 1
            self._people.spawn(self._send(account, f"{account}{count}"))

    async def _send(self, account: str, send: str) -> None:
        """Ask a leader, a stale one too, until one has accepted it."""
        while self._people.now() < END:
            leading = [node.leading[account] for node in self._nodes if account in node.leading]
            if leading:
                answer: Future[None] = self._scene.world.random.choice(leading).submit(send)
                try:
                    await self._people.within(answer, 3)
                except TimedOut:
                    continue
                return
            await self._people.sleep(0.5)

    def _check(self, account: str) -> None:
        current = [node for node in self._nodes if account in node.leading]
        replayed = Archive()
        replayed.follow(self._tail(account, 0))
        followed = self._follower.archives[account]
        if not followed.follow(self._tail(account, followed.seq)):
            raise Violation("an archive has followed another log for a long time")
        if self._scene.whatsapp[account].waiting():
            raise Violation("messages wait at the end: nobody receives them")
        self._scene.monitor.ended(
            account,
            current[0].archives[account] if len(current) == 1 else None,
            replayed,
            followed,
        )

    def _tail(self, account: str, after: int) -> Tail:
        """The log as it is after a number, read without the network."""
        database, body = self._scene.database, read_log(account, after)
        reading = body(Transaction(database, database.open(None), body))
        try:
            reading.__await__().__next__()
        except StopIteration as read:
            return read.value
        raise AssertionError("a read waits for nothing")
