"""Hostile files of every kind in the real processes: crashes, limits, the longest time, the most memory.

Beside those that are made one by one there are damaged ones: `--damaged` of each family, by the numbers of
`--seed`. Words in pictures and speech are recognised where it is installed; what recognises speech is
PocketSphinx.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import logging
from collections import Counter

import anyio

from benchmarks.verdicts import amount, judged
from tests.features.reading.hostile_files import damaged_documents, hostile_documents
from tests.features.reading.hostile_files.reader import open_opened_reader
from tests.media.hostile_files import damaged_files, hostile_files
from tests.media.hostile_files.runs import Run, open_decoder
from whatsapp_mcp.features.reading.readers import ReaderOptions, available, reads_words
from whatsapp_mcp.features.reading.speech.options import SpeechOptions


def options() -> ReaderOptions:
    """Return the options of the readers that are installed here."""
    has_speech = importlib.util.find_spec("pocketsphinx") is not None
    return ReaderOptions(reads_words(), SpeechOptions("pocketsphinx") if has_speech else None)


async def run_all(damaged: int, seed: int) -> list[Run]:
    """Run each file and return the outcomes; print crashes, ended processes and exceeded limits."""
    loaded = options()
    kinds = available(loaded)
    print(f"read here: {', '.join(sorted(kinds))}")
    runs: list[Run] = []
    made = (
        hostile_documents(),
        hostile_files(),
        damaged_documents(damaged, seed),
        damaged_files(damaged, seed),
    )
    async with open_opened_reader(loaded) as reader, open_decoder() as decoder:
        for file, opened in itertools.product(itertools.chain(*made), (reader, decoder)):
            if file.kind not in opened.jobs:
                continue
            run = await opened.run(file)
            runs.append(run)
            if run.is_over or run.is_crash or run.is_dead:
                cost = f"{run.seconds:.1f} s {run.megabytes} MB"
                print(f"  {file}: {run.outcome} {run.sentence} {cost}", flush=True)
    return runs


def print_families(runs: list[Run]) -> None:
    """Print what became of each family."""
    print(f"{'':18}{'files':>6}{'read':>6}{'refused':>9}{'longest':>10}{'most memory':>13}")
    for family in sorted({run.file.family for run in runs}):
        of_it = [run for run in runs if run.file.family == family]
        read = sum(run.outcome == "read" for run in of_it)
        longest, most = max(run.seconds for run in of_it), max(run.megabytes for run in of_it)
        print(f"{family:18}{len(of_it):6}{read:6}{len(of_it) - read:9}{longest:8.1f} s{most:10} MB")


def main() -> int:
    """Print all; 1 if a server would have crashed or a limit did not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile_files", description=__doc__)
    parser.add_argument("--damaged", type=int, default=amount(40, 1), help="damaged files of each family")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logging.disable()
    runs = anyio.run(run_all, given.damaged, given.seed)
    print_families(runs)
    print(f"outcomes: {dict(Counter(run.outcome for run in runs))}")
    slowest, largest = max(runs, key=lambda run: run.seconds), max(runs, key=lambda run: run.megabytes)
    print(f"longest {slowest.seconds:.1f} s ({slowest.file})")
    print(f"most memory {largest.megabytes} MB ({largest.file})")
    print(f"{sum(run.is_dead for run in runs)} of {len(runs)} files ended the process that read them")
    crashes, over = sum(run.is_crash for run in runs), sum(run.is_over for run in runs)
    for what, count in (("crashes of a server", crashes), ("files over their limits", over)):
        print(f"{judged(count == 0)}  {what:24}{count:4}   at most 0")
    return int(crashes + over > 0)


if __name__ == "__main__":
    raise SystemExit(main())
