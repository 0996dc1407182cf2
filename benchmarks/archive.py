"""The archive under load: `python -m benchmarks.archive [--sizes 10000 100000] [--rounds 100]`.

For each size the corpus goes in as the phone's history, then some more as live messages; every query is asked
of a warm archive through the same interface that the server uses, and straight in SQLite's thread. Then the
searches run beside a writer of 500 messages a second in a process of its own, and that writer is killed as
often as `--rounds` says: what it had reported as archived must be there. Figures are milliseconds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio

from benchmarks.corpus import FIRST, SPAN, Corpus, Told
from tests.archive.power import ForgetfulDisk
from whatsapp_mcp.archive import Archive, MessageFilter, ReadingArchive, open_archive
from whatsapp_mcp.archive.normalise import fold
from whatsapp_mcp.settings import AccountFolder

QUERIES: Final = {
    "rare word": "rosenberg",
    "word, 0.1 %": "morning",
    "word, 5 %": "you",
    "word, 14 %": "the",
    "Chinese": "会议",
    "emoji": "😂",
    "prefix": "meet*",
    "exclusion": "you -the",
    "dates": "you after:2019 before:2021",
    "no hit": "xyzzyx",
}
RECALL: Final = ("reuniao", "REUNIÃO", "会议", "東京", "ありがとう", "الاوسط", "rosenberg", "😂")
MUST: Final = {
    "search with context": 1.0,
    "search in a small chat": 1.0,
    "search in the biggest chat": 1.0,
    "list chats": 0.3,
    "list messages of a chat": 0.3,
    "context": 0.3,
}
"""Milliseconds (p50) that must hold at a million messages."""


@dataclass(frozen=True, slots=True)
class Row:
    """A journal row."""

    seq: int
    code: int
    payload: bytes
    generation: int = 1
    received_at: int = (FIRST + SPAN) * 1000


def spread(samples: list[float]) -> str:
    """p50 and p99 of seconds, in milliseconds."""
    ordered = sorted(samples)
    return f"{statistics.median(ordered) * 1000:8.3f} {ordered[int(len(ordered) * 0.99)] * 1000:8.3f}"


async def measure(call: Callable[[], Awaitable[Any]], times: int = 100) -> list[float]:
    """Seconds of repeated calls, after a few to warm up."""
    for _ in range(3):
        await call()
    samples: list[float] = []
    for _ in range(times):
        start = time.perf_counter()
        await call()
        samples.append(time.perf_counter() - start)
    return samples


async def fill(archive: Archive, corpus: Corpus) -> float:
    """Archive the corpus as history; messages a second, decoding included."""
    taken = 0.0
    for seq, payload in enumerate(corpus.history(), 1):
        start = time.perf_counter()
        await archive.ingest([Row(seq, 13, payload)])
        taken += time.perf_counter() - start
    await archive.optimize()
    return corpus.size / taken


async def live(archive: Archive, corpus: Corpus, count: int, batch: int) -> float:
    """Archive live messages; messages a second."""
    start_seq = await archive.position()
    first = corpus.size + start_seq * 1000
    events = [
        Row(start_seq + 1 + n, 17, corpus.live(new_message(corpus, first + n, n))) for n in range(count)
    ]
    start = time.perf_counter()
    for at in range(0, count, batch):
        await archive.ingest(events[at : at + batch])
    return count / (time.perf_counter() - start)


def new_message(corpus: Corpus, number: int, n: int) -> Told:
    """A message after the end of the corpus."""
    rng = random.Random(number)
    chat = rng.randrange(corpus.chats)
    sender = chat if chat % 3 else rng.randrange(corpus.people)
    return Told(number, chat, sender, FIRST + SPAN + 10 + n // 5, corpus._text(rng, chat), None, None)  # pyright: ignore[reportPrivateUsage]


async def ask(reader: ReadingArchive, corpus: Corpus) -> dict[str, list[float]]:
    """Every query's timings through the interface."""
    big, small = corpus.chat_jid(0), corpus.chat_jid(min(301, corpus.chats - 1))
    some = (await reader.search("morning", limit=1)).items or (await reader.messages(limit=1)).items
    ref = some[0].ref

    async def with_context() -> None:
        page = await reader.search("morning", limit=20)
        for message in page.items[:1]:
            await reader.context(message.ref, before=1, after=1)

    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        f"search: {name}": (lambda text=text: reader.search(text)) for name, text in QUERIES.items()
    }
    calls |= {
        "search with context": with_context,
        "search in a small chat": lambda: reader.search("you", MessageFilter(chat=small)),
        "search in the biggest chat": lambda: reader.search("morning", MessageFilter(chat=big)),
        "search by relevance, 5 %": lambda: reader.search("you", order="relevance"),
        "substring": lambda: reader.search("ornin", mode="substring"),
        "list chats": lambda: reader.chats(),
        "list unread chats": lambda: reader.chats(unread=True),
        "list messages of a chat": lambda: reader.messages(MessageFilter(chat=big)),
        "list all messages": lambda: reader.messages(),
        "messages with images": lambda: reader.search("has:image"),
        "context": lambda: reader.context(ref),
        "one message": lambda: reader.message(ref),
        "contacts": lambda: reader.contacts("person 42"),
        "resolve a name": lambda: reader.resolve_chat("Chat 7"),
    }
    return {name: await measure(call) for name, call in calls.items()}


