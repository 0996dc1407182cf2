"""From the journal into the archive: in pieces, in order, and the index put in order once the past is in."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from tests.archive import events as ev
from tests.archive.events import NOON
from tests.archive.logs import MemoryStorage
from tests.device.fake_clock import FakeClock, settle
from whatsapp_mcp.archive import Archive, open_archive, recording
from whatsapp_mcp.client.journal import Journal
from whatsapp_mcp.device import archiving
from whatsapp_mcp.device.archiving import BATCH_BYTES, Archiver
from whatsapp_mcp.models import IngestResult, JournalEvent
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

LIMIT = 30.0


@pytest.fixture
def folder(tmp_path: Path) -> AccountFolder:
    made = AccountFolder("default", tmp_path / "accounts" / "default")
    made.create()
    return made


class Watched:
    """An archive that writes down what is asked of it; `steps` of merging have to be made."""

    def __init__(self, archive: Archive, steps: int = 3) -> None:
        self._archive = archive
        self._steps = steps
        self.asked: list[str] = []
        self.merged = anyio.Event()

    def __getattr__(self, name: str) -> object:
        return getattr(self._archive, name)

    async def ingest(self, events: Sequence[JournalEvent]) -> IngestResult:
        self.asked.append(f"{len(events)} events")
        return await self._archive.ingest(events)

    async def merge_index(self) -> bool:
        self.asked.append("merge")
        self._steps -= 1
        return self._steps > 0

    async def write(self, operation: Callable[..., Any], *values: Any) -> Any:
        try:
            return await self._archive.write(operation, *values)
        finally:
            if operation is recording.meta_set:
                self.merged.set()


def append(folder: AccountFolder, *raws: ev.Raw) -> int:
    """Journal these events; the last one's number."""
    with Journal(folder.inbox_db) as journal:
        return [journal.append(1, raw.code, raw.payload) for raw in raws][-1]


def journaled(folder: AccountFolder) -> list[int]:
    """The numbers of the events in the journal."""
    with Journal(folder.inbox_db) as journal:
        return [row.seq for row in journal.read(0, 100)]


def past(count: int, *, progress: int, text: str = "long ago") -> ev.Raw:
    messages = [ev.web_message(f"H{progress}-{n}", text, at=NOON - n) for n in range(count)]
    return ev.history(ev.conversation(messages), progress=progress)


async def test_the_index_is_merged_step_by_step_once_the_first_history_is_in(folder: AccountFolder) -> None:
    append(folder, past(2, progress=50), past(2, progress=100))
    async with open_archive(folder, write=True) as archive:
        watched = Watched(archive)
        ingest = Archiver(folder, cast("Archive", watched), FakeClock())
        await ingest.prepare()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ingest.run)
            with anyio.fail_after(LIMIT):
                await watched.merged.wait()
            tasks.cancel_scope.cancel()
        assert watched.asked == ["2 events", "merge", "merge", "merge"]
        again = Watched(archive)
        await Archiver(folder, cast("Archive", again), FakeClock()).prepare()
        assert again.asked == []


async def test_the_index_stays_as_it_is_while_the_past_is_still_coming(folder: AccountFolder) -> None:
    append(folder, past(2, progress=50))
    async with open_archive(folder, write=True) as archive:
        watched = Watched(archive)
        told = anyio.Event()
        clock = FakeClock()
        ingest = Archiver(folder, cast("Archive", watched), clock, archived=told.set)
        await ingest.prepare()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ingest.run)
            with anyio.fail_after(LIMIT):
                await told.wait()
                while ingest.waiting:
                    await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        assert watched.asked == ["1 events"]
        assert ingest.history_progress == 50


async def test_a_past_of_which_nothing_comes_any_more_is_not_waited_for_without_end(
    folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(folder, past(2, progress=50))
    with Journal(folder.inbox_db) as journal:
        (event,) = journal.read(0, 1)
    async with open_archive(folder, write=True) as archive:
        await archive.ingest([event])
        clock = FakeClock()
        ingest = Archiver(folder, archive, clock)
        await ingest.prepare()
        for hours, told in ((0.9, 50), (1.1, None)):
            now = datetime.fromtimestamp(event.received_at / 1000 + hours * 3600, UTC)
            monkeypatch.setattr(clock, "now", lambda now=now: now)
            assert ingest.history_progress == told


async def test_what_comes_while_the_index_is_merged_does_not_wait_for_its_end(folder: AccountFolder) -> None:
    append(folder, past(2, progress=100))
    async with open_archive(folder, write=True) as archive:
        watched = Watched(archive, steps=4)
        ingest = Archiver(folder, cast("Archive", watched), FakeClock())
        await ingest.prepare()

        async def merge_and_receive() -> bool:
            if watched.asked.count("merge") == 1:
                ingest.announce(append(folder, ev.message("LIVE")))
            return await Watched.merge_index(watched)

        watched.merge_index = merge_and_receive
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ingest.run)
            with anyio.fail_after(LIMIT):
                await watched.merged.wait()
            tasks.cancel_scope.cancel()
        assert watched.asked == ["1 events", "merge", "merge", "1 events", "merge", "merge"]


