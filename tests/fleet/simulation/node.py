"""A node: a machine whose process renews its lease, watches those of others, and leads accounts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from tests.fleet.simulation import statements
from tests.fleet.simulation.archive import Archive
from tests.fleet.simulation.database import Disconnected
from tests.fleet.simulation.defects import Defect
from tests.fleet.simulation.leadership import Leadership
from tests.fleet.simulation.network import Connection, Wire
from tests.fleet.simulation.scene import CLOCK_DRIFT, Scene
from tests.fleet.simulation.world import Clock, Process
from whatsapp_fleet.protocol import Challenge, Contact, Lease, LeaseTimes, OwnLease, Sighting

RETRY = 0.2
WATCH = 0.4
SILENT = 0.2
"""How often a machine does not answer."""
FILTERED = 0.2
"""How often a machine has a firewall that refuses all connections."""


class Node:
    """A machine with its process.

    Attributes:
        archives: What lies on its disk: one archive an account. It outlives the process.
        processes: Those that run on the machine; ended ones are among them.
        listening: Of each of its runs, the processes that hold its socket.
        filtered: Whether a firewall refuses connections to it.
    """

    def __init__(self, scene: Scene, name: str) -> None:
        self.scene = scene
        self.name = name
        self.wire = Wire(scene.world, scene.database, scene.weather)
        self.clock = Clock(
            scene.world,
            speed=1 + scene.world.random.uniform(-CLOCK_DRIFT, CLOCK_DRIFT),
            suspended_counts=not scene.has(Defect.MONOTONIC_CLOCK),
        )
        self.archives = {account: Archive() for account in scene.whatsapp}
        self.processes: list[Process] = []
        self.listening: dict[str, list[Process]] = {}
        self.filtered = scene.sees_processes and scene.world.random.random() < FILTERED
        self.run = ""
        self.leading: dict[str, Leadership] = {}
        self._runs = 0
        self.boot()

    def boot(self) -> None:
        """Start the process, unless it runs."""
        if self._runs and self.process.alive:
            return
        self._runs += 1
        former = self.run
        self.run = f"{self.name}.{self._runs}"
        self.lease = OwnLease(self.scene.times)
        self.leading = {}
        self._challenges: dict[str, Challenge] = {}
        self._reached: set[str] = set()
        self.process = Process(self.scene.world, self.clock)
        self.processes = [process for process in self.processes if process.alive]
        self.processes.append(self.process)
        self.listening[self.run] = [self.process]
        self.scene.homes[self.run] = self
        self.scene.monitor.owners[self.run] = self._acts_as(self.process)
        self.process.spawn(self._renew(Connection(self.process, self.wire, lock=self.run), former))
        self.process.spawn(self._watch(Connection(self.process, self.wire)))

    def _acts_as(self, process: Process) -> Callable[[], bool]:
        """Whether a run's process still takes itself for the owner of its lease."""
        return lambda: process is self.process and process.alive and self.lease.holds(process.now())

    def kill(self, *, machine: bool) -> None:
        """End the process; its clients end with the machine, or when they notice."""
        clients = [each.client.process for each in self.leading.values() if each.client is not None]
        self.process.kill()
        for process in clients:
            if self.scene.has(Defect.UNNOTICED_END):
                continue
            if machine:
                process.kill()
            else:
                self.scene.world.later(
                    self.scene.world.delay(0.05), lambda process=process: self._orphan(process)
                )

    def _orphan(self, client: Process) -> None:
        """A client whose pipe is closed ends, as soon as it runs."""
        if client.stopped:
            self.scene.world.later(0.05, lambda: self._orphan(client))
        else:
            client.kill()

    def contact(self, run: str) -> Contact:
        """What comes of connecting to a run of this node."""
        if self.scene.world.random.random() < SILENT:
            return Contact.UNKNOWN
        is_there = not self.filtered and any(process.alive for process in self.listening[run])
        return Contact.ACCEPTED if is_there else Contact.REFUSED

    def _sighting(self, run: str) -> Sighting | None:
        """What this node sees of the processes of a run."""
        if not self.scene.sees_processes:
            return None
        held = any(backend.lock == run for backend in self.scene.database.backends)
        seen = self.scene.homes[run].contact(run)
        if seen is Contact.ACCEPTED or self.scene.has(Defect.UNREACHED_REFUSAL):
            self._reached.add(run)
        if self.scene.has(Defect.ENDED_BY_LOCK):
            return Sighting(lock_held=held, contact=Contact.REFUSED, reached=True)
        return Sighting(lock_held=held, contact=seen, reached=run in self._reached)

    async def _end_former(self, connection: Connection, former: str) -> None:
        """End the run of the last process of this node, once nobody holds its socket."""
        while any(process.alive for process in self.listening[former]):
            await self.process.sleep(RETRY)
        with suppress(Disconnected):
            await connection.run(statements.end_run(former, None))

    async def _renew(self, connection: Connection, former: str) -> None:
        if self.scene.sees_processes and former:
            await self._end_former(connection, former)
        while not await self._begun(connection):
            await self.process.sleep(RETRY)
        while True:
            self.lease = self.lease.ask(self.process.now())
            try:
                attempt = None if self.scene.has(Defect.COUNTING_DATABASE) else self.lease.attempt
                renewal = statements.renew(self.run, attempt, self.lease.confirmed)
                found: statements.Run | None = await connection.run(renewal, 1.5)
            except Disconnected:
                self.lease = self.lease.unanswered()
                await self.process.sleep(RETRY)
                continue
            counter = found.counter if found is not None else None
            if attempt is not None and self.lease.is_rewound(counter):
                self.scene.monitor.rewound()
            if found is None or found.ended:
                self._ended()
                return
            if self.scene.has(Defect.LATE_COUNT):
                self.lease = self.lease.ask(self.process.now())
            self.lease = self.lease.renewed()
            self._tell_clients()
            await self.process.sleep(self.lease.next_renewal() - self.process.now())

    async def _begun(self, connection: Connection) -> bool:
        try:
            await connection.run(statements.begin_run(self.run))
        except Disconnected:
            return False
        return True

    def _ended(self) -> None:
        """Another has ended this run: a new one begins."""
        self.lease = self.lease.lost()
        self.kill(machine=True)
        self.scene.world.later(0.2, self.boot)

    def _tell_clients(self) -> None:
        until = self.lease.until
        for leadership in self.leading.values():
            if (client := leadership.client) is not None:
                client.deadline = max(client.deadline, until)

    async def _watch(self, connection: Connection) -> None:
        while True:
            await self.process.sleep(self.scene.world.random.uniform(0.5, 1.5) * WATCH)
            if not self.lease.holds(self.process.now()):
                continue
            asked = self.process.now()
            try:
                read: statements.Leases = await connection.run(statements.read_leases([*self.archives]))
                answered = asked if self.scene.has(Defect.EARLY_CHALLENGE) else self.process.now()
                for run in {lease.run for lease in read.leases.values() if lease.run} - {self.run}:
                    await self._challenge(connection, run, read.runs[run], answered)
            except Disconnected:
                continue
            for account, lease in read.leases.items():
                own = lease.run == self.run and not self.scene.has(Defect.UNNOTICED_LEASE)
                if own or lease.run is None or read.runs[lease.run].ended:
                    self._take(account, lease)

    async def _challenge(
        self, connection: Connection, run: str, row: statements.Run, answered: float
    ) -> None:
        former = self._challenges.get(run)
        if former is not None and self.scene.has(Defect.COUNTED_GAP):
            former = replace(former, answered=answered)
        challenge = Challenge.observed(former, row.counter, answered, self.scene.times)
        self._challenges[run] = challenge
        times = self.scene.times
        if self.scene.has(Defect.NO_MARGIN):
            times = LeaseTimes(times.ttl, 1e-6, times.interval)
        if not row.ended and challenge.may_end(times, self.process.now(), self._sighting(run)):
            counter = None if self.scene.has(Defect.UNLOCKED_END) else challenge.counter
            await connection.run(statements.end_run(run, counter))

    def _take(self, account: str, lease: Lease) -> None:
        if account not in self.leading:
            self.leading[account] = Leadership(self, account, lease)
            self.process.spawn(self._lead(self.leading[account]))

    async def _lead(self, leadership: Leadership) -> None:
        await leadership.lead()
        if self.leading.get(leadership.account) is leadership:
            del self.leading[leadership.account]
