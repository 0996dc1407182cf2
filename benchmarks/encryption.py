"""Cost of encryption: `python -m benchmarks.encryption`.

The same history is archived, live messages are committed one by one, and searches run, in a plain and in an
encrypted account by turns; medians and their ratios. A plain account is opened with Python's own SQLite, so
what it costs there is the question whether it is encrypted: the last line.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Final

import anyio

from benchmarks.archive import fill, live
from benchmarks.corpus import Corpus
from benchmarks.verdicts import amount
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.files.vault import KeySource, Vault
from whatsapp_mcp.settings import AccountFolder

_LIVE: Final = 200
_SEARCHES: Final = ("rosenberg", "morning", "you", "会议", "meet*")
_REPEATED: Final = 40
_ASKED: Final = 10_000

Figures = dict[str, list[float]]
"""Milliseconds of each thing that is measured."""


def account(home: Path, name: str, *, encrypted: bool) -> AccountFolder:
    """A new account."""
    path = home / "accounts" / name
    folder = AccountFolder(name, path, Vault(path, KeySource(file=home / "key")))
    folder.create()
    if encrypted:
        folder.vault.create()
        folder.vault.set_step(None)
    return folder


async def measure(folder: AccountFolder, corpus: Corpus, figures: Figures) -> None:
    """Archive, commit and search in one account."""
    begun = time.perf_counter()
    async with open_archive(folder, write=True) as archive:
        figures["open"].append(1000 * (time.perf_counter() - begun))
        taken = await fill(archive, corpus, list(corpus.messages()))
        figures["archive a message of the past"].append(1000 * taken.clock / corpus.size)
        samples = await live(archive, corpus, _LIVE)
        figures["commit a live message"].append(1000 * statistics.median(one.clock for one in samples))
        begun = time.perf_counter()
        for _ in range(_REPEATED):
            for query in _SEARCHES:
                await archive.search(query)
        figures["search"].append(1000 * (time.perf_counter() - begun) / _REPEATED / len(_SEARCHES))
        begun = time.perf_counter()
        for _ in range(_REPEATED):
            await archive.chats()
        figures["list chats"].append(1000 * (time.perf_counter() - begun) / _REPEATED)


async def compare() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=amount(10_000, 200), help="messages in the archive")
    parser.add_argument("--rounds", type=int, default=amount(3, 1))
    options = parser.parse_args()
    corpus = Corpus(options.count)
    plain, encrypted = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory() as home:
            for name, figures in (("plain", plain), ("encrypted", encrypted)):
                folder = account(Path(home), f"{name}{number}", encrypted=name == "encrypted")
                await measure(folder, corpus, figures)
    print(f"{'milliseconds, medians':32}{'plain':>10}{'encrypted':>12}{'ratio':>8}")
    for what, samples in plain.items():
        before, after = statistics.median(samples), statistics.median(encrypted[what])
        print(f"{what:32}{before:10.3f}{after:12.3f}{after / before:8.2f}")
    with tempfile.TemporaryDirectory() as home:
        folder = account(Path(home), "plain", encrypted=False)
        begun = time.perf_counter()
        for _ in range(_ASKED):
            folder.key_of(folder.archive_db)
        print(f"{'ask whether it is encrypted':32}{1000 * (time.perf_counter() - begun) / _ASKED:10.4f}")


def main() -> None:
    """Run it."""
    anyio.run(compare)


if __name__ == "__main__":
    main()