async def test_long_chunks_of_the_past_are_archived_one_by_one(folder: AccountFolder) -> None:
    long = "x" * (BATCH_BYTES // 2 + 1)
    append(folder, *(past(1, progress=done, text=long) for done in (20, 40, 60, 80)))
    async with open_archive(folder, write=True) as archive:
        watched = Watched(archive)
        ingest = Archiver(folder, cast("Archive", watched), FakeClock())
        await ingest.prepare()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ingest.run)
            with anyio.fail_after(LIMIT):
                while (await archive.position()) < 4:
                    await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        assert watched.asked == ["2 events", "2 events"]


async def test_a_damaged_journal_is_quarantined_reported_and_recreated(folder: AccountFolder) -> None:
    append(folder, ev.message("A"), ev.message("B"))
    async with open_archive(folder, write=True) as archive:
        for expected in (2, 3):
            ingest = Archiver(folder, archive, FakeClock())
            await ingest.prepare()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ingest.run)
                with anyio.fail_after(LIMIT):
                    while await archive.position() < expected:
                        await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
            if expected == 2:
                folder.inbox_db.write_bytes(b"no database" * 1000)
                await ingest.prepare()
                assert append(folder, ev.message("C")) == 3
        page = await archive.messages()
    assert {message.message_id for message in page.items} == {"A", "B", "C"}
    assert (folder.client / "inbox.db.damaged").exists()
    with closing(sqlite3.connect(folder.archive_db)) as db:
        ((reason,),) = db.execute("SELECT reason FROM gaps").fetchall()
    assert "damaged" in reason


async def test_whoever_waits_for_a_message_is_told_before_the_journal_is_pruned(
    folder: AccountFolder,
) -> None:
    clock, told = FakeClock(), anyio.Event()
    async with open_archive(folder, write=True) as archive:
        ingest = Archiver(folder, archive, clock, archived=told.set)
        await ingest.prepare()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ingest.run)
            ingest.announce(append(folder, ev.message("A")))
            with anyio.fail_after(LIMIT):
                await told.wait()
                await settle()
                assert journaled(folder) == [1]
                await clock.advance(0.2)
                while journaled(folder):
                    await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()


async def test_the_journal_is_pruned_although_messages_come_without_a_pause(
    folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiving, "BATCH", 3)
    async with open_archive(folder, write=True) as archive:
        ingest = Archiver(folder, archive, FakeClock())
        await ingest.prepare()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ingest.run)
            with anyio.fail_after(LIMIT):
                for number in range(1, 8):
                    ingest.announce(append(folder, ev.message(f"M{number}")))
                    while await archive.position() < number:
                        await anyio.lowlevel.checkpoint()
                while len(journaled(folder)) > 1:
                    await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
    assert journaled(folder) == [7]


async def test_a_leader_prunes_what_a_former_one_had_archived(folder: AccountFolder) -> None:
    append(folder, ev.message("A"), ev.message("B"))
    with Journal(folder.inbox_db) as journal:
        first, _ = journal.read(0, 2)
    async with open_archive(folder, write=True) as archive:
        await archive.ingest([first])
        await Archiver(folder, archive, FakeClock()).prepare()
    assert journaled(folder) == [2]


async def test_what_a_log_names_stays_in_the_journal(folder: AccountFolder) -> None:
    storage, clock, told = MemoryStorage(), FakeClock(), anyio.Event()
    storage.journal.keep(ev.journal([ev.message("A"), ev.message("B")]))
    async with open_archive(folder, write=True, storage=storage) as archive:
        ingest = Archiver(folder, archive, clock, journal=storage.journal, archived=told.set)
        await ingest.prepare()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ingest.run)
            with anyio.fail_after(LIMIT):
                await told.wait()
                await settle()
                await clock.advance(0.2)
                await settle()
            tasks.cancel_scope.cancel()
        await Archiver(folder, archive, clock, journal=storage.journal).prepare()
        assert await archive.position() == 2
    assert [row.seq for row in storage.journal.rows] == [1, 2]
    assert not folder.inbox_db.exists()


async def test_what_waits_is_told_with_how_long_nothing_was_archived(folder: AccountFolder) -> None:
    clock = FakeClock()
    async with open_archive(folder, write=True) as archive:
        archiver = Archiver(folder, archive, clock)
        await archiver.prepare()
        await clock.advance(1000)
        assert (archiver.stalled, archiver.announced, archiver.position) == (0, 0, 0)
        seq = append(folder, ev.message("ONE"), ev.message("TWO"))
        archiver.announce(1)
        await clock.advance(30)
        archiver.announce(seq)  # what comes meanwhile is no progress
        await clock.advance(40)
        assert (archiver.stalled, archiver.announced, archiver.position) == (70, seq, 0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(archiver.run)
            with anyio.fail_after(LIMIT):
                while archiver.waiting:
                    await settle()
            tasks.cancel_scope.cancel()
        assert (archiver.stalled, archiver.position) == (0, seq)
