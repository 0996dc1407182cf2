"""The archive under load: `python -m benchmarks.archive [--sizes 10000 1000000] [--rounds 100]`.

For each size the corpus goes in as the phone's history, then live messages: from a journal as a host takes
them (what waits there goes in together), and one a commit, which the disk decides. Every query is asked of a
warm archive through the same interface that the server uses. Then the searches run beside a writer of 500
messages a second in a process of its own. With `--rounds` that writer is killed, and the power cut, as often
(`benchmarks/durability.py`). Queries are in milliseconds. At the end stands what must hold at a million
messages on a machine of two cores, and whether it does.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio

from benchmarks.corpus import Corpus
from benchmarks.durability import Row, kill_rounds, power_rounds, rows, start_writer
from whatsapp_mcp.archive import Archive, MessageFilter, ReadingArchive, open_archive
from whatsapp_mcp.archive.normalise import fold
from whatsapp_mcp.client.journal import Journal
from whatsapp_mcp.device.clock import SystemClock
from whatsapp_mcp.device.ingest import Ingest
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
SUBSTRING: Final = "ornin"
CHAT: Final = 1_200
"""Messages of the chat that is searched: an archive of a hundred times the size has one as big."""
MILLION: Final = 1_000_000
_LONG_ENOUGH: Final = 3.0
"""Seconds of samples that say enough about a query."""


@dataclass(frozen=True, slots=True)
class Must:
    """A limit, and whether a figure has to be above it rather than below."""

    limit: float
    least: bool = False

    def held(self, figure: float) -> bool:
        """Whether the figure keeps to it."""
        return figure >= self.limit if self.least else figure <= self.limit


MUST: Final = {
    "history, messages a second": Must(9_000, least=True),
    "live, from the journal, a second": Must(1_500, least=True),
    "bytes a message": Must(400),
    "search with context": Must(1.0),
    "search in a chat": Must(1.0),
    "search in the biggest chat": Must(1.0),
    "list chats": Must(0.3),
    "list messages of a chat": Must(0.3),
    "context": Must(0.3),
    "search beside a writer, 500/s": Must(2.0),
    "cold open and search": Must(20.0),
}
"""What must hold at a million messages; times are p50 in milliseconds."""
GROWING: Final = (
    "search: word, 5 %",
    "search with context",
    "search in a chat",
    "list chats",
    "list messages of a chat",
    "context",
)
"""Queries that answer a full page at every size, so that their times can be compared."""
GROWTH: Final = 3.0


@dataclass(slots=True)
class Figures:
    """What was measured at one size: figures, samples in seconds, (there, found) of each search."""

    size: int
    single: dict[str, float] = field(default_factory=dict[str, float])
    samples: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    recall: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])

    def figure(self, name: str) -> float:
        """A single figure, or the p50 of samples in milliseconds."""
        return self.single[name] if name in self.single else statistics.median(self.samples[name]) * 1000


async def measure(call: Callable[[], Awaitable[Any]], times: int = 200) -> list[float]:
    """Seconds of repeated calls, after a few to warm up; fewer when they are slow."""
    for _ in range(3):
        await call()
    samples: list[float] = []
    while len(samples) < times and sum(samples) < _LONG_ENOUGH:
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


async def live(archive: Archive, corpus: Corpus, count: int) -> list[float]:
    """Archive live messages one by one; seconds of each."""
    after = await archive.position()
    taken: list[float] = []
    for row in rows(corpus, after, corpus.size + after * 1000, count):
        start = time.perf_counter()
        await archive.ingest([row])
        taken.append(time.perf_counter() - start)
    return taken


async def drain(archive: Archive, corpus: Corpus, folder: AccountFolder, count: int) -> float:
    """Archive live messages that wait in a journal, as a host does; messages a second."""
    after = await archive.position()
    with Journal(folder.inbox_db, synced=False) as journal:
        journal.continue_after(after)
        for row in rows(corpus, after, corpus.size + after * 1000, count):
            journal.append(row.generation, row.code, row.payload)
    done = anyio.Event()
    host = Ingest(
        folder.inbox_db, archive, SystemClock(), archived=lambda: done.set() if not host.waiting else None
    )
    await host.prepare()
    host.announce(after + count)
    start = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(host.run)
        await done.wait()
        tasks.cancel_scope.cancel()
    return count / (time.perf_counter() - start)


async def search_with_context(reader: ReadingArchive) -> None:
    """A search, and the first hit between its neighbours."""
    page = await reader.search("more", limit=20)
    await reader.context(page.items[0].ref, before=1, after=1)


async def ask(reader: ReadingArchive, corpus: Corpus) -> dict[str, list[float]]:
    """Every query's timings through the interface."""
    big, some = corpus.chat_jid(0), corpus.chat_jid(corpus.chat_of_size(CHAT))
    ref = (await reader.search("more", limit=1)).items[0].ref
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        f"search: {name}": (lambda text=text: reader.search(text)) for name, text in QUERIES.items()
    }
    calls |= {
        "search with context": lambda: search_with_context(reader),
        "search in a chat": lambda: reader.search("you", MessageFilter(chat=some)),
        "search in the biggest chat": lambda: reader.search("morning", MessageFilter(chat=big)),
        "search by relevance, 5 %": lambda: reader.search("you", order="relevance"),
        "substring": lambda: reader.search(SUBSTRING, mode="substring"),
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
    """For words in each script, and a part of one: messages that hold them, and messages found.

    A voice message has no caption; letters glued to others without a space are no word.
    """
    wanted = {query: fold(query) for query in (*RECALL, SUBSTRING)}
    truth = dict.fromkeys(wanted, 0)
    for told in corpus.messages():
        plain = "" if told.media == "voice" else fold(told.text)
        for query, text in wanted.items():
            if text in plain:
                alone = re.search(rf"(?<![a-z]){text}(?![a-z])", plain)
                truth[query] += query == SUBSTRING or alone is not None
    found: dict[str, tuple[int, int]] = {}
    for query in wanted:
        count, cursor = 0, None
        while True:
            mode = "substring" if query == SUBSTRING else "words"
            page = await reader.search(query, mode=mode, limit=500, cursor=cursor)
            count += len(page.items)
            cursor = page.next_cursor
            if cursor is None:
                break
        found[query] = (truth[query], count)
    return found


def synced_write(folder: Path) -> float:
    """Milliseconds in which the disk takes 64 KiB for good: no commit is faster. The median of many."""
    taken: list[float] = []
    with (folder / "synced").open("wb", buffering=0) as file:
        for _ in range(100):
            start = time.perf_counter()
            file.write(bytes(64 * 1024))
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1000


def cold(folder: AccountFolder) -> float:
    """Milliseconds from opening to the first answer of a search, the file out of the system's cache."""
    descriptor = os.open(folder.archive_db, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)

    async def first() -> float:
        start = time.perf_counter()
        async with open_archive(folder) as reader:
            await reader.search("morning")
        return (time.perf_counter() - start) * 1000

    return anyio.run(first)


async def beside_writer(folder: AccountFolder, home: Path, size: int) -> list[float]:
    """Search with context while a writer commits 500 messages a second."""
    process = start_writer(home, size, 500, size * 2)
    try:
        async with open_archive(folder) as reader:
            return await measure(lambda: search_with_context(reader), 400)
    finally:
        process.kill()
        process.communicate()


async def one_size(size: int, home: Path) -> Figures:
    """All figures of one size but those that need a new process or a cold cache."""
    folder = AccountFolder("default", home / "accounts" / "default")
    corpus = Corpus(size)
    figures = Figures(size)
    async with open_archive(folder, write=True) as archive:
        figures.single["history, messages a second"] = await fill(archive, corpus)
        figures.single["bytes a message"] = folder.archive_db.stat().st_size / size
        figures.single["synced write of 64 KiB, ms"] = synced_write(home)
        figures.single["live, from the journal, a second"] = await drain(archive, corpus, folder, 10_000)
        one = await live(archive, corpus, 3_000)
        figures.single["live, one a commit, a second"] = len(one) / sum(one)
        figures.samples = {"commit of one live message": one}
    async with open_archive(folder) as reader:
        figures.samples |= await ask(reader, corpus)
        figures.recall = await recall(reader, corpus)
    return figures


def report(figures: Figures) -> None:
    """Print the figures of one size."""
    print(f"\n== {figures.size:,} messages (load {os.getloadavg()[0]:.1f})")
    for name, figure in figures.single.items():
        print(f"{name:34}{figure:10,.0f}" if figure >= 100 else f"{name:34}{figure:10.2f}")
    print(f"{'':34}       p50      p99     best   ms")
    for name, samples in figures.samples.items():
        ordered = sorted(samples)
        last, best = ordered[int(len(ordered) * 0.99)] * 1000, ordered[0] * 1000
        print(f"{name:34}{figures.figure(name):10.3f}{last:9.3f}{best:9.3f}")
    print(f"{'':34}     there    found")
    for query, (there, found) in figures.recall.items():
        print(f"{query:34}{there:10,}{found:9,}")


def judge(smallest: Figures, biggest: Figures) -> None:
    """Print what must hold and whether it does."""
    print(f"\n== what must hold at {MILLION:,} messages, at {biggest.size:,}")
    for name, must in MUST.items():
        figure = biggest.figure(name)
        kept = "held" if must.held(figure) else "MISSED"
        print(f"{name:34}{figure:10,.2f}   {'at least' if must.least else 'at most'} {must.limit:g}: {kept}")
    complete = all(found >= there for there, found in biggest.recall.values())
    print(f"{'every search complete':34}{'':10}   {'held' if complete else 'MISSED'}")
    if smallest is not biggest:
        ratios = {name: biggest.figure(name) / smallest.figure(name) for name in GROWING}
        worst = max(ratios, key=lambda name: ratios[name])
        kept = "held" if ratios[worst] <= GROWTH else "MISSED"
        name = f"growth from {smallest.size:,}"
        print(f"{name:34}{ratios[worst]:10.2f}   at most {GROWTH:g}: {kept} ({worst})")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument(
        "--rounds", type=int, default=0, help="kill -9 and power cut rounds (100: full proof)"
    )
    arguments, _ = parser.parse_known_args()
    every: list[Figures] = []
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as name:
            home = Path(name)
            folder = AccountFolder("default", home / "accounts" / "default")
            figures = anyio.run(one_size, size, home)
            figures.single["cold open and search"] = cold(folder)
            figures.samples["search beside a writer, 500/s"] = anyio.run(beside_writer, folder, home, size)
        report(figures)
        every.append(figures)
    judge(min(every, key=lambda one: one.size), max(every, key=lambda one: one.size))
    if arguments.rounds:
        for name, run in (("kill -9", kill_rounds), ("power cut", power_rounds)):
            acknowledged, lost = run(arguments.rounds)
            kept = "held" if not lost else "MISSED"
            print(f"{f'{name}, {arguments.rounds} rounds, lost':34}{lost:10,}   of {acknowledged:,}: {kept}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
