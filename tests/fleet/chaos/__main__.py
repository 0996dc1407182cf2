"""`make chaos`: a fleet with traffic and faults, and what must hold of it.

One account first, to see how long a takeover takes; then all of them. It prints one table, and exits with 1
if something does not hold.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from statistics import quantiles
from typing import Final

import anyio

from tests.fleet.chaos.figures import spread, table
from tests.fleet.chaos.run import Plan, Report, run
from whatsapp_fleet.protocol import LeaseTimes

ALONE: Final = ("kill leader", "stop leader", "cut leader", "kill leader")
FAULTS: Final = (
    "kill a", "stop b", "cut a", "restart", "kill b", "stop a", "failover", "cut b", "kill a", "stop b",
)  # fmt: skip
WARM: Final = 3.0
"""Seconds in which an account is online again after its node was killed."""
TTL: Final = LeaseTimes().ttl


def main() -> None:
    """Run, print, and exit."""
    parser = argparse.ArgumentParser(prog="python -m tests.fleet.chaos", description=__doc__)
    parser.add_argument("--accounts", type=int, default=50)
    parser.add_argument("--minute", type=float, default=60.0, help="seconds from one fault to the next")
    parser.add_argument("--faults", default=",".join(FAULTS), help="such as 'kill a,restart,stop b'")
    parser.add_argument("--said", type=float, default=10.0, help="messages that come in a second")
    parser.add_argument("--sent", type=float, default=2.0, help="messages that go out a second")
    parser.add_argument("--burst", type=int, default=500, help="messages during a fault of the database")
    parser.add_argument("--delay", type=float, default=0.001, help="seconds to the database and back, each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--skip-alone", action="store_true", help="no takeovers of a single account")
    given = parser.parse_args()
    plan = Plan(
        accounts=given.accounts,
        faults=tuple(given.faults.split(",")) if given.faults else (),
        minute=given.minute,
        said=given.said,
        sent=given.sent,
        burst=given.burst,
        delay=given.delay,
        seed=given.seed,
    )
    rows: list[tuple[str, str]] = []
    violations: list[str] = []
    if not given.skip_alone:
        alone = anyio.run(run, replace(plan, accounts=1, faults=ALONE, minute=50.0, said=2.0, sent=0.0))
        rows += [(f"one account, {name}", value) for name, value in _takeovers(alone)]
        violations += [*alone.verdict.violations, *_late(alone)]
    report = anyio.run(run, plan)
    rows += [(f"{plan.accounts} accounts, {name}", value) for name, value in _takeovers(report)]
    rows += [(name, str(number)) for name, number in report.verdict.figures.items()]
    rows.append(("a send, first call (p50, p95)", _percentiles(report.send_seconds)))
    rows.append(
        ("refusals before a send was accepted", str(dict(report.refusals)) if report.refusals else "none")
    )
    violations += report.verdict.violations
    print(table(rows))
    for violation in violations:
        print(f"DOES NOT HOLD: {violation}")
    sys.exit(bool(violations))


def _takeovers(report: Report) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for kind, found in report.takeovers.items():
        rows.append((f"{kind}: led again ({len(found)})", spread([one.led for one in found])))
        rows.append((f"{kind}: online again", spread([one.online for one in found])))
    return rows


def _late(report: Report) -> list[str]:
    """The takeovers of a single account that took too long.

    After a kill it has to be online in time. After a stop or a cut it has to be led: its sends are accepted
    from then on, and the login comes on top, as it does after a kill.
    """
    found: list[str] = []
    for kind, takeovers in report.takeovers.items():
        for one in takeovers:
            seconds, limit = (one.online, WARM) if kind == "kill" else (one.led, TTL + WARM)
            if seconds is None or seconds > limit:
                found.append(f"one account, {kind}: taken over after {seconds} s, at most {limit:.0f} s")
    return found


def _percentiles(seconds: Sequence[float]) -> str:
    if len(seconds) < 2:
        return "none"
    cuts = quantiles(seconds, n=20)
    return f"{1000 * cuts[9]:.0f} ms, {1000 * cuts[18]:.0f} ms"


if __name__ == "__main__":
    main()
