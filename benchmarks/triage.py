"""How well triage tells who waits, and what a digest of a day costs.

Precision and recall are those of chats that wait for the owner (`me`) and of chats for which the owner waits
(`them`), on the ends of conversations in `tests/triage/ends`. The digest is that of a day of 2,000 messages
in 73 chats, with the facts that `tests/triage/day_texts` marks. The held-out halves were not looked at while
the vocabulary was written; who wrote the one wrote the other, too. Times are medians of processor time.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from datetime import UTC
from pathlib import Path
from typing import Final, Literal

import anyio

from benchmarks.verdicts import amount, timed
from tests.triage import day
from tests.triage.labelled import LANGUAGES, Figures, ends, figures
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.models import Digest
from whatsapp_mcp.server.render import digest_data, digest_text
from whatsapp_mcp.server.render.digest import tokens_of
from whatsapp_mcp.settings import Settings

ROUNDS: Final = amount(20, 1)
TOKENS: Final = 1_500
MILLISECONDS: Final = 50
LEAST: Final = 0.8
FACTS: Final = 0.9
HALVES: Final[tuple[Literal["known", "held out"], ...]] = ("known", "held out")
SIDES: Final[tuple[Literal["me", "them"], ...]] = ("me", "them")


def waiting() -> bool:
    """Print precision and recall; answers whether all are good enough."""
    good = True
    print("who waits          chats  precision  recall")
    for half in HALVES:
        for side in SIDES:
            total = Figures(0, 0, 0)
            for language in LANGUAGES:
                told, _ = figures(ends(language, half), side)
                total += told
                good &= min(told.precision, told.recall) >= LEAST
                _print(half, side, language, told)
            _print(half, side, "all", total)
    return good


def _print(half: str, side: str, language: str, told: Figures) -> None:
    print(f"{half:9} {side:5} {language:3} {told.labelled:4}  {told.precision:9.2f}  {told.recall:6.2f}")


def _text(digest: Digest) -> str:
    weights = [[fact.weight for fact in news.facts] for news in digest.chats]
    return digest_text(digest_data(digest, UTC), weights, day.EVENING, UTC, TOKENS).rendered("482913")


async def digest(home: Path) -> bool:
    """Print what a digest costs and tells; answers whether it is good enough."""
    folder = Settings(home=home).account_folder()
    folder.create()
    taken: list[float] = []
    text = ""
    async with open_archive(folder, write=True) as archive:
        await day.fill(archive, day.said())
        for _ in range(ROUNDS):
            begin = time.process_time()
            text = _text(await archive.digest(day.MORNING, zone=UTC, now=day.EVENING))
            taken.append((time.process_time() - begin) * 1000)
    milliseconds, tokens = statistics.median(taken), tokens_of(text)
    print(f"digest of {day.MESSAGES} messages: {milliseconds:.0f} ms, {tokens} tokens of {TOKENS}")
    facts, told = day.marked()[0], list[int]()
    for place, half in enumerate(HALVES):
        marked = [fact for fact in facts if fact.line % 2 == place]
        told.append(len(day.told(marked, text)))
        print(f"facts {half}: {told[-1]} of {len(marked)}")
    return bool(timed(milliseconds <= MILLISECONDS)) and tokens <= TOKENS and sum(told) / len(facts) >= FACTS


def main() -> int:
    """Print the figures; 1 if one is beyond its limit."""
    good = waiting()
    with tempfile.TemporaryDirectory() as home:
        good &= anyio.run(digest, Path(home))
    return not good


if __name__ == "__main__":
    sys.exit(main())
