"""Look for histories in which the rules of the fleet fail: `make fleet-simulation [COUNT=10000] [SEED=1]`.

First each defect is put into the design, and must be found; then the design itself must hold in all of them.
`--only SEED` runs one history, with `--defect NAME` one that has a defect. A seed always names the same one.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.fleet.simulation.defects import Defect
from tests.fleet.simulation.history import Outcome, run

_CHUNK = 5


def histories(
    pool: ProcessPoolExecutor | None,
    seeds: range,
    defect: Defect | None = None,
    *,
    sees_processes: bool = False,
) -> Iterator[Outcome]:
    """Run histories, in the order of their seeds."""
    one = partial(run, defect=defect, sees_processes=sees_processes)
    if pool is None:
        yield from map(one, seeds)
        return
    # In portions: what comes after the first failure need not be run.
    portion = _CHUNK * (os.cpu_count() or 1) * 4
    for begin in range(seeds.start, seeds.stop, portion):
        yield from pool.map(one, range(begin, min(begin + portion, seeds.stop)), chunksize=_CHUNK)


def first_violation(seeds: range, defect: Defect, pool: ProcessPoolExecutor | None = None) -> Outcome | None:
    """The first history that shows a defect, or None."""
    return next((each for each in histories(pool, seeds, defect) if each.violation), None)


def _find(defect: Defect, seeds: range, pool: ProcessPoolExecutor) -> bool:
    found = first_violation(seeds, defect, pool)
    if found is None:
        print(f"NOT FOUND in {len(seeds)} histories: {defect.value}", flush=True)
        return False
    count = found.seed - seeds.start + 1
    print(f"found after {count:5}: {defect.value}\n{'':13} seed {found.seed}: {found.violation}", flush=True)
    return True


def _hold(seeds: range, pool: ProcessPoolExecutor, *, sees_processes: bool) -> bool:
    counts: Counter[str] = Counter()
    violations = 0
    for outcome in histories(pool, seeds, sees_processes=sees_processes):
        counts += outcome.counts
        if outcome.violation:
            violations += 1
            print(f"VIOLATION in the design, seed {outcome.seed}: {outcome.violation}", flush=True)
    how = "with" if sees_processes else "without"
    print(f"the design, {how} looking at processes: {violations} violations in {len(seeds)} histories")
    for name, count in sorted(counts.items()):
        print(f"  {count:9} {name}")
    return violations == 0


def main() -> int:
    """Run the simulation as the command line says; 0 if all is as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.fleet.simulation", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, metavar="SEED")
    parser.add_argument("--defect", choices=[defect.name for defect in Defect])
    parser.add_argument("--processes", action="store_true", help="with --only: nodes look at processes")
    options = parser.parse_args()
    defects = [Defect[options.defect]] if options.defect else [*Defect]
    if options.only is not None:
        defect = defects[0] if options.defect else None
        outcome = run(options.only, defect, sees_processes=options.processes)
        print(outcome.violation or "holds", dict(outcome.counts))
        return 0
    seeds = range(options.seed, options.seed + options.count)
    with ProcessPoolExecutor() as pool:
        found = [_find(defect, seeds, pool) for defect in defects]
        held = [_hold(seeds, pool, sees_processes=sees) for sees in (False, True) if not options.defect]
    return 0 if all([*found, *held]) else 1


if __name__ == "__main__":
    sys.exit(main())