async def recall(reader: ReadingArchive, corpus: Corpus) -> dict[str, tuple[int, int]]:
    """For words in each script: messages that hold them, and messages found."""
    wanted = {query: fold(query) for query in RECALL}
    truth = dict.fromkeys(wanted, 0)
    for told in corpus.messages():
        plain = fold(told.text)
        for query, text in wanted.items():
            truth[query] += text in plain
    found: dict[str, tuple[int, int]] = {}
    for query in wanted:
        count, cursor = 0, None
        while True:
            page = await reader.search(query, limit=500, cursor=cursor)
            count += len(page.items)
            cursor = page.next_cursor
            if cursor is None:
                break
        found[query] = (truth[query], count)
    return found


def cold(folder: AccountFolder) -> float:
    """Seconds from opening to the first answer of a search, its pages dropped from the system's cache."""
    descriptor = os.open(folder.archive_db, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)

    async def first() -> float:
        start = time.perf_counter()
        async with open_archive(folder) as reader:
            await reader.search("morning")
        return time.perf_counter() - start

    return anyio.run(first)


def write_forever(home: Path, size: int, rate: float, first: int) -> None:
    """The writer process: live messages at a rate, ten a commit, each acknowledged number on stdout."""
    folder = AccountFolder("default", home / "accounts" / "default")
    corpus = Corpus(size)

    async def run() -> None:
        async with open_archive(folder, write=True) as archive:
            seq = await archive.position()
            number = first
            while True:
                start = time.perf_counter()
                batch = [
                    Row(seq + 1 + n, 17, corpus.live(new_message(corpus, number + n, n))) for n in range(10)
                ]
                await archive.ingest(batch)
                seq, number = seq + 10, number + 10
                print(number, flush=True)
                if rate:
                    await anyio.sleep(max(0.0, 10 / rate - (time.perf_counter() - start)))

    anyio.run(run)


