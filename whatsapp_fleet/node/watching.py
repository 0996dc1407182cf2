"""Other runs as this one sees them: whether they still renew their leases, and whether they have gone."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import anyio

from whatsapp_fleet.database import DatabaseCalls, RunRow, end_run
from whatsapp_fleet.node.plan import View
from whatsapp_fleet.node.sockets import contact
from whatsapp_fleet.protocol import Challenge, Contact, LeaseTimes, Sighting

REACH_AGAIN: Final = 10.0
"""Seconds between two tries to reach a run that lives and was not reached yet."""

logger = logging.getLogger(__name__)


class Watcher:
    """Ends runs that can no longer act.

    Args:
        run: Who watches.
        times: Those of all runs.
        calls: Where they are ended.
        clock: The time of leases.
        connect: Connects to an address on a machine.
    """

    def __init__(
        self,
        run: str,
        times: LeaseTimes,
        calls: DatabaseCalls,
        clock: Callable[[], float],
        connect: Callable[[str, str], Awaitable[Contact]] = contact,
    ) -> None:
        self._run = run
        self._times = times
        self._calls = calls
        self._clock = clock
        self._connect = connect
        self._challenges: dict[str, Challenge] = {}
        self._reached: set[str] = set()
        self._tried: dict[str, float] = {}

    async def challenge(self, view: View) -> int:
        """End those of the runs that may be ended; answers how many.

        Raises:
            StorageError: The database does not answer.
        """
        others = [row for row in view.runs if row.run != self._run]
        self._challenges = {
            row.run: Challenge.observed(
                self._challenges.get(row.run), row.counter, view.answered, self._times
            )
            for row in others
        }
        self._reached &= self._challenges.keys()
        self._tried = {run: tried for run, tried in self._tried.items() if run in self._challenges}
        sightings: dict[str, Sighting] = {}
        async with anyio.create_task_group() as tasks:
            for row in others:
                if not row.lock_held or self._is_to_be_reached(row.run):
                    tasks.start_soon(self._look, row, sightings)
        ended = 0
        for row in others:
            challenge, sighting = self._challenges[row.run], sightings.get(row.run)
            if challenge.may_end(self._times, self._clock(), sighting):
                ended += await self._end(row, challenge, sighting)
        return ended

    def _is_to_be_reached(self, run: str) -> bool:
        """Check whether to connect to a live run: a refusal proves something only after an acceptance."""
        if run in self._reached:
            return False
        return self._clock() >= self._tried.get(run, -math.inf) + REACH_AGAIN

    async def _look(self, row: RunRow, sightings: dict[str, Sighting]) -> None:
        self._tried[row.run] = self._clock()
        came = await self._connect(row.address, row.machine)
        if came is Contact.ACCEPTED and row.run not in self._reached:
            self._reached.add(row.run)
            logger.info("node: reached the run %s, which is ended at once if it refuses from now on", row.run)
        sightings[row.run] = Sighting(row.lock_held, came, row.run in self._reached)

    async def _end(self, row: RunRow, challenge: Challenge, sighting: Sighting | None) -> bool:
        ended = await self._calls.run(partial(end_run, run=row.run, counter=challenge.counter))
        if ended:
            gone = sighting is not None and sighting.is_gone
            why = "its processes have ended" if gone else "it no longer renews its lease"
            logger.warning("node: ended the run %s: %s", row.run, why)
        return ended
