"""What all parts of a history share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.fleet.simulation.database import Database
from tests.fleet.simulation.defects import Defect
from tests.fleet.simulation.monitor import Monitor
from tests.fleet.simulation.network import Weather
from tests.fleet.simulation.whatsapp import WhatsApp
from tests.fleet.simulation.world import World
from whatsapp_fleet.protocol import LeaseTimes

if TYPE_CHECKING:
    from tests.fleet.simulation.node import Node

TIMES = LeaseTimes(ttl=3, margin=1, interval=1)
CLOCK_DRIFT = 0.03
"""How much faster or slower than the true time a clock may be; far more than real ones are."""


@dataclass(frozen=True)
class Scene:
    """One history's world.

    Attributes:
        defects: What is done wrong in it.
        sees_processes: Whether nodes connect to each other, and end a run whose processes are gone.
        homes: The node of each run.
    """

    world: World
    database: Database
    weather: Weather
    whatsapp: dict[str, WhatsApp]
    monitor: Monitor
    times: LeaseTimes
    defects: frozenset[Defect]
    sees_processes: bool = False
    homes: dict[str, Node] = field(default_factory=dict[str, "Node"])

    def has(self, defect: Defect) -> bool:
        """Whether this is done wrong here."""
        return defect in self.defects
