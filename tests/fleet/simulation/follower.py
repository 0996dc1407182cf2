"""A third archive, which follows the log and is rebuilt at random moments."""

from __future__ import annotations

from tests.fleet.simulation import statements
from tests.fleet.simulation.archive import Archive
from tests.fleet.simulation.database import Disconnected
from tests.fleet.simulation.network import Connection, Wire
from tests.fleet.simulation.scene import Scene
from tests.fleet.simulation.world import Process


class Follower:
    """Follows the logs of all accounts."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._process = Process(scene.world)
        self.archives = {account: Archive() for account in scene.whatsapp}
        self.wire = Wire(scene.world, scene.database, scene.weather)
        connection = Connection(self._process, self.wire)
        for account in self.archives:
            self._process.spawn(self._follow(account, connection))

    async def _follow(self, account: str, connection: Connection) -> None:
        while True:
            await self._process.sleep(self._scene.world.random.uniform(0.2, 3))
            archive = self.archives[account]
            try:
                tail = await connection.run(statements.read_log(account, archive.seq))
            except Disconnected:
                continue
            if not archive.follow(tail):
                self._scene.monitor.counts["archives quarantined"] += 1
                self.archives[account] = Archive()
            elif self._scene.world.random.random() < 0.1:
                self.archives[account] = Archive()
