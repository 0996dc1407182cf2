"""State that the parts of a node share during one run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from whatsapp_fleet.database import Database, DatabaseCalls
from whatsapp_fleet.node.replicas import Served
from whatsapp_fleet.node.run import NodeRun
from whatsapp_fleet.settings import FleetSettings
from whatsapp_mcp.settings import CurrentSettings


@dataclass(frozen=True, slots=True)
class NodeContext:
    """The shared parts of a node.

    Attributes:
        settings: Those of the home folder.
        database: Where accounts are led.
        run: The lease that everything here depends on.
        calls: Statements that may wait for each other.
        served: What replicas are answered from.
        decoding: As many turns as files may be decoded at a time. Each account has a process of its own: one
            that a file has taken over sees no files of others.
        logins: How many accounts are taken over at a time.
        copying: How many archives are copied into snapshots at a time.
        clock: The time of leases, in seconds.
        own_settings: Of each account its own settings, as the database was last seen to have them.
        made: Of each account what tells it from another of its name, likewise.
    """

    settings: FleetSettings
    database: Database
    run: NodeRun
    calls: DatabaseCalls
    served: Served
    decoding: anyio.Semaphore
    logins: anyio.CapacityLimiter
    copying: anyio.CapacityLimiter
    clock: Callable[[], float]
    own_settings: dict[str, str] = field(default_factory=dict[str, str])
    made: dict[str, str] = field(default_factory=dict[str, str])

    def current(self, account: str) -> CurrentSettings:
        """The settings of an account, as they change."""
        return CurrentSettings(self.settings, account, lambda: self.own_settings.get(account, ""))
