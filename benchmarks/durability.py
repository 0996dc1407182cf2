"""Archived messages survive kills and power cuts: `python -m benchmarks.durability [--rounds 100]`.

It repeatedly kills a writer with `kill -9`, and simulates a disk that loses power. Each time, every message
that was reported as archived must be in the database, which must pass the integrity check.
"""

from __future__ import annotations

import argparse
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

from benchmarks.corpus import FIRST, SPAN, Corpus, CorpusMessage
from benchmarks.verdicts import amount, judged
from tests.archive.power import ForgetfulDisk
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.settings import AccountFolder

ROUNDS: Final = amount(100, 2)
_SIZE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Row:
    """A journal row."""

    seq: int
    code: int
    payload: bytes
    generation: int = 1
    received_at: int = (FIRST + SPAN) * 1000


def new_message(corpus: Corpus, number: int, n: int) -> CorpusMessage:
    """The `n`-th message after the end of the corpus."""
    rng = random.Random(number)
    chat = rng.randrange(corpus.chats)
    sender = chat if chat % 3 else rng.randrange(corpus.people)
    return CorpusMessage(number, chat, sender, FIRST + SPAN + 10 + n // 5, corpus.text(rng, chat), None, None)


def rows(corpus: Corpus, after: int, first: int, count: int) -> list[Row]:
    """`count` live messages as journal rows, numbered from `first`."""
    return [Row(after + 1 + n, 17, corpus.live(new_message(corpus, first + n, n))) for n in range(count)]


def write_forever(home: Path, size: int, rate: float, first: int) -> None:
    """The writer process: live messages at a rate, ten per commit; it prints each acknowledged number."""
    folder = AccountFolder("default", home / "accounts" / "default")
    corpus = Corpus(size)

    async def run() -> None:
        async with open_archive(folder, write=True) as archive:
            seq = await archive.position()
            number = first
            while True:
                start = time.perf_counter()
                await archive.ingest(rows(corpus, seq, number, 10))
                seq, number = seq + 10, number + 10
                print(number, flush=True)
                if rate:
                    await anyio.sleep(max(0.0, 10 / rate - (time.perf_counter() - start)))

    anyio.run(run)


def start_writer(home: Path, size: int, rate: float, first: int) -> subprocess.Popen[str]:
    """Start the writer process and wait for its first commit."""
    command = [sys.executable, "-m", "benchmarks.durability", "--writer"]
    process = subprocess.Popen(
        [*command, str(home), str(size), str(rate), str(first)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def missing(database: Path, corpus: Corpus, numbers: range) -> int:
    """The number of these messages that are missing from a database, which must pass the integrity check."""
    with closing(sqlite3.connect(database)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        there = {row[0] for row in db.execute("SELECT wa_id FROM messages")}
    return sum(new_message(corpus, number, 0).wa_id not in there for number in numbers)


def kill_rounds(rounds: int) -> tuple[int, int]:
    """Kill the writer repeatedly; return (acknowledged messages, lost messages)."""
    acknowledged = lost = 0
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        folder = AccountFolder("default", home / "accounts" / "default")
        corpus = Corpus(_SIZE)
        rng = random.Random(7)
        for turn in range(rounds):
            first = 10_000_000 + turn * 100_000
            process = start_writer(home, _SIZE, 0, first)
            time.sleep(rng.uniform(0.01, 0.25))
            process.send_signal(signal.SIGKILL)
            printed = process.communicate()[0].split()
            numbers = range(first, int(printed[-1]) if printed else first + 10)
            acknowledged += len(numbers)
            lost += missing(folder.archive_db, corpus, numbers)
    return acknowledged, lost


def power_rounds(rounds: int) -> tuple[int, int]:
    """Cut the power repeatedly, with unsynced writes kept or lost at random; return (acknowledged, lost)."""
    acknowledged = lost = 0
    corpus = Corpus(_SIZE)
    rng = random.Random(11)

    async def one(home: Path, disk: ForgetfulDisk) -> None:
        nonlocal acknowledged, lost
        folder = AccountFolder("default", home / "accounts" / "default")
        async with open_archive(folder, write=True) as archive:
            done = 0
            for turn in range(10):
                done = (await archive.ingest(rows(corpus, done, done, rng.randrange(1, 60)))).position
                copy = home / f"after-{turn}"
                disk.crash(folder.path, copy, rng)
                lost += missing(copy / "archive.db", corpus, range(done))
            acknowledged += done

    for _ in range(-(-rounds // 10)):
        with tempfile.TemporaryDirectory() as name, ForgetfulDisk() as disk:
            anyio.run(one, Path(name), disk)
    return acknowledged, lost


def main() -> int:
    """Run both, or run as the writer process; 1 if something was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--writer", nargs=4, help=argparse.SUPPRESS)
    arguments, _ = parser.parse_known_args()
    if arguments.writer:
        home, size, rate, first = arguments.writer
        write_forever(Path(home), int(size), float(rate), int(first))
        return 0
    held = True
    for name, run in (("kill -9", kill_rounds), ("power cut", power_rounds)):
        acknowledged, lost = run(arguments.rounds)
        verdict = judged(lost == 0)
        held &= bool(verdict)
        print(f"{verdict}  {name}, {arguments.rounds} rounds: lost {lost} of {acknowledged:,}, at most 0")
    return not held


if __name__ == "__main__":
    sys.exit(main())
