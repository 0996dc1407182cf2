"""`NodeRun`: one start of a node, and the lease that it renews by a thread of its own.

`NodeContext` is what the parts of a node share during one run.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import anyio
import anyio.to_thread

from whatsapp_fleet.database import Database, DatabaseCalls, Renewal, Renewer
from whatsapp_fleet.node.replicas import Served
from whatsapp_fleet.protocol import LeaseTimes, OwnLease
from whatsapp_fleet.settings import FleetSettings
from whatsapp_mcp.settings import CurrentSettings
from whatsapp_mcp.system import boottime

ANSWER_LIMIT: Final = 1.5
"""Seconds in which a renewal has to be answered; then another is begun."""
_RETRY: Final = 0.2


def new_run(node: str) -> str:
    """A name that no other start of a node has."""
    return f"{node} {secrets.token_hex(8)}"


class NodeRun:
    """A run, for as long as it renews its lease.

    The renewals have a thread and a connection to themselves: what else the process does must not delay them.

    Args:
        database: Where.
        name: Of the run, which has begun.
        times: Those of all runs of the fleet.
        clock: The time of leases, in seconds.

    Attributes:
        commit_seconds: How long the last confirmed renewal took, with the wait for the standby.
        rewound: Whether it has ended because the database lacks what it had confirmed to this run.
    """

    def __init__(
        self, database: Database, name: str, times: LeaseTimes, clock: Callable[[], float] = boottime
    ) -> None:
        self._database = database
        self.name: Final = name
        self.times: Final = times
        self._clock = clock
        # Replaced whole by the thread, and read by everybody else.
        self._lease = OwnLease(times)
        self._stop = threading.Event()
        self.commit_seconds: float | None = None
        self.rewound = False

    def until(self) -> float:
        """When the lease ends unless it is renewed, as `boottime` counts; minus infinity without one."""
        return self._lease.until

    def confirmed_at(self) -> float:
        """When the last confirmed renewal was begun, as `boottime` counts; minus infinity without one."""
        return self.until() - self.times.ttl

    def holds(self) -> bool:
        """Return whether the run may act now."""
        return self._lease.holds(self._clock())

    @property
    def ended(self) -> bool:
        """True if this run was ended by another: a new one has to begin."""
        return self._lease.ended

    async def keep(self) -> None:
        """Renew the lease until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._in_thread)
            try:
                await anyio.sleep_forever()
            finally:
                self._stop.set()

    async def _in_thread(self) -> None:
        # Waited for to its end, which comes within the limit of an answer.
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._renew, limiter=anyio.CapacityLimiter(1))

    def _renew(self) -> None:
        with Renewer(self._database, self.name, ANSWER_LIMIT) as renewer:
            while not self._lease.ended:
                begun = self._clock()
                self._lease = asked = self._lease.ask(begun)
                match renewer.renew(asked):
                    case Renewal.CONFIRMED:
                        self._lease = asked.renewed()
                        self.commit_seconds = self._clock() - begun
                        pause = self._lease.next_renewal() - self._clock()
                    case Renewal.UNANSWERED:
                        self._lease = asked.unanswered()
                        pause = _RETRY
                    case Renewal.LOST | Renewal.REWOUND as outcome:
                        self.rewound = outcome is Renewal.REWOUND
                        self._lease = asked.lost()
                        return
                if self._stop.wait(max(pause, 0.0)):
                    return


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
