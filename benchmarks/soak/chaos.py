"""Faults in seeded order: each is injected, recovered from and timed before the next begins."""

from __future__ import annotations

import json
import logging
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import anyio

from benchmarks.soak.clock import WallClock
from benchmarks.soak.disk import Disk
from benchmarks.soak.fleet import Fleet, Slot
from benchmarks.soak.traffic import Traffic
from benchmarks.soak.watch import children
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.companion import Companion
from whatsapp_simulator.pairing import LinkingError

HEAL_LIMIT: Final = 90.0
"""Seconds after which a fault counts as not survived."""
_LINK_LIMIT: Final = 120.0
_CALM: Final = (0.1, 0.8)
"""Seconds of peace between two faults."""

logger = logging.getLogger(__name__)


class Stage:
    """The parts of a run that faults act on."""

    def __init__(
        self,
        wa: WhatsApp,
        fleet: Fleet,
        traffic: Traffic,
        chance: random.Random,
        account: Path,
        clock: WallClock,
        disk: Disk,
    ) -> None:
        self.wa = wa
        self.fleet = fleet
        self.traffic = traffic
        self.chance = chance
        self.account = account
        self.clock = clock
        self.disk = disk
        self._companions: dict[int, Companion] = {}

    @property
    def logins(self) -> int:
        """Number of logins of all clients linked so far."""
        self._companions.update(self.wa.me.companions)
        return sum(companion.logins for companion in self._companions.values())

    @property
    def logged_in(self) -> bool:
        """True if the client is logged in, as WhatsApp sees it."""
        companion = self.wa.me.companion
        return companion is not None and companion.active

    def generation(self) -> int:
        """The number of the newest client, as kept in the account's folder."""
        try:
            return int(json.loads((self.account / "link.json").read_text(encoding="utf-8"))["generation"])
        except (FileNotFoundError, ValueError):
            return 0

    async def online(self, limit: float = HEAL_LIMIT, *, logins: int = -1, by: Slot | None = None) -> None:
        """Wait until the client has logged in once more and a server says so; `by` names the server.

        Raises:
            TimeoutError: It did not within `limit` seconds.
        """
        await self.fleet.until(
            lambda status: self.logins > logins and self.logged_in and status.get("state") == "online",
            limit,
        )
        if by is not None:
            with anyio.fail_after(limit):
                while True:
                    answer = await self.fleet.call(by, "connection_status", limit=2.0)
                    if answer is not None and answer.data.get("state") == "online":
                        return
                    await anyio.sleep(0.02)

    async def told(self, state: str) -> None:
        """Wait until a server tells this state."""
        await self.fleet.until(lambda status: status.get("state") == state, 20)

    async def link(self, *, by_number: bool = False) -> None:
        """Ask a server for a QR code and scan it, or for a pairing code and enter it.

        Raises:
            TimeoutError: No server gave one that could be used within 120 seconds.
        """
        phone = self.wa.me.number if by_number else None
        with anyio.fail_after(_LINK_LIMIT):
            while True:
                slot = self.fleet.any(self.chance)
                answer = await self.fleet.call(slot, "link_device", phone=phone) if slot else None
                shown = answer.data if answer is not None and answer.error is None else {}
                with suppress(LinkingError, TimeoutError):
                    if shown.get("qr"):
                        await self.wa.me.scan(shown["qr"]["text"])
                        return
                    if shown.get("code"):
                        await self.wa.me.enter_code(shown["code"])
                        return
                await anyio.sleep(0.2)

    async def some(self, low: float, high: float) -> None:
        """Wait a random time, in seconds."""
        await anyio.sleep(self.chance.uniform(low, high))


