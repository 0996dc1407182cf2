"""Time of each page with a million messages: `python -m benchmarks.pages [--size N] [--home DIR]`.

Pages are asked for as a browser does, through the ASGI application, on a warm archive with a full audit.
Times are milliseconds of the clock and of the processor; on a shared machine the clock depends mostly on
other load, so a page that reads nothing is asked for in between. A home that is given is kept, and filled
only if it is empty.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import anyio
import httpx2
from starlette.applications import Starlette

from benchmarks.archive import fill
from benchmarks.corpus import Corpus
from benchmarks.verdicts import amount, timed
from tests.server.fakes import FakeDevices
from tests.web.site import COOKIE, Logins, PageDevice
from whatsapp_mcp.archive import ReadingArchive, open_archive
from whatsapp_mcp.ledger import AuditEntry, Ledger
from whatsapp_mcp.models import Caller
from whatsapp_mcp.server.tools import declared
from whatsapp_mcp.server.transports.tokens import Tokens
from whatsapp_mcp.settings import CurrentSettings, Settings
from whatsapp_mcp.web import Opened, ToolFacts
from whatsapp_mcp.web.pages import site_routes
from whatsapp_mcp.web.site import Site

LIMIT: Final = 50.0
"""Milliseconds of a page, p50."""
ROUNDS: Final = amount(30, 2)
AUDIT: Final = 200_000
_BATCH: Final = 5_000


class Taken(NamedTuple):
    """Milliseconds of one page: clock and processor."""

    clock: float
    cpu: float


@dataclass
class _Source:
    """A server with this archive."""

    archive: ReadingArchive
    ledger: Ledger
    current: CurrentSettings
    account: str = "default"

    def declared(self, tool: str) -> ToolFacts | None:
        return declared(tool)

    def opened(self) -> Opened:
        return Opened(FakeDevices(PageDevice()), self.archive, self.ledger)


async def prepare(home: Path, size: int) -> None:
    """Fill the archive and the audit, unless that was done."""
    folder = Settings(home=home).account_folder()
    if folder.archive_db.exists():
        return
    folder.create()
    corpus = Corpus(size)
    async with open_archive(folder, write=True) as archive:
        await fill(archive, corpus, list(corpus.messages()))
    ledger = Ledger(folder)
    reader, sender = Caller("stdio:claude", tool="list_messages"), Caller("token:n8n", tool="send_message")
    for start in range(0, min(AUDIT, size), _BATCH):
        for number in range(start, start + _BATCH):
            chat = (corpus.chat_jid(number % corpus.chats),)
            acts = number % 20 == 0
            entry = (
                AuditEntry(sender, "send", chat) if acts else AuditEntry(reader, "messages", chat, (number,))
            )
            ledger.audit.read(entry)
        await ledger.audit.flush()
    ledger.close()


async def paths(archive: ReadingArchive, corpus: Corpus) -> dict[str, str]:
    """Every page, with the ones that have most to do."""
    big = corpus.chat_jid(0)
    middle = (await archive.search("more", limit=1)).items[0].ref
    first = (await archive.messages(oldest_first=True, limit=1)).items[0]
    return {
        "connection": "/",
        "approvals": "/approvals",
        "chats": "/chats",
        "chats: unread": "/chats?show=unread",
        "chats: they wrote last": "/chats?show=unanswered",
        "chats: by name": "/chats?q=chat+42",
        "the biggest chat": f"/chats/{big}",
        "a chat at a message": f"/chats/{first.chat}?at={first.ref}",
        "a message": f"/message/{middle}",
        "search: rare word": "/search?q=rosenberg",
        "search: common word": "/search?q=the",
        "search: in a chat": "/search?q=in:%22Chat+7%22+more",
        "search: best first": "/search?q=you&order=relevance",
        "search: nothing": "/search?q=xyzzyx",
        "people": "/people",
        "people: by name": "/people?q=person+42",
        "a person": f"/people/{corpus.person_jid(1)}",
        "scheduled": "/scheduled",
        "acts": "/acts",
        "acts: readings": "/acts?show=readings",
        "agents": "/agents",
        "settings": "/settings",
        "what would happen": f"/settings/try?tool=send_message&chat={big}&tainted=yes",
        "tokens": "/tokens",
        "sign-in (reads nothing)": "/login",
    }


async def ask(http: httpx2.AsyncClient, path: str) -> Taken:
    """Ask for a page."""
    clock, cpu = time.perf_counter(), time.process_time()
    answer = await http.get(path)
    assert answer.status_code in {200, 403}, (path, answer.status_code)
    return Taken((time.perf_counter() - clock) * 1000, (time.process_time() - cpu) * 1000)


async def run(home: Path, size: int) -> bool:
    """Print the times; answers whether all are within the limit."""
    await prepare(home, size)
    settings = Settings(home=home, timezone="UTC")
    folder, corpus = settings.account_folder(), Corpus(size)
    async with open_archive(folder) as archive:
        source = _Source(archive, Ledger(folder), CurrentSettings(settings))
        app = Starlette(routes=site_routes([Site(source, COOKIE)], Logins(), Tokens(home)))
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://pages") as http:
            pages = await paths(archive, corpus)
            taken: dict[str, list[Taken]] = {name: [] for name in pages}
            for number in range(ROUNDS + 2):
                for name, path in pages.items():
                    one = await ask(http, path)
                    if number >= 2:  # the first ones warm it up
                        taken[name].append(one)
    print(f"{size:,} messages; milliseconds\n{'page':28}{'p50':>8}{'p95':>8}{'processor':>11}")
    slow: list[str] = []
    for name, times in taken.items():
        clocks = sorted(one.clock for one in times)
        median = statistics.median(clocks)
        cpu = statistics.median(one.cpu for one in times)
        print(f"{name:28}{median:8.1f}{clocks[int(len(clocks) * 0.95)]:8.1f}{cpu:11.1f}")
        slow += [name] * (median > LIMIT)
    verdict = timed(not slow)
    print(f"{verdict}  every page p50 at most {LIMIT:g} ms {', '.join(slow)}")
    return bool(verdict)


def main() -> int:
    """Run it; 1 if a page takes too long."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--size", type=int, default=amount(1_000_000, 1_000))
    parser.add_argument("--home", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return 0 if anyio.run(run, options.home or Path(folder), options.size) else 1


if __name__ == "__main__":
    sys.exit(main())
