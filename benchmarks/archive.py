"""The archive under load: `python -m benchmarks.archive [--sizes 10000 1000000]`.

For each size it archives the corpus as the phone's history, then live messages: from a journal, as the leader
does (in batches), and one per commit, which the disk limits. Queries run on a warm archive through the
interface that the server uses. Then searches run while another process writes 500 messages a second. Query
times are wall-clock and processor time in milliseconds; on a shared machine the wall-clock time depends
mostly on other load. At the end it prints the limits for a million messages on an idle machine with two
cores, and whether they hold. `benchmarks/durability.py` kills the writer and cuts the power,
`benchmarks/history.py` sends history through the real client.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import anyio

from benchmarks.corpus import Corpus, CorpusMessage
from benchmarks.durability import Row, rows, start_writer
from benchmarks.verdicts import Verdict, amount, judged, timed
from whatsapp_mcp.archive import Archive, ReadingArchive, open_archive
from whatsapp_mcp.archive.database.index import fold
from whatsapp_mcp.client.journal import Journal
from whatsapp_mcp.device.archiving import Archiver
from whatsapp_mcp.device.clock import SystemClock
from whatsapp_mcp.models import MessageFilter
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
"""Size of the searched chat: the same at each size of the archive, so that the times can be compared."""
MILLION: Final = 1_000_000
_LONG_ENOUGH: Final = 3.0
"""Seconds of samples that are enough for one query."""


@dataclass(frozen=True, slots=True)
class Must:
    """A limit, and whether it is a lower one."""

    limit: float
    least: bool = False

    def holds(self, name: str, figure: float, judge: Callable[[bool], Verdict] = timed) -> bool:
        """Print whether the figure is within the limit."""
        held = figure >= self.limit if self.least else figure <= self.limit
        bound = f"at {'least' if self.least else 'most'} {self.limit:g}"
        verdict = judge(held)
        print(f"{verdict}  {name:40}{figure:10,.2f}   {bound}")
        return bool(verdict)


class Sample(NamedTuple):
    """Seconds of one call: wall-clock and processor time."""

    clock: float
    cpu: float


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
"""The limits at a million messages; times are p50 in milliseconds."""
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
    """The results at one size: figures, samples in seconds, (existing, found) matches of each search."""

    size: int
    single: dict[str, float] = field(default_factory=dict[str, float])
    samples: dict[str, list[Sample]] = field(default_factory=dict[str, list[Sample]])
    recall: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])

    def figure(self, name: str) -> float:
        """A single figure, or the p50 of samples in milliseconds."""
        if name in self.single:
            return self.single[name]
        return statistics.median(sample.clock for sample in self.samples[name]) * 1000

    def cpu(self, name: str) -> float:
        """The p50 of the processor time in milliseconds."""
        return statistics.median(sample.cpu for sample in self.samples[name]) * 1000


async def sample(call: Callable[[], Awaitable[Any]]) -> Sample:
    """Time one call."""
    clock, cpu = time.perf_counter(), time.process_time()
    await call()
    return Sample(time.perf_counter() - clock, time.process_time() - cpu)


async def measure(call: Callable[[], Awaitable[Any]], times: int = 200) -> list[Sample]:
    """Time repeated calls, after a few to warm up; fewer if they are slow."""
    for _ in range(3):
        await call()
    samples: list[Sample] = []
    while len(samples) < times and sum(one.clock for one in samples) < _LONG_ENOUGH:
        samples.append(await sample(call))
    return samples


async def fill(archive: Archive, corpus: Corpus, every: list[CorpusMessage]) -> Sample:
    """Archive the corpus as history, decoding included."""
    clock = cpu = 0.0
    for seq, payload in enumerate(corpus.history(every=every), 1):
        events = [Row(seq, 13, payload)]
        taken = await sample(partial(archive.ingest, events))
        clock, cpu = clock + taken.clock, cpu + taken.cpu
    await archive.optimize()
    return Sample(clock, cpu)


async def live(archive: Archive, corpus: Corpus, count: int) -> list[Sample]:
    """Archive live messages one by one."""
    after = await archive.position()
    return [
        await sample(partial(archive.ingest, [row]))
        for row in rows(corpus, after, corpus.size + after * 1000, count)
    ]


async def drain(archive: Archive, corpus: Corpus, folder: AccountFolder, count: int) -> float:
    """Archive live messages from a journal, as the leader does; return messages a second."""
    after = await archive.position()
    with Journal(folder.inbox_db, synced=False) as journal:
        journal.continue_after(after)
        for row in rows(corpus, after, corpus.size + after * 1000, count):
            journal.append(row.generation, row.code, row.payload)
    done = anyio.Event()
    archiver = Archiver(
        folder, archive, SystemClock(), archived=lambda: done.set() if not archiver.waiting else None
    )
    await archiver.prepare()
    archiver.announce(after + count)
    start = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(archiver.run)
        await done.wait()
        tasks.cancel_scope.cancel()
    return count / (time.perf_counter() - start)


async def search_with_context(reader: ReadingArchive) -> None:
    """A search, and the first hit between its neighbours."""
    page = await reader.search("more", limit=20)
    await reader.context(page.items[0].ref, before=1, after=1)


async def ask(reader: ReadingArchive, corpus: Corpus) -> dict[str, list[Sample]]:
    """Time every query through the interface."""
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


def truth(every: Sequence[CorpusMessage]) -> dict[str, int]:
    """The number of messages that contain each test word (one for each script, and a part of a word).

    A voice message has no caption; letters attached to others without a space are not a word.
    """
    wanted = {query: fold(query) for query in (*RECALL, SUBSTRING)}
    held = dict.fromkeys(wanted, 0)
    for entry in every:
        plain = "" if entry.media == "voice" else fold(entry.text)
        for query, text in wanted.items():
            if text in plain:
                alone = re.search(rf"(?<![a-z]){text}(?![a-z])", plain)
                held[query] += query == SUBSTRING or alone is not None
    return held


async def found(reader: ReadingArchive, query: str) -> int:
    """The number of messages that a search finds, over all pages."""
    count, cursor = 0, None
    while True:
        mode = "substring" if query == SUBSTRING else "words"
        page = await reader.search(query, mode=mode, limit=500, cursor=cursor)
        count += len(page.items)
        cursor = page.next_cursor
        if cursor is None:
            return count


def synced_write(folder: Path) -> float:
    """Median milliseconds of a synchronous write of 64 KiB, which no commit can be faster than."""
    taken: list[float] = []
    with (folder / "synced").open("wb", buffering=0) as file:
        for _ in range(100):
            start = time.perf_counter()
            file.write(bytes(64 * 1024))
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1000


def cold(folder: AccountFolder) -> Sample:
    """Seconds from opening to the first answer of a search, with the file evicted from the system's cache."""
    descriptor = os.open(folder.archive_db, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)

    async def first() -> None:
        async with open_archive(folder) as reader:
            await reader.search("morning")

    return anyio.run(sample, first)