def start_writer(home: Path, size: int, rate: float, first: int) -> subprocess.Popen[str]:
    """Start the writer process and wait for its first commit."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.archive",
        "--writer",
        str(home),
        str(size),
        str(rate),
        str(first),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


async def beside_writer(folder: AccountFolder, home: Path, size: int) -> list[float]:
    """Search with context while a writer commits 500 messages a second."""
    process = start_writer(home, size, 500, size * 2)
    try:
        async with open_archive(folder) as reader:

            async def call() -> None:
                page = await reader.search("morning", limit=20)
                await reader.context(page.items[0].ref, before=1, after=1)

            return await measure(call, 400)
    finally:
        process.kill()
        process.communicate()


def kill_rounds(rounds: int) -> tuple[int, int]:
    """Kill the writer again and again; (acknowledged messages, messages lost)."""
    acknowledged = lost = 0
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        folder = AccountFolder("default", home / "accounts" / "default")
        corpus = Corpus(1_000)
        rng = random.Random(7)
        for turn in range(rounds):
            first = 10_000_000 + turn * 100_000
            process = start_writer(home, 1_000, 0, first)
            time.sleep(rng.uniform(0.01, 0.25))
            process.send_signal(signal.SIGKILL)
            told = process.communicate()[0].split()
            last = int(told[-1]) if told else first + 10
            with closing(sqlite3.connect(folder.archive_db)) as db:
                assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                there = {row[0] for row in db.execute("SELECT wa_id FROM messages")}
            numbers = range(first, last)
            acknowledged += len(numbers)
            lost += sum(new_message(corpus, number, 0).wa_id not in there for number in numbers)
    return acknowledged, lost


def power_rounds(rounds: int) -> tuple[int, int]:
    """Cut the power again and again, unsynced writes kept or lost at random; (acknowledged, lost)."""
    acknowledged = lost = 0
    corpus = Corpus(1_000)
    rng = random.Random(11)

    async def one(home: Path, disk: ForgetfulDisk) -> None:
        nonlocal acknowledged, lost
        folder = AccountFolder("default", home / "accounts" / "default")
        async with open_archive(folder, write=True) as archive:
            done = 0
            for turn in range(10):
                count = rng.randrange(1, 60)
                events = [
                    Row(done + n + 1, 17, corpus.live(new_message(corpus, done + n, n))) for n in range(count)
                ]
                done = (await archive.ingest(events)).position
                copy = home / f"after-{turn}"
                disk.crash(folder.path, copy, rng)
                with closing(sqlite3.connect(copy / "archive.db")) as db:
                    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                    there = {row[0] for row in db.execute("SELECT wa_id FROM messages")}
                lost += sum(new_message(corpus, number, 0).wa_id not in there for number in range(done))
            acknowledged += done

    for _ in range(-(-rounds // 10)):
        with tempfile.TemporaryDirectory() as name, ForgetfulDisk() as disk:
            anyio.run(one, Path(name), disk)
    return acknowledged, lost


async def one_size(size: int, home: Path) -> dict[str, Any]:
    """All figures of one size."""
    folder = AccountFolder("default", home / "accounts" / "default")
    corpus = Corpus(size)
    figures: dict[str, Any] = {"size": size}
    async with open_archive(folder, write=True) as archive:
        figures["history msg/s"] = round(await fill(archive, corpus))
        figures["bytes per message"] = round(folder.archive_db.stat().st_size / size)
        figures["live msg/s, one a commit"] = round(await live(archive, corpus, 2_000, 1))
        figures["live msg/s, 50 a commit"] = round(await live(archive, corpus, 4_000, 50))
    async with open_archive(folder) as reader:
        figures["queries"] = await ask(reader, corpus)
        figures["recall"] = await recall(reader, corpus)
    return figures


def report(figures: dict[str, Any]) -> None:
    """Print the figures of one size."""
    print(f"\n== {figures['size']:,} messages")
    for name in ("history msg/s", "live msg/s, one a commit", "live msg/s, 50 a commit", "bytes per message"):
        print(f"{name:34}{figures[name]:>10,}")
    print(f"{'':34}     p50      p99   ms")
    for name, samples in figures["queries"].items():
        limit = MUST.get(name)
        held = "" if limit is None else f"   must: {limit:g} at 1M"
        print(f"{name:34}{spread(samples)}{held}")
    print(f"{'':34}   there    found")
    for query, (there, found) in figures["recall"].items():
        print(f"{query:34}{there:8,} {found:8,}")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument(
        "--rounds", type=int, default=0, help="kill -9 and power cut rounds (100: full proof)"
    )
    parser.add_argument("--writer", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="write the medians here")
    arguments = parser.parse_args()
    if arguments.writer:
        home, size, rate, first = arguments.writer
        write_forever(Path(home), int(size), float(rate), int(first))
        return
    medians: dict[int, dict[str, float]] = {}
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as name:
            home = Path(name)
            folder = AccountFolder("default", home / "accounts" / "default")
            figures = anyio.run(one_size, size, home)
            report(figures)
            print(f"{'cold open and search':34}{cold(folder) * 1000:8.1f}            ms  must: 20 at 1M")
            print(
                f"{'search beside a writer, 500/s':34}{spread(anyio.run(beside_writer, folder, home, size))}"
            )
            medians[size] = {
                key: statistics.median(value) * 1000 for key, value in figures["queries"].items()
            }
    if len(medians) > 1:
        smallest, biggest = min(medians), max(medians)
        growth = max(medians[biggest][name] / medians[smallest][name] for name in MUST)
        print(f"\ngrowth {smallest:,} to {biggest:,}: {growth:.2f} times at worst (must: 3)")
    if arguments.rounds:
        acknowledged, lost = kill_rounds(arguments.rounds)
        print(f"kill -9, {arguments.rounds} rounds: {acknowledged:,} acknowledged, {lost} lost (must: 0)")
        acknowledged, lost = power_rounds(arguments.rounds)
        print(f"power cut, {arguments.rounds} rounds: {acknowledged:,} acknowledged, {lost} lost (must: 0)")
    if arguments.json:
        arguments.json.write_text(json.dumps(medians, indent=1))
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
