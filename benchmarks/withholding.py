"""Cost per call of withholding strangers' words: at most 3 % of a list, and 0.3 s of the longest texts.

The tools of one process, without a transport, on the archive of a synthetic account in which half of the
people stand in the address book. Each list is called in turn by an agent from whom nothing is withheld
(`open`) and by one from whom strangers' words are (`standard`). The difference of the medians is compared
with the fastest tenth of the same list over stdio, as `python -m benchmarks calls` calls it. Then 50
messages, each as long as WhatsApp takes them, are looked at for one-time codes, ordinary ones and slow ones:
in a list, and as the hits of a search. So are 50 messages full of contacts, and a page of the longest file.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio

from benchmarks.calls import Taken, fill, measure
from benchmarks.verdicts import amount, timed
from whatsapp_mcp.archive import ReadingArchive, open_archive, recording
from whatsapp_mcp.archive.read import Sought
from whatsapp_mcp.ledger import Ledger, open_ledger
from whatsapp_mcp.models import (
    Caller,
    ContactUpdate,
    FileReading,
    Message,
    MessageKind,
    Passage,
    ReadingKind,
)
from whatsapp_mcp.policy import MASK, Policy
from whatsapp_mcp.server.reading import GuardedArchive
from whatsapp_mcp.server.reading.guarded_search import see_hit
from whatsapp_mcp.server.reading.masking import masked_reading
from whatsapp_mcp.server.reading.withholding import View
from whatsapp_mcp.settings import Settings

ROUNDS: Final = amount(2_000, 5)
CHAT: Final = "15550001111@s.whatsapp.net"
NOW: Final = datetime(2026, 11, 24, tzinfo=UTC)
WARM_UP: Final = amount(50, 1)
LIMIT: Final = 0.03
"""Part of a list call over stdio."""
LISTS: Final[dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]]] = {
    "list_messages": ("messages", (), {"limit": 20}),
    "list_chats": ("chats", (), {"limit": 20}),
    "search_messages": ("search", ("you",), {"limit": 20}),
}


LONGEST: Final = 65_536
SOUGHT: Final = Sought("zebra", missing=MASK)
LONG_LIST: Final = 50
LONG_LIMIT: Final = 0.3
"""Seconds for a list of the longest messages, a page of hits, or a page of the longest file."""
LONG_TEXTS: Final = {
    "ordinary": "We meet at 14:30 at pier 4, bring 2; call +49 151 2345678. It is 1.299,00 € for all. ",
    "stems of words": "auth verif kod promo ",
    "one stem": "auth",
    "announced": "OTP 1234 ",
    "numbers": "1 2 3 4 ",
    "capitals": "code: ABCDE ",
    "without spaces": "验证码1234，",
}


async def save_half(home: Path) -> None:
    """Put every second person into the address book."""
    async with open_archive(Settings(home=home).account_folder(), write=True) as archive:
        people = (await archive.contacts(limit=500)).items
        await archive.write(
            recording.record_contacts, [ContactUpdate(one.jid, saved_name=one.name) for one in people[::2]]
        )


async def medians(archive: ReadingArchive, ledger: Ledger) -> dict[str, tuple[float, float]]:
    """Medians in seconds of each list, open and withheld."""
    caller = Caller("stdio:benchmark")
    modes = [GuardedArchive(archive, ledger, Policy.in_mode(mode), caller) for mode in ("open", "standard")]
    found: dict[str, tuple[float, float]] = {}
    for name, (method, args, kwargs) in LISTS.items():
        taken: list[list[float]] = [[], []]
        for round_ in range(WARM_UP + ROUNDS):
            for guarded, times in zip(modes, taken, strict=True):
                begin = time.perf_counter()
                await getattr(guarded, method)(*args, **kwargs)
                if round_ >= WARM_UP:
                    times.append(time.perf_counter() - begin)
        first, second = map(statistics.median, taken)
        found[name] = first, second
    return found


def long_message(ref: int, text: str, *, cards: bool = False, stranger: bool = False) -> Message:
    """A message with a long text, or full of contacts whose names are as long together."""
    names = [text[:7_000]] * 17
    return Message(
        ref,
        "",
        CHAT,
        "",
        CHAT,
        "",
        from_me=False,
        kind=MessageKind.CONTACT if cards else MessageKind.TEXT,
        text="" if cards else text,
        details={"contacts": [{"name": name} for name in names]} if cards else None,
        sender_stranger=stranger,
        timestamp=NOW,
    )


def long_answers(text: str) -> Iterator[tuple[str, float]]:
    """Yield the name of each masked answer with the seconds that it takes."""
    refs = range(amount(LONG_LIST, 1))
    for name, cards, found in (("list", False, False), ("contacts", True, False), ("hits", False, True)):
        messages = [long_message(ref, text, cards=cards, stranger=found) for ref in refs]
        view = View(withholds=True, counts=found)
        begin = time.perf_counter()
        if found:
            for index, message in enumerate(messages):
                see_hit(view, message, SOUGHT, room=len(messages) - index)
        else:
            view.messages(messages)
        yield name, time.perf_counter() - begin
    pages = [text[:4_000]] * amount(250, 1)
    reading = FileReading(ReadingKind.DOCUMENT, tuple(map(Passage, pages)), "")
    begin = time.perf_counter()
    masked_reading.__wrapped__(reading, 1 + len(pages) // 2)
    yield "page of a file", time.perf_counter() - begin


def long_lists() -> bool:
    """Measure and print answers with the longest messages; whether the limit holds."""
    holds = True
    for unit_name, unit in LONG_TEXTS.items():
        text = (unit * LONGEST)[:LONGEST]
        taken: dict[str, float] = {}
        for _ in range(amount(5, 1)):
            for name, seconds in long_answers(text):
                taken[name] = min(seconds, taken.get(name, seconds))
        verdict = timed(max(taken.values()) <= LONG_LIMIT)
        holds &= bool(verdict)
        figures = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in taken.items())
        print(f"{LONG_LIST} long messages, {unit_name:15}{figures}  {verdict}")
    return holds


async def run() -> bool:
    """Measure and print; whether the limit holds."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        await fill(home)
        await save_half(home)
        account = Settings(home=home).account_folder()
        async with open_archive(account) as archive, open_ledger(account) as ledger:
            found = await medians(archive, ledger)
        called = await measure(home)
    holds = long_lists()
    for name, (plain, withheld) in found.items():
        call = Taken.of(called[name]).quick
        part = (withheld - plain) / call
        verdict = timed(part <= LIMIT)
        holds &= bool(verdict)
        print(
            f"{name:18}{plain * 1e6:7.0f} µs open, {withheld * 1e6:7.0f} µs withheld: "
            f"{part:6.1%} of a call of {call * 1e3:.2f} ms  {verdict}"
        )
    return holds


def main() -> int:
    """Run it."""
    return 0 if anyio.run(run) else 1


if __name__ == "__main__":
    sys.exit(main())