class Chaos:
    """Does faults one after the other.

    Attributes:
        injected, survived: Faults by name.
        heals: By name, the seconds until the link was online again.
        client_ends: When a client process ended, `time.monotonic()`.
        ends: By name, how many client processes ended between a fault and its healing.
        skipped: Faults that could not be done here, and why.
        failures: Faults after which the link did not come back in time.
    """

    def __init__(self, stage: Stage, faults: Sequence[Fault]) -> None:
        self._stage = stage
        self._faults = faults
        self.injected: Counter[str] = Counter()
        self.survived: Counter[str] = Counter()
        self.heals: dict[str, list[float]] = defaultdict(list)
        self.client_ends: list[float] = []
        self.ends: Counter[str] = Counter()
        self.skipped: dict[str, str] = {}
        self.failures: list[str] = []

    async def run(self, seconds: float, *, each: bool = False) -> None:
        """Do faults for so long; each of them once, in random order, before any is done again.

        Args:
            each: Go on until each was done.
        """
        stage = self._stage
        end = time.monotonic() + seconds
        bag: list[Fault] = []
        while time.monotonic() < end or (
            each and any(fault.name not in self.injected for fault in self._faults)
        ):
            if not bag:
                bag = list(self._faults)
                stage.chance.shuffle(bag)
            await stage.some(*_CALM)
            fault, ended = bag.pop(), len(self.client_ends)
            await self._one(fault)
            self.ends[fault.name] += len(self.client_ends) - ended

    @property
    def left(self) -> list[str]:
        """Names of the faults for which there was no time."""
        return [each.name for each in self._faults if each.name not in {*self.injected, *self.skipped}]

    async def watch_clients(self) -> None:
        """Note when a client process ends, until cancelled."""
        known: set[int] = set()
        while True:
            now = {child for slot in self._stage.fleet.slots for child in children(slot.pid)}
            # A client whose leader was killed is nobody's child, and ends within a moment.
            self.client_ends += [time.monotonic() for _ in known - now]
            known = now
            await anyio.sleep(0.05)

    async def _one(self, fault: Fault) -> None:
        stage, name = self._stage, fault.name
        logins = stage.logins if fault.relogin else -1
        logger.info("fault: %s", name)
        try:
            healing = await fault.act(stage)
        except Impossible as error:
            self.skipped[name] = str(error)
            return
        except TimeoutError as error:
            self.injected[name] += 1
            await self._give_up(name, f"did not take effect ({error})")
            return
        self.injected[name] += 1
        begun = healing.since
        try:
            await stage.online(logins=logins, by=healing.by)
        except TimeoutError as error:
            await self._give_up(name, f"not online within {HEAL_LIMIT:g} s ({error})")
            return
        self.survived[name] += 1
        self.heals[name].append(time.monotonic() - begun)
        logger.info("healed: %s after %.2f s", name, time.monotonic() - begun)

    async def _give_up(self, name: str, why: str) -> None:
        self.failures.append(f"{name}: {why}")
        stage = self._stage
        stage.wa.recover()
        await stage.wa.cut()
        slot = stage.fleet.any(stage.chance)
        if slot is not None:
            await stage.fleet.call(slot, "reconnect")
        try:
            if (await stage.fleet.status()).get("state") in {"unlinked", "linking"}:
                await stage.link()
            await stage.online(30)
        except TimeoutError:
            self.failures.append(f"{name}: not online after a reconnect either")


class Impossible(Exception):
    """A fault cannot be done here or now."""


class Healing:
    """From when healing is timed, and which server must tell of it.

    Args:
        by: Some server when left out.
    """

    def __init__(self, by: Slot | None = None) -> None:
        self.since = time.monotonic()
        self.by = by


class Fault:
    """One kind of fault.

    Attributes:
        relogin: Whether the link is healed by a new login only.
        ends: Whether a process ends in its course, killed or replaced.
        slow: Whether it takes longer than a few seconds.
    """

    name: str
    relogin = True
    ends = False
    slow = False

    async def act(self, stage: Stage) -> Healing:
        """Do it, and end it if it is one that lasts.

        Raises:
            Impossible: It cannot be done here or now.
        """
        raise NotImplementedError


async def leader_of(stage: Stage) -> Slot:
    """The leader.

    Raises:
        Impossible: None does just now.
    """
    leader = await stage.fleet.leader()
    if leader is None:
        raise Impossible("no server leads just now")
    return leader


async def leader_pid(stage: Stage) -> int:
    """Return the process id of the leader; raises what `leader_of` does."""
    return (await leader_of(stage)).pid


async def client_of(stage: Stage) -> int:
    """Process id of the client.

    Raises:
        Impossible: None runs just now.
    """
    pid = stage.fleet.client_of(await leader_of(stage))
    if pid is None:
        raise Impossible("no client process runs just now")
    return pid


def signal_process(pid: int, number: int) -> None:
    """Send a signal.

    Raises:
        Impossible: The process has just ended.
    """
    try:
        os.kill(pid, number)
    except ProcessLookupError as error:
        raise Impossible("the process has just ended") from error
