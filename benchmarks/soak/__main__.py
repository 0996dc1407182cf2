"""`python -m benchmarks.soak`: run a soak, print its figures; exit status 1 when something is unexplained."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path
from typing import Final

import anyio

from benchmarks.soak.faults import all_faults
from benchmarks.soak.report import report
from benchmarks.soak.run import Outcome, soak

LONG: Final = 180.0
"""Seconds from which a soak has time for faults that take half a minute."""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--rate", type=float, default=6, help="messages a second, each way")
    parser.add_argument("--only", action="append", help="faults whose name contains this")
    parser.add_argument(
        "--no-slow",
        action="store_true",
        help="without faults of half a minute (a short soak has none)",
    )
    parser.add_argument(
        "--no-ends",
        action="store_true",
        help="without faults in which a process ends: growth shows best so",
    )
    parser.add_argument("--keep", type=Path, help="a new folder for the home and the servers' files")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Run one soak."""
    options = _options()
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.ERROR, format="%(asctime)s %(name)s %(message)s"
    )
    slow = not options.no_slow and (options.only or options.seconds >= LONG)
    faults = [
        fault
        for fault in all_faults()
        if (slow or not fault.slow)
        and not (options.no_ends and fault.ends)
        and (not options.only or any(part in fault.name for part in options.only))
    ]

    async def run(folder: Path) -> Outcome:
        return await soak(
            folder, options.seed, options.seconds, faults, servers=options.servers, rate=options.rate
        )

    if options.keep:
        options.keep.mkdir(mode=0o700)
        outcome = anyio.run(run, options.keep)
    else:
        with tempfile.TemporaryDirectory(prefix="soak-") as folder:
            outcome = anyio.run(run, Path(folder))
    print(report(outcome))
    sys.exit(1 if outcome.complaints else 0)


if __name__ == "__main__":
    main()
