"""What goes wrong in a history, at random moments."""

from __future__ import annotations

from collections.abc import Callable

from tests.fleet.simulation.node import Node
from tests.fleet.simulation.scene import Scene
from tests.fleet.simulation.world import Process


class Faults:
    """Breaks things, and repairs them some time later."""

    def __init__(self, scene: Scene, nodes: list[Node]) -> None:
        self._scene = scene
        self._world = scene.world
        self._random = scene.world.random
        self._nodes = nodes
        self._intruded = False
        self._kinds: list[tuple[Callable[[], None], int]] = [
            (self._kill_node, 3),
            (self._kill_client, 3),
            (self._stop_node, 4),
            (self._stop_one_process, 4),
            (self._suspend_node, 3),
            (self._cut_from_database, 4),
            (self._cut_from_whatsapp, 3),
            (self._restart_database, 4),
            (self._fail_over, 2),
            (self._lose_primary, 2),
            (self._stall_standby, 3),
            (self._slow_network, 4),
            (self._lose_answers, 4),
            (self._busy_database, 3),
            (self._give_up, 2),
            (self._intrude, 1),
        ]

    def plan(self, begin: float, end: float) -> None:
        """Choose what goes wrong between two times."""
        moment = begin
        kinds, weights = zip(*self._kinds, strict=True)
        while moment < end:
            [kind] = self._random.choices(kinds, weights)
            self._world.later(moment, kind)
            # Faults come in pairs as often as alone: what they do together is what nobody has thought of.
            moment += self._random.expovariate(1 / self._random.choice([0.3, 4.0]))

    def repair(self) -> None:
        """Nothing is wrong any more."""
        for node in self._nodes:
            node.wire.heal()
            for process in node.processes:
                process.go_on()
            node.boot()
        self._scene.weather.slow = self._scene.weather.lossy = 0.0
        self._scene.database.stalled_until = self._scene.database.busy_until = 0.0

    def _node(self) -> Node:
        leaders = [node for node in self._nodes if node.leading]
        return self._random.choice(leaders if leaders and self._random.random() < 0.7 else self._nodes)

    def _seconds(self) -> float:
        """How long something lasts: often longer than a lease, and often not."""
        return self._random.uniform(0.1, 3.0 * self._scene.times.ttl)

    def _kill_node(self) -> None:
        node = self._node()
        if node.process.alive:
            node.kill(machine=self._random.random() < 0.5)
            self._world.later(self._seconds(), node.boot)

    def _kill_client(self) -> None:
        for leadership in self._node().leading.values():
            leadership.end_client()

    def _stop(self, processes: list[Process], seconds: float) -> None:
        for process in processes:
            process.stop()

        def go_on() -> None:
            for process in processes:
                process.go_on()

        self._world.later(seconds, go_on)

    def _stop_node(self) -> None:
        self._stop(list(self._node().processes), self._seconds())

    def _stop_one_process(self) -> None:
        node = self._node()
        clients = [process for process in node.processes if process.alive and process is not node.process]
        self._stop([self._random.choice([node.process, *clients * 3])], self._seconds())

    def _suspend_node(self) -> None:
        node, seconds = self._node(), self._seconds()
        self._world.later(seconds, lambda: node.clock.slept(seconds))
        self._stop(list(node.processes), seconds)

    def _cut_from_database(self) -> None:
        node = self._node()
        node.wire.cut = True
        self._world.later(self._seconds(), node.wire.heal)

    def _cut_from_whatsapp(self) -> None:
        for leadership in self._node().leading.values():
            if leadership.client is not None and leadership.client.link is not None:
                leadership.client.link.cut()

    def _restart_database(self) -> None:
        if self._scene.database.up:
            self._scene.database.restart(self._random.uniform(0.1, 1.0))

    def _fail_over(self) -> None:
        if self._scene.database.up:
            self._scene.database.fail_over(self._random.uniform(0.1, 2.0))
            self._scene.monitor.failed_over()

    def _lose_primary(self) -> None:
        """Cut off from its standby, the primary crashes, recovers, and is lost before the two have met."""
        self._scene.database.stall(4.0)
        self._world.later(self._random.uniform(0.05, 0.5), self._restart_database)
        self._world.later(self._random.uniform(1.0, 3.5), self._fail_over)

    def _stall_standby(self) -> None:
        self._scene.database.stall(self._random.uniform(0.2, 2.0))

    def _slow_network(self) -> None:
        weather = self._scene.weather
        weather.slow = 0.2

        def over() -> None:
            weather.slow = 0.0

        self._world.later(self._seconds(), over)

    def _busy_database(self) -> None:
        self._scene.database.busy_until = self._world.now + self._seconds()

    def _lose_answers(self) -> None:
        weather = self._scene.weather
        weather.lossy = 0.2

        def over() -> None:
            weather.lossy = 0.0

        self._world.later(self._seconds(), over)

    def _give_up(self) -> None:
        for leadership in self._node().leading.values():
            leadership.giving_up = True

    def _intrude(self) -> None:
        if not self._intruded:
            self._intruded = True
            self._random.choice(list(self._scene.whatsapp.values())).intrude()
