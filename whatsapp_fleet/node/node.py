"""`Node`: leads the accounts that are assigned to this machine's run, and watches the other runs.

A run that no longer renews its lease, or whose processes have gone, is ended.
"""

from __future__ import annotations

import logging
import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import anyio
from anyio.abc import TaskGroup

from whatsapp_fleet.database import (
    AccountRow,
    DatabaseCalls,
    RunRow,
    Session,
    drain_run,
    end_run,
    led_accounts,
    live_runs,
    quarantine_all,
    release,
)
from whatsapp_fleet.node.account import REWOUND, NodeAccount
from whatsapp_fleet.node.copies import Copies
from whatsapp_fleet.node.plan import Plan, View, plan
from whatsapp_fleet.node.run import NodeContext
from whatsapp_fleet.node.sockets import contact
from whatsapp_fleet.protocol import Challenge, Contact, LeaseTimes, Sighting
from whatsapp_mcp.server.runtime import Runtime
from whatsapp_mcp.storage import Fenced, Rewound, StorageError

REACH_AGAIN: Final = 10.0
"""Seconds between two tries to reach a run that lives and was not reached yet."""

LOOK: Final = 0.5
"""Seconds between two looks at the database."""
MOVE_PAUSE: Final = 2.0
"""Seconds between two accounts that are given up to a run that has come."""

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


class Node:
    """A node while it has one run.

    Args:
        context: What it is made of.
        copies: What it has of accounts that it does not lead.
        rewound: How often the former runs of this process have found a database rewound.
        chance: A number in [0, 1): nodes look at different moments.

    Attributes:
        accounts: Those that it leads, takes over or gives up, by name.
        takeovers: How many accounts it has taken over with a copy (`warm`) and without (`cold`).
        fenced: How many leaderships have ended because another run leads.
        rewound: How often the database lacked what it had confirmed, to a leadership or to a run.
        copies: What it has of accounts that it does not lead.
    """

    def __init__(
        self,
        context: NodeContext,
        copies: Copies,
        rewound: int = 0,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.context: Final = context
        self.accounts: Final[dict[str, NodeAccount]] = {}
        self.takeovers: Final = Counter[str]()
        self.fenced = 0
        self.rewound = rewound
        self.copies: Final = copies
        self._watcher = Watcher(context.run.name, context.run.times, context.calls, context.clock)
        self._chance = chance
        self._moved = -math.inf
        self._draining = anyio.Event()
        self._fault: str | None = None

    def drain(self) -> None:
        """Give everything up in order; `run` returns then."""
        self._draining.set()

    def runtimes(self) -> list[Runtime]:
        """Return the runtimes of the accounts that are led."""
        return [one.runtime for one in self.accounts.values() if one.runtime is not None]

    async def run(self) -> None:
        """Lead what is assigned to this run, until it has ended or is drained."""
        async with anyio.create_task_group() as tasks:
            while not self._draining.is_set() and not self.context.run.ended:
                await self._turn(tasks)
                with anyio.move_on_after(LOOK * (0.5 + self._chance())):
                    await self._draining.wait()
            if self.context.run.rewound:
                await self._quarantine_all()
            await self._end()

    async def _turn(self, tasks: TaskGroup) -> None:
        context = self.context
        if not context.run.holds():
            return
        try:
            view = await self._look()
            if await self._watcher.challenge(view):
                view = await self._look()
            await self._follow(view, plan(view, context.run.name, self.accounts), tasks)
        except StorageError as error:
            self._report(str(error))
        else:
            self._report(None)

    async def _look(self) -> View:
        runs, accounts = await self.context.calls.run(_read)
        self.context.own_settings.update((row.account, row.settings) for row in accounts)
        self.context.made.update((row.account, row.made) for row in accounts)
        return View(runs, accounts, self.context.clock())

    async def _follow(self, view: View, plan: Plan, tasks: TaskGroup) -> None:
        for name in plan.end:
            self.accounts[name].end()
        now = self.context.clock()
        if plan.move and now >= self._moved + MOVE_PAUSE:
            self._moved = now
            logger.info("node: gives up %s, which another run is to lead", plan.move[0])
            self.accounts[plan.move[0]].end()
        for row in plan.release:
            await self.context.calls.run(partial(_release, row=row))
        for row in plan.take:
            account = self.accounts[row.account] = NodeAccount(self.context, row)
            tasks.start_soon(self._lead, account)
        await self.copies.keep([one for one in plan.copy if one not in self.accounts])

    async def _lead(self, account: NodeAccount) -> None:
        try:
            how = "warm" if await self.copies.end(account.name) else "cold"
            reason = await account.lead(
                lambda: self.takeovers.update([how]), partial(self.copies.answer, account.name)
            )
            self.fenced += isinstance(reason, Fenced)
            self.rewound += isinstance(reason, Rewound)
        finally:
            del self.accounts[account.name]

    async def _quarantine_all(self) -> None:
        """Let nobody lead an account on a database that was rewound.

        Keys of any account may be lost, and a machine that has nothing of an account sees nothing of that.
        """
        self.rewound += 1
        logger.error("node: the database lacks what it had confirmed: all accounts are quarantined")
        while True:
            try:
                await self.context.calls.run(partial(quarantine_all, reason=REWOUND))
            except StorageError as error:
                self._report(str(error))
            else:
                return
            await anyio.sleep(LOOK)

    async def _end(self) -> None:
        """Take nothing more, and give up what there is."""
        if not self.context.run.ended:
            try:
                await self.context.calls.run(partial(drain_run, run=self.context.run.name))
            except StorageError as error:
                self._report(str(error))
        for account in [*self.accounts.values()]:
            account.end()

    def _report(self, fault: str | None) -> None:
        if fault is not None and fault != self._fault:
            logger.warning("node: the database cannot be used: %s", fault)
        self._fault = fault


def _read(session: Session) -> tuple[list[RunRow], list[AccountRow]]:
    return live_runs(session), led_accounts(session)


def _release(session: Session, row: AccountRow) -> None:
    release(session, row.account, row.lease)
