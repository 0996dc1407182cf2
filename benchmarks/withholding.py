"""What withholding strangers' words costs a call: at most 3 % of a list.

The tools of one process, without a transport, on the archive of a synthetic account in which half of the
people stand in the address book. Each list is called in turn by an agent from whom nothing is withheld
(`open`) and by one from whom strangers' words are (`standard`). The difference of the medians is compared
with the fastest tenth of the same list over stdio, as `python -m benchmarks calls` calls it.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import anyio

from benchmarks.calls import Taken, fill, measure
from benchmarks.verdicts import amount, timed
from whatsapp_mcp.archive import ReadingArchive, open_archive
from whatsapp_mcp.ledger import Ledger, open_ledger
from whatsapp_mcp.models import Caller, ContactUpdate
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.reading import GuardedArchive
from whatsapp_mcp.settings import Settings

ROUNDS: Final = amount(2_000, 5)
WARM_UP: Final = amount(50, 1)
LIMIT: Final = 0.03
"""Part of a list call over stdio."""
LISTS: Final[dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]]] = {
    "list_messages": ("messages", (), {"limit": 20}),
    "list_chats": ("chats", (), {"limit": 20}),
    "search_messages": ("search", ("you",), {"limit": 20}),
}


async def save_half(home: Path) -> None:
    """Put every second person into the address book."""
    async with open_archive(Settings(home=home).account_folder(), write=True) as archive:
        people = (await archive.contacts(limit=500)).items
        await archive.record_contacts([ContactUpdate(one.jid, saved_name=one.name) for one in people[::2]])


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
    holds = True
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
