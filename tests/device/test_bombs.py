"""What a client process hands over costs its leader a bounded amount of memory and time, whatever it is."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from tests.archive import events as ev
from tests.archive.events import NOON
from tests.device import bombs
from tests.device.bombs import MEBIBYTE
from tests.device.server_process import server_process
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.client.journal import Journal
from whatsapp_mcp.decoding.history import MAX_CONVERSATIONS, MAX_PEOPLE
from whatsapp_mcp.device.leader.observer import observed_status
from whatsapp_mcp.models import MessageFilter
from whatsapp_mcp.settings import AccountFolder, Settings
from whatsapp_mcp.storage import EVENT_BYTES

if sys.platform != "linux":
    pytest.skip("limits and peaks of another process", allow_module_level=True)

pytestmark = pytest.mark.anyio
LIMIT = 120
MEMORY = (256 + 72) * MEBIBYTE
"""At most 256 MB for an event, beside what a leader takes without one."""
SECONDS = 5.0
"""At most, of processor time, beside what a start takes."""
TICKS = os.sysconf("SC_CLK_TCK")
BEHIND = "what came behind it"
MANY = 40_000
"""Messages in one chunk of history."""


@pytest.fixture(scope="module")
async def start(tmp_path_factory: pytest.TempPathFactory) -> float:
    """The processor time of a leader that has nothing but a text to archive."""
    home = tmp_path_factory.mktemp("start")
    texts = [ev.message(f"S{number}", BEHIND) for number in range(2)]
    return (await cost_of_leading(journaled(home, *texts), home))[1]


def journaled(home: Path, *events: ev.Raw) -> AccountFolder:
    """An account whose former leader has left these events in its journal."""
    folder = Settings(home=home).account_folder()
    folder.create()
    with Journal(folder.inbox_db) as journal:
        for event in events:
            journal.append(1, int(event.code), event.payload)
    return folder


async def cost_of_leading(folder: AccountFolder, home: Path) -> tuple[int, float]:
    """The peak of memory and the processor time of a leader that has archived the journal."""
    async with server_process(home) as process:
        with anyio.fail_after(LIMIT):
            while _position(folder) < 2:  # noqa: ASYNC110  no event of another process
                await anyio.sleep(0.05)
        return _cost(process.pid)


def _cost(pid: int) -> tuple[int, float]:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    (peak,) = [int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:")]
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    seconds = (int(times[11]) + int(times[12])) / TICKS
    print(f"peak {peak / MEBIBYTE:.0f} MB, {seconds:.1f} s")
    return peak, seconds


def _position(folder: AccountFolder) -> int:
    with closing(sqlite3.connect(folder.archive_db)) as db:
        row = db.execute("SELECT value FROM meta WHERE key = 'position'").fetchone()
        return 0 if row is None else int(row[0])


async def texts(folder: AccountFolder) -> list[str | None]:
    async with open_archive(folder) as archive:
        return [one.text for one in (await archive.messages(MessageFilter())).items]


@pytest.mark.parametrize(
    ("bomb", "size"),
    [
        (bombs.conversations, 12 * MEBIBYTE),
        (bombs.conversations, MEBIBYTE),
        (bombs.messages, 16 * MEBIBYTE),
        (bombs.names, 12 * MEBIBYTE),
        (bombs.people, MAX_PEOPLE),
        (bombs.people, 230_000),
        (bombs.addresses, MAX_PEOPLE),
        (bombs.addresses, 150_000),
        (bombs.chats, MAX_CONVERSATIONS),
        (bombs.chats, 60_000),
        (bombs.receipts, 12 * MEBIBYTE),
        (bombs.options, 12 * MEBIBYTE),
        (bombs.mentions, 12 * MEBIBYTE),
        (bombs.members, 12 * MEBIBYTE),
        (bombs.quotes, 400),
        (bombs.conversations, EVENT_BYTES - 1024),
        (bombs.texts, EVENT_BYTES - MEBIBYTE),
        (bombs.large, 15 * MEBIBYTE),
        (bombs.large, EVENT_BYTES - MEBIBYTE),
        (bombs.large, EVENT_BYTES),
    ],
)
async def test_an_event_costs_little_whatever_it_would_take_parsed(
    tmp_path: Path, bomb: Callable[[int], ev.Raw], size: int, start: float
) -> None:
    folder = journaled(tmp_path, bomb(size), ev.message("B1", BEHIND))
    peak, seconds = await cost_of_leading(folder, tmp_path)
    assert peak < MEMORY
    assert seconds - start < SECONDS
    assert BEHIND in await texts(folder)


async def test_an_event_over_the_bounds_is_kept_as_it_came_and_counted_in_the_status(tmp_path: Path) -> None:
    bomb = bombs.conversations(12 * MEBIBYTE)
    folder = journaled(tmp_path, bomb, ev.message("B1", BEHIND))
    async with server_process(tmp_path):
        with anyio.fail_after(LIMIT):
            while (await observed_status(folder)).undecoded != 1:  # noqa: ASYNC110  no event of another process
                await anyio.sleep(0.05)
    with closing(sqlite3.connect(folder.archive_db)) as db:
        assert db.execute("SELECT payload, error FROM undecoded").fetchall() == [(bomb.payload, "OverBounds")]
    async with open_archive(folder, write=True) as archive:
        assert await archive.redecode() == 0


async def test_a_chunk_of_history_with_tens_of_thousands_of_messages_is_taken_in_whole(
    tmp_path: Path,
) -> None:
    past = [ev.web_message(f"H{n}", f"long ago, number {n}" * 4, at=NOON - n) for n in range(MANY)]
    folder = journaled(tmp_path, ev.history(ev.conversation(past)), ev.message("B1", BEHIND))
    del past
    peak, _ = await cost_of_leading(folder, tmp_path)
    assert peak < MEMORY
    async with open_archive(folder) as archive:
        report = await archive.statistics()
        assert (report.messages, report.undecoded) == (MANY + 1, 0)