async def beside_writer(folder: AccountFolder, home: Path, size: int) -> list[Sample]:
    """Time a search with context while a writer commits 500 messages a second."""
    process = start_writer(home, size, 500, size * 2)
    try:
        async with open_archive(folder) as reader:
            return await measure(lambda: search_with_context(reader), 400)
    finally:
        process.kill()
        process.communicate()


async def one_size(size: int, home: Path) -> Figures:
    """All figures of one size except those that need a new process or a cold cache."""
    folder = AccountFolder("default", home / "accounts" / "default")
    corpus = Corpus(size)
    figures = Figures(size)
    every = list(corpus.messages())
    async with open_archive(folder, write=True) as archive:
        taken = await fill(archive, corpus, every)
        figures.single["history, messages a second"] = size / taken.clock
        figures.single["history, a second of the processor"] = size / taken.cpu
        figures.single["bytes a message"] = folder.archive_db.stat().st_size / size
        figures.single["synced write of 64 KiB, ms"] = synced_write(home)
        figures.single["live, from the journal, a second"] = await drain(archive, corpus, folder, 10_000)
        one = await live(archive, corpus, 1_000)
        figures.single["live, one a commit, a second"] = len(one) / sum(sample.clock for sample in one)
        figures.samples = {"commit of one live message": one}
    held = truth(every)
    del every
    async with open_archive(folder) as reader:
        figures.samples |= await ask(reader, corpus)
        figures.recall = {query: (held[query], await found(reader, query)) for query in held}
    return figures


def report(figures: Figures) -> None:
    """Print the figures of one size."""
    print(f"\n== {figures.size:,} messages (load {os.getloadavg()[0]:.1f})")
    for name, figure in figures.single.items():
        print(f"{name:36}{figure:10,.0f}" if figure >= 100 else f"{name:36}{figure:10.2f}")
    print(f"{'':36}       p50      p99     best  cpu p50   ms")
    for name, samples in figures.samples.items():
        ordered = sorted(sample.clock for sample in samples)
        last, best = ordered[int(len(ordered) * 0.99)] * 1000, ordered[0] * 1000
        print(f"{name:36}{figures.figure(name):10.3f}{last:9.3f}{best:9.3f}{figures.cpu(name):9.3f}")
    print(f"{'':36}     there    found")
    for query, (there, count) in figures.recall.items():
        print(f"{query:36}{there:10,}{count:9,}")


def judge(smallest: Figures, biggest: Figures) -> bool:
    """Print the limits and whether they hold; whether all do."""
    print(f"\n== limits at {MILLION:,} messages, measured at {biggest.size:,}")
    held = [must.holds(name, biggest.figure(name)) for name, must in MUST.items()]
    for query, (there, count) in biggest.recall.items():
        held.append(Must(there, least=True).holds(f"found of {query}", count, judged))
    if smallest is not biggest:
        for name in GROWING:
            ratio = biggest.figure(name) / smallest.figure(name)
            held.append(Must(GROWTH).holds(f"growth from {smallest.size:,}, {name}", ratio))
    return all(held)


def main() -> int:
    """Run the benchmark for the requested sizes; 1 if a limit does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=amount([10_000, 100_000, MILLION], [500, 1_000])
    )
    arguments, _ = parser.parse_known_args()
    every: list[Figures] = []
    for count in arguments.sizes:
        with tempfile.TemporaryDirectory() as name:
            home = Path(name)
            folder = AccountFolder("default", home / "accounts" / "default")
            figures = anyio.run(one_size, count, home)
            figures.samples["cold open and search"] = [cold(folder) for _ in range(5)]
            figures.samples["search beside a writer, 500/s"] = anyio.run(beside_writer, folder, home, count)
        report(figures)
        every.append(figures)
    held = judge(min(every, key=lambda one: one.size), max(every, key=lambda one: one.size))
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")
    return not held


if __name__ == "__main__":
    sys.exit(main())
