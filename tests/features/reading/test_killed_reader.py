"""A reading process that is killed again and again loses nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, NOON, journal
from tests.device.conftest import settings_of
from whatsapp_mcp.archive import Archive, open_archive, recording
from whatsapp_mcp.device.clock import SystemClock
from whatsapp_mcp.device.files.fetcher import Fetcher
from whatsapp_mcp.device.files.readers import Readers
from whatsapp_mcp.device.files.reading import ReadingLoop
from whatsapp_mcp.device.supervise import background_tasks
from whatsapp_mcp.features.reading.local_readers import readers_of
from whatsapp_mcp.models import ContactUpdate
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio
FILES = 40
KILLS = 5
TIMES = 60
"""How much faster this clock goes: what failed is due again a minute later."""


class FastClock(SystemClock):
    """A clock on which a minute takes a second."""

    def __init__(self) -> None:
        self._begun = super().monotonic()

    def now(self) -> datetime:
        start = datetime.fromtimestamp(NOON, UTC) + timedelta(hours=1)
        return start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return (super().monotonic() - self._begun) * TIMES

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds / TIMES)

    def limit(self, seconds: float | None) -> anyio.CancelScope:
        return super().limit(None if seconds is None else seconds / TIMES)


def letter(number: int) -> Any:
    body: Any = E2E.Message()
    body.documentMessage.fileName, body.documentMessage.mimetype = f"{number}.txt", "text/plain"
    body.documentMessage.fileLength, body.documentMessage.directPath = 1_000, "/v/x"
    body.documentMessage.mediaKey = b"k" * 32
    return body


@asynccontextmanager
async def files(folder: AccountFolder, clock: FastClock) -> AsyncIterator[Archive]:
    """An archive with documents of a contact, which are here and not read."""
    async with open_archive(folder, write=True, now=clock.now) as archive:
        events = [ev.message(f"A{number}", letter(number), at=NOON + number) for number in range(FILES)]
        await archive.ingest(journal(events))
        await archive.write(recording.record_contacts, [ContactUpdate(ANA, saved_name="Ana")])
        for number in range(FILES):
            path = folder.media / f"{number}.txt"
            path.write_text(f"page {number}\n" * 20_000)
            await archive.write(recording.record_media_path, f"A{number}", str(path))
        yield archive


async def kill_it(opened: list[Any], killed: list[int]) -> None:
    """Kill the reading process, each time when a new one has begun."""
    while len(killed) < KILLS:
        pid = opened[-1].pid if opened else None
        if pid is not None and pid not in killed:
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
        await anyio.sleep(0.01)


async def test_no_file_is_lost_to_a_reading_process_that_is_killed(folder: AccountFolder) -> None:
    clock, opened, killed = FastClock(), list[Any](), list[int]()

    @asynccontextmanager
    async def noted(readers: Readers) -> AsyncIterator[Any]:
        async with readers.open() as reader:
            opened.append(reader)
            yield reader

    def readers() -> Readers:
        real = readers_of(settings_of(folder).now())
        return replace(real, open=lambda: noted(real))

    async with files(folder, clock) as archive, background_tasks() as tasks:
        settings = settings_of(folder)

        async def call(*_: Any, **__: Any) -> None:
            raise NotImplementedError

        loop = ReadingLoop(archive, Fetcher(folder, settings, archive, call), settings, clock, readers)
        tasks.start_soon(loop.run)
        tasks.start_soon(kill_it, opened, killed)
        with anyio.fail_after(90):
            while True:
                page = await archive.messages(limit=FILES)
                if all(message.reading for message in page.items):
                    break
                await anyio.sleep(0.1)
        assert len(killed) == KILLS
        assert [message.problem for message in page.items] == [None] * FILES
        assert len((await archive.search("page", limit=FILES)).items) == FILES
