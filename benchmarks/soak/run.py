"""One soak from the linking to the comparison."""

from __future__ import annotations

import logging
import os
import random
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

from benchmarks.soak.chaos import Chaos, Fault, Stage
from benchmarks.soak.clock import WallClock
from benchmarks.soak.disk import small_disk
from benchmarks.soak.fleet import Fleet
from benchmarks.soak.ledger import Verdict, compare, kept_in
from benchmarks.soak.traffic import Traffic, pending_ids
from benchmarks.soak.watch import Growth, children
from whatsapp_mcp.models import SendStatus
from whatsapp_mcp.settings import ENV_PREFIX, HOME_VARIABLE
from whatsapp_simulator import WhatsApp

SETTLE_LIMIT: Final = 60.0
_LOOKS: Final = 60
_UNSETTLED: Final = {SendStatus.QUEUED, SendStatus.SENDING}

logger = logging.getLogger(__name__)


@dataclass
class Outcome:
    """Everything a report needs."""

    seed: int
    seconds: float
    chaos: Chaos
    verdict: Verdict
    growth: Growth
    servers_started: int
    servers_lost: list[str]
    gaps: list[str]
    remarks: Counter[str]
    downloads: Counter[str]
    damaged: list[str]
    unsettled: list[str]
    load: tuple[float, float]

    @property
    def complaints(self) -> list[str]:
        """Everything that has no explanation."""
        lost = [f"{server} ended unplanned" for server in self.servers_lost]
        return [*lost, *self.chaos.failures, *self.unsettled, *self.damaged, *self.verdict.unexplained]


async def soak(
    folder: Path,
    seed: int,
    seconds: float,
    faults: Sequence[Fault],
    *,
    each: bool = False,
    servers: int = 3,
    rate: float = 6.0,
) -> Outcome:
    """Run servers on a new home in `folder` under `faults` for so long, then compare.

    The account's files are in `folder/account` afterwards.

    Args:
        each: Go on until each fault was done.
        rate: Messages a second, each way.
    """
    home = folder / "home"
    home.mkdir(mode=0o700)
    (home / "config.toml").write_text('[policy]\nmode = "open"\n', encoding="utf-8")
    account = home / "accounts" / "default"
    load = os.getloadavg()[0]
    clock = WallClock(folder / "wall-clock")
    with small_disk(account) as disk:
        async with WhatsApp(seed) as wa:
            kept = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
            environment = clock.environment({**kept, **wa.environment(), HOME_VARIABLE: str(home)})
            fleet = Fleet(environment, folder, servers)
            traffic = Traffic(wa, fleet, random.Random(f"{seed} traffic"), rate)
            stage = Stage(wa, fleet, traffic, random.Random(seed), account, clock, disk)
            chaos, growth = Chaos(stage, faults), Growth()
            unsettled = await _talk(stage, chaos, growth, home, seconds, each)
            spoilt = _spoilt(account)
            found = kept_in(home)
            verdict = compare(wa, traffic.spoken, traffic.sent, found, chaos.client_ends)
            remarks = Counter(remark.kind for remark in wa.log)
            for remark in wa.log:
                logger.info("remark: %s %s", remark.kind, remark.detail)
        shutil.copytree(account, folder / "account", ignore=shutil.ignore_patterns("ballast"))
    return Outcome(
        seed,
        seconds,
        chaos,
        verdict,
        growth,
        fleet.started,
        fleet.lost,
        found.gaps,
        remarks,
        traffic.downloads,
        [*traffic.damaged, *spoilt],
        unsettled,
        (load, os.getloadavg()[0]),
    )


async def _talk(
    stage: Stage, chaos: Chaos, growth: Growth, home: Path, seconds: float, each: bool
) -> list[str]:
    """Traffic and faults for so long, and everything that settles after them; what did not, as sentences."""
    fleet, traffic = stage.fleet, stage.traffic
    unsettled: list[str] = []
    async with anyio.create_task_group() as tasks:
        await tasks.start(fleet.run)
        await stage.link()
        await stage.online()
        async with anyio.create_task_group() as watchers:
            watchers.start_soon(chaos.watch_clients)
            watchers.start_soon(_look, growth, fleet, seconds / _LOOKS)
            async with anyio.create_task_group() as talk:
                talk.start_soon(traffic.run)
                await chaos.run(seconds, each=each)
                traffic.stop()
                unsettled = await _settle(stage, home)
                traffic.end()
            watchers.cancel_scope.cancel()
        fleet.close()
    return unsettled


async def _look(growth: Growth, fleet: Fleet, interval: float) -> None:
    begun = time.monotonic()
    while True:
        leader = await fleet.leader()
        if leader is not None:
            followers = [slot.pid for slot in fleet.ready() if slot is not leader]
            roles = {"leader": [leader.pid], "follower": followers, "client": children(leader.pid)}
            growth.look(time.monotonic() - begun, roles)
        await anyio.sleep(interval)


async def _settle(stage: Stage, home: Path) -> list[str]:
    """Let the last fault heal and everything that is on its way arrive; what did not, as sentences."""
    stage.wa.recover()
    await stage.wa.cut()  # what a fault has withheld comes with the next login
    end = time.monotonic() + SETTLE_LIMIT
    while True:
        status = await stage.fleet.status()
        settled = status.get("state") == "online" and not status.get("journal_waiting")
        if settled and not pending_ids(stage.wa.me.companion) and not _waiting_sends(home):
            return []
        if time.monotonic() > end:
            break
        await anyio.sleep(0.1)
    return [
        f"at the end the link is {status.get('state')} ({status.get('reason')}), "
        f"{status.get('journal_waiting')} events wait in the journal, "
        f"{len(pending_ids(stage.wa.me.companion))} messages wait on WhatsApp's side, "
        f"{_waiting_sends(home)} sends are on their way"
    ]


def _spoilt(account: Path) -> list[str]:
    """Return the faults in the files of an account whose processes have ended, as sentences."""
    found: list[str] = []
    for path in sorted(account.glob("*.db")):
        try:
            with closing(sqlite3.connect(path)) as db:
                told = [str(row[0]) for row in db.execute("PRAGMA integrity_check(3)")]
        except sqlite3.Error as error:
            told = [str(error)]
        if told != ["ok"]:
            found.append(f"{path.name} is spoilt: {told}")
    log = (account / "client.log").read_text(encoding="utf-8", errors="replace")
    if "malformed" in log:
        found.append("the client library has found its keys malformed; see client.log")
    return found


def _waiting_sends(home: Path) -> int:
    rows = (row for rows in kept_in(home).sends.values() for row in rows)
    return sum(row.status in _UNSETTLED for row in rows)
