"""With a log, every operation is in it before it is applied, and the archive is what the log makes of it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, NOON, journal
from tests.archive.logs import MemoryStorage
from tests.archive.recorded import path_of, run
from tests.archive.replaying import contents, digests
from whatsapp_mcp.archive import Archive, UnappliedError, open_archive, outbox, recording, set_aside
from whatsapp_mcp.archive.projection import log_contents
from whatsapp_mcp.archive.projection.log_writer import UNAPPLIED_LIMIT
from whatsapp_mcp.decoding import events as decoding
from whatsapp_mcp.errors import InvalidArgument, SendUnknown, Unsupported
from whatsapp_mcp.models import IngestResult, JournalEvent, LocationContent, SendRequest, TextContent
from whatsapp_mcp.storage import Fenced, LogRow, Rewound, Unavailable, Unwritable

pytestmark = pytest.mark.anyio

Opened = Callable[[str], AbstractAsyncContextManager[Archive]]


@pytest.fixture
def storage() -> MemoryStorage:
    """An empty log."""
    return MemoryStorage()


@pytest.fixture
def opened(tmp_path: Path, storage: MemoryStorage) -> Opened:
    """Opens the archive of the log in a folder of a name; its clock goes on a second at each operation."""
    seconds = iter(range(NOON + 50_000, NOON + 1_000_000))

    @asynccontextmanager
    async def opening(name: str) -> AsyncIterator[Archive]:
        async with open_archive(
            path_of(tmp_path, name),
            write=True,
            now=lambda: datetime.fromtimestamp(next(seconds), UTC),
            storage=storage,
        ) as archive:
            ingest = archive.ingest

            async def kept(events: Sequence[JournalEvent]) -> IngestResult:
                storage.journal.keep(events)
                return await ingest(events)

            archive.ingest = kept  # pyright: ignore[reportAttributeAccessIssue]
            yield archive

    return opening


async def rebuilt(opened: Opened, tmp_path: Path, name: str) -> dict[str, str]:
    """The digests of an archive that the whole log makes in an empty folder."""
    async with opened(name):
        pass
    return digests(path_of(tmp_path, name))


def send(text: str, key: str | None = None) -> SendRequest:
    return SendRequest(ANA, TextContent(text), idempotency_key=key)


async def test_the_log_gives_the_same_archive_elsewhere(tmp_path: Path, opened: Opened) -> None:
    async with opened("there") as archive:
        await run(archive, path_of(tmp_path, "there"))
    assert await rebuilt(opened, tmp_path, "here") == digests(path_of(tmp_path, "there"))


async def test_what_is_archived_of_the_journal_is_named_in_the_log_and_not_repeated(
    opened: Opened, storage: MemoryStorage
) -> None:
    async with opened("there") as archive:
        await archive.ingest(journal([ev.message("A1", "a long text " * 100)]))
        assert (await archive.message("A1")).text.startswith("a long text")
    (row,) = storage.log.rows
    assert len(row.body) < 200
    assert b"a long text" not in row.body


async def test_nothing_is_handed_over_or_visible_before_it_is_in_the_log(
    opened: Opened, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go = anyio.Event(), anyio.Event()
    append = storage.log.append

    async def waiting(some: list[bytes]) -> int:
        reached.set()
        await go.wait()
        return await append(some)

    monkeypatch.setattr(storage.log, "append", waiting)
    done: list[str] = []
    async with opened("there") as archive, anyio.create_task_group() as tasks:

        async def record() -> None:
            await archive.write(recording.meta_set, "key", "value")
            done.append("handed over")

        tasks.start_soon(record)
        with anyio.fail_after(30):
            await reached.wait()
        assert done == []
        assert await archive.meta_get("key") is None
        go.set()
    assert done == ["handed over"]


async def test_operations_that_wait_together_are_appended_together(
    opened: Opened, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    go = anyio.Event()
    append = storage.log.append

    async def waiting(some: list[bytes]) -> int:
        sizes.append(len(some))
        await go.wait()
        return await append(some)

    monkeypatch.setattr(storage.log, "append", waiting)
    async with opened("there") as archive, anyio.create_task_group() as tasks:

        async def write(number: int) -> None:
            await archive.write(recording.meta_set, f"key {number}", "value")

        for number in range(20):
            tasks.start_soon(write, number)
        with anyio.fail_after(30):
            await anyio.wait_all_tasks_blocked()
            go.set()
    assert sum(sizes) == 20
    assert len(sizes) <= 2


async def test_of_two_sends_that_wait_together_the_second_is_refused_when_it_is_applied(
    tmp_path: Path, opened: Opened, storage: MemoryStorage
) -> None:
    outcomes: list[str] = []
    async with opened("there") as archive:

        async def accept() -> None:
            try:
                entry, _ = await archive.write(outbox.add, send("hi"))
                outcomes.append(f"send {entry.send_id}")
            except SendUnknown as error:
                outcomes.append(error.code)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(accept)
            tasks.start_soon(accept)
    assert sorted(outcomes) == ["SEND_UNKNOWN", "send 1"]
    assert storage.log.last_seq == 2
    assert await rebuilt(opened, tmp_path, "here") == digests(path_of(tmp_path, "there"))


async def test_what_was_appended_without_an_answer_is_applied_at_the_next_opening(
    opened: Opened, storage: MemoryStorage
) -> None:
    async with opened("there") as archive:
        storage.log.failure = Unavailable()
        with pytest.raises(Unavailable):
            await archive.write(recording.meta_set, "key", "value")
        with pytest.raises(Unavailable):
            await archive.write(recording.meta_set, "other", "value")
        assert await archive.meta_get("key") is None
    async with opened("there") as archive:
        assert await archive.meta_get("key") == "value"
        assert await archive.meta_get("other") is None


async def test_a_fenced_leader_writes_nothing_more(
    opened: Opened, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fenced(_: list[bytes]) -> int:
        raise Fenced

    async with opened("there") as archive:
        with monkeypatch.context() as patch:
            patch.setattr(storage.log, "append", fenced)
            with pytest.raises(Fenced):
                await archive.write(recording.meta_set, "key", "value")
        with pytest.raises(Fenced):
            await archive.write(recording.meta_set, "key", "value")
        with anyio.fail_after(30):
            assert isinstance(await archive.wait_ended(), Fenced)
    assert storage.log.last_seq == 0


async def test_what_the_disk_refuses_is_applied_once_it_can_be(
    tmp_path: Path, opened: Opened, storage: MemoryStorage
) -> None:
    async with opened("there") as archive:
        await archive.write(recording.meta_set, "key", "first")
        with closing(sqlite3.connect(path_of(tmp_path, "there").archive_db, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            archive._committer.db.execute("PRAGMA busy_timeout = 0")  # pyright: ignore[reportPrivateUsage]
            with pytest.raises(UnappliedError):
                await archive.write(recording.meta_set, "key", "second")
            with pytest.raises(sqlite3.OperationalError):
                await archive.write(recording.meta_set, "key", "third")
            db.execute("ROLLBACK")
        assert storage.log.last_seq == 2
        await archive.write(recording.meta_set, "other", "value")
        assert await archive.meta_get("key") == "second"


async def test_a_leader_whose_disk_refuses_for_long_ends(
    tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened("there") as archive:
        log = archive._log  # pyright: ignore[reportPrivateUsage]
        assert log is not None
        times = iter((100.0, 101.0, 100.0 + UNAPPLIED_LIMIT))
        monkeypatch.setattr(log, "_monotonic", times.__next__)
        with closing(sqlite3.connect(path_of(tmp_path, "there").archive_db, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            archive._committer.db.execute("PRAGMA busy_timeout = 0")  # pyright: ignore[reportPrivateUsage]
            for _ in range(3):
                with pytest.raises(sqlite3.OperationalError):
                    await archive.write(recording.meta_set, "key", "value")
            db.execute("ROLLBACK")
        with pytest.raises(Unwritable):
            await archive.write(recording.meta_set, "key", "value")
        with anyio.fail_after(30):
            assert isinstance(await archive.wait_ended(), Unwritable)


async def test_a_leader_whose_disk_recovers_goes_on(
    tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened("there") as archive:
        log = archive._log  # pyright: ignore[reportPrivateUsage]
        assert log is not None
        archive._committer.db.execute("PRAGMA busy_timeout = 0")  # pyright: ignore[reportPrivateUsage]
        for now in (100.0, 100.0 + 2 * UNAPPLIED_LIMIT):
            monkeypatch.setattr(log, "_monotonic", lambda now=now: now)
            with closing(sqlite3.connect(path_of(tmp_path, "there").archive_db, isolation_level=None)) as db:
                db.execute("BEGIN IMMEDIATE")
                with pytest.raises(sqlite3.OperationalError):
                    await archive.write(recording.meta_set, "key", "value")
                db.execute("ROLLBACK")
            await archive.write(recording.meta_set, "key", "value")


async def test_catching_up_is_left_off_when_nobody_waits_for_it_any_more(
    tmp_path: Path, opened: Opened, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = storage.log.read
    async with opened("here") as follower:
        async with opened("there") as archive:
            for number in range(200):
                await archive.write(recording.meta_set, f"key {number}", "value")
        with anyio.CancelScope() as scope:

            async def reading(after: int, limit: int) -> Sequence[LogRow]:
                scope.cancel()
                return await read(after, limit)

            monkeypatch.setattr(storage.log, "read", reading)
            await follower.catch_up()
        assert scope.cancelled_caught
        assert await follower.meta_get("key 199") is None
        monkeypatch.undo()
        await follower.catch_up()
        assert await follower.meta_get("key 199") == "value"


async def test_a_value_that_cannot_be_written_down_is_refused_before_it_is_in_the_log(
    opened: Opened, storage: MemoryStorage
) -> None:
    async with opened("there") as archive:
        with pytest.raises(InvalidArgument):
            await archive.write(recording.meta_set, "key", "\ud800")
        request = SendRequest(ANA, LocationContent(float("inf"), 0.0))
        with pytest.raises(InvalidArgument):
            await archive.write(outbox.add, request)
        await archive.write(recording.meta_set, "key", "value")
    assert storage.log.last_seq == 1


async def test_what_cannot_be_applied_at_all_is_an_outcome_that_lets_the_rest_follow(
    tmp_path: Path, opened: Opened, storage: MemoryStorage
) -> None:
    at = datetime.fromtimestamp(NOON, UTC)
    async with opened("there") as archive:
        with pytest.raises(OverflowError):
            await archive.outbox_sent(1 << 70, "3EB0", at)
        await archive.write(recording.meta_set, "key", "value")
    assert storage.log.last_seq == 2
    assert await rebuilt(opened, tmp_path, "here") == digests(path_of(tmp_path, "there"))


# Files and log.


async def test_an_archive_that_is_behind_applies_the_rest(tmp_path: Path, opened: Opened) -> None:
    async with opened("there") as archive:
        await archive.write(recording.meta_set, "key", "first")
    async with opened("here") as follower:
        async with opened("there") as archive:
            await archive.ingest(journal([ev.message("A1", "hi")]))
        await follower.catch_up()
        assert (await follower.message("A1")).text == "hi"
    assert digests(path_of(tmp_path, "here")) == digests(path_of(tmp_path, "there"))


@pytest.mark.parametrize("lost", [1, 3])
async def test_an_archive_that_is_ahead_of_its_log_is_set_aside_and_made_again(
    tmp_path: Path, opened: Opened, storage: MemoryStorage, lost: int
) -> None:
    async with opened("there") as archive:
        for number in range(3):
            await archive.write(recording.meta_set, "key", f"{number}")
    storage.log.rows = storage.log.rows[:-lost]
    storage.log.last_seq -= lost
    async with opened("there") as archive:
        assert await archive.meta_get("key") == (None if lost == 3 else "1")
    assert path_of(tmp_path, "there").archive_db.with_name("archive.db.damaged").exists()
    assert await rebuilt(opened, tmp_path, "here") == digests(path_of(tmp_path, "there"))


@pytest.mark.parametrize("others", [False, True])
async def test_a_leader_whose_archive_has_more_than_its_log_ends_each_time_until_the_files_are_set_aside(
    tmp_path: Path, opened: Opened, storage: MemoryStorage, others: bool
) -> None:
    async with opened("there") as archive:
        for number in range(3):
            await archive.write(recording.meta_set, "key", f"{number}")
    storage.log.rows, storage.log.last_seq = storage.log.rows[:-1], 2
    if others:
        async with opened("here") as archive:
            await archive.write(recording.meta_set, "key", "another")
    folder = path_of(tmp_path, "there")
    for _ in range(2):
        with pytest.raises(Rewound):
            async with open_archive(folder, write=True, storage=storage, leads=True):
                pass
    set_aside(folder)
    async with open_archive(folder, write=True, storage=storage, leads=True) as archive:
        assert await archive.meta_get("key") == ("another" if others else "1")


async def test_an_archive_that_has_applied_something_else_is_set_aside_and_made_again(
    tmp_path: Path, opened: Opened, storage: MemoryStorage
) -> None:
    async with opened("there") as archive:
        await archive.write(recording.meta_set, "key", "of another history")
    storage.log.rows, storage.log.last_seq = [], 0
    async with opened("here") as archive:
        await archive.write(recording.meta_set, "key", "value")
        await archive.write(recording.meta_set, "key", "another")
    async with opened("there") as archive:
        assert await archive.meta_get("key") == "another"
    assert digests(path_of(tmp_path, "here")) == digests(path_of(tmp_path, "there"))


async def test_a_raw_file_that_was_lost_is_made_again_with_its_archive(
    tmp_path: Path, opened: Opened
) -> None:
    folder = path_of(tmp_path, "there")
    async with opened("there") as archive:
        await archive.ingest(journal([ev.message("A1", "hi")]))
        await archive.write(recording.meta_set, "key", "value")
    before = digests(folder)
    folder.raw_db.unlink()
    async with opened("there"):
        pass
    assert digests(folder) == before


async def test_a_damaged_archive_is_made_again(tmp_path: Path, opened: Opened) -> None:
    folder = path_of(tmp_path, "there")
    async with opened("there") as archive:
        await archive.ingest(journal([ev.message("A1", "hi")]))
    before = digests(folder)
    folder.archive_db.write_bytes(b"no database" * 1000)
    async with opened("there"):
        pass
    assert digests(folder) == before


async def test_an_archive_that_was_in_no_log_is_left_alone(tmp_path: Path, opened: Opened) -> None:
    folder = path_of(tmp_path, "there")
    async with open_archive(folder, write=True) as archive:
        await archive.write(recording.meta_set, "key", "value")
    before = contents(folder)
    with pytest.raises(Unsupported, match="not made of a log"):
        async with opened("there"):
            pass
    assert contents(folder) == before


# Versions.


async def test_an_operation_of_a_later_version_stops_following_with_what_came_before_it_applied(
    tmp_path: Path, opened: Opened, storage: MemoryStorage
) -> None:
    async with opened("there") as archive:
        await archive.write(recording.meta_set, "key", "value")
        former = log_contents.hash_of(storage.log.rows[-1].body)
        later = b'[2,"of_tomorrow",0,"{}"]'
        storage.log.rows.append(LogRow(2, 1, bytes.fromhex(former) + later))
        storage.log.last_seq = 2
        with pytest.raises(Unsupported, match="does not know"):
            await archive.catch_up()
        assert await archive.meta_get("key") == "value"
    with pytest.raises(Unsupported, match="does not know"):
        async with opened("here"):
            pass
    assert dict(contents(path_of(tmp_path, "here"))["meta"])["operation"] == "1"


async def test_events_that_this_version_decodes_otherwise_are_not_applied(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened("there") as archive:
        await archive.ingest(journal([ev.message("A1", "hi")]))
    monkeypatch.delitem(decoding._DECODERS, ev.EventCode.MESSAGE)  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(Unsupported, match="reads them otherwise"):
        async with opened("here"):
            pass


@pytest.mark.parametrize("has_copy", [False, True])
async def test_a_snapshot_leads_on_a_version_that_decodes_what_precedes_it_otherwise(
    has_copy: bool, tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    if has_copy:
        async with opened("here"):
            pass
    async with opened("there") as archive:
        await archive.ingest(journal([ev.message("A1", "hi")]))
        assert await archive.is_snapshot_due(at_end=True)
        await archive.snapshot()
        assert not await archive.is_snapshot_due(at_end=True)
    monkeypatch.delitem(decoding._DECODERS, ev.EventCode.MESSAGE)  # pyright: ignore[reportPrivateUsage]
    async with opened("here") as archive:
        assert (await archive.message("A1")).text == "hi"
        await archive.write(recording.meta_set, "key", "value")
    assert not [*tmp_path.rglob("*.damaged")]  # noqa: ASYNC240


async def test_events_that_the_journal_has_lost_are_noticed(opened: Opened, storage: MemoryStorage) -> None:
    async with opened("there") as archive:
        await archive.ingest(journal([ev.message("A1", "hi"), ev.message("A2", "ho")]))
    storage.journal.rows.pop()
    with pytest.raises(Unsupported, match="missing"):
        async with opened("here"):
            pass
