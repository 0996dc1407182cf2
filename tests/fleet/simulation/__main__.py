"""Look for histories in which the rules of the fleet fail: `make fleet-simulation [COUNT=10000] [SEED=1]`.

First each defect is put into the design, and must be found; then the design itself must hold in all of them.
`--only SEED` runs one history, with `--defect NAME …` one that has defects. A seed always names the same one.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.fleet.simulation.defects import TRIALS, Defect
from tests.fleet.simulation.history import Outcome, run

_CHUNK = 5


def _run(seed: int, defects: tuple[Defect, ...], *, sees_processes: bool) -> Outcome:
    return run(seed, *defects, sees_processes=sees_processes)


def histories(
    pool: ProcessPoolExecutor | None,
    seeds: range,
    *defects: Defect,
    sees_processes: bool = False,
) -> Iterator[Outcome]:
    """Run histories, in the order of their seeds."""
    one = partial(_run, defects=defects, sees_processes=sees_processes)
    if pool is None:
        yield from map(one, seeds)
        return
    # In portions: what comes after the first failure need not be run.
    portion = _CHUNK * (os.cpu_count() or 1) * 4
    for begin in range(seeds.start, seeds.stop, portion):
        yield from pool.map(one, range(begin, min(begin + portion, seeds.stop)), chunksize=_CHUNK)


def first_violation(
    seeds: range, *defects: Defect, pool: ProcessPoolExecutor | None = None
) -> Outcome | None:
    """The first history that shows these defects, or None."""
    return next((each for each in histories(pool, seeds, *defects) if each.violation), None)


def _find(defects: tuple[Defect, ...], seeds: range, pool: ProcessPoolExecutor) -> bool:
    found, words = first_violation(seeds, *defects, pool=pool), ", and ".join(each.value for each in defects)
    if found is None:
        print(f"NOT FOUND in {len(seeds)} histories: {words}", flush=True)
        return False
    count = found.seed - seeds.start + 1
    print(f"found after {count:5}: {words}\n{'':13} seed {found.seed}: {found.violation}", flush=True)
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
    parser.add_argument("--defect", nargs="+", choices=[defect.name for defect in Defect])
    parser.add_argument("--processes", action="store_true", help="with --only: nodes look at processes")
    options = parser.parse_args()
    defects = tuple(Defect[name] for name in options.defect or ())
    if options.only is not None:
        outcome = run(options.only, *defects, sees_processes=options.processes)
        print(outcome.violation or "holds", dict(outcome.counts))
        return 0
    seeds = range(options.seed, options.seed + options.count)
    with ProcessPoolExecutor() as pool:
        found = [_find(trial, seeds, pool) for trial in ([defects] if defects else TRIALS)]
        held = [_hold(seeds, pool, sees_processes=sees) for sees in (False, True) if not defects]
    return 0 if all([*found, *held]) else 1


if __name__ == "__main__":
    sys.exit(main())
