"""Logs that SQLite leaves large: checkpointed once no reader blocks them."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import pytest

from benchmarks.soak.disk import small_disk
from tests.archive import events as ev
from tests.archive.events import journal
from whatsapp_mcp.archive import Archive, open_archive, recording
from whatsapp_mcp.device.leader import checkpoints
from whatsapp_mcp.device.leader.checkpoints import checkpoint_large_logs, keep_logs_small
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

ROOM = 3 << 20


@pytest.fixture
async def archive(folder: AccountFolder) -> AsyncIterator[Archive]:
    async with open_archive(folder, write=True) as archive:
        await archive.ingest(journal([ev.message("A0", "first")]))
        yield archive


@contextmanager
def reading(folder: AccountFolder) -> Iterator[None]:
    """A reader that began to read and is blocked."""
    with closing(sqlite3.connect(folder.archive_db, isolation_level=None)) as db:
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM messages").fetchall()
        yield


def log_size(folder: AccountFolder) -> int:
    return folder.archive_db.with_name("archive.db-wal").stat().st_size


async def write(archive: Archive, times: int = 1) -> None:
    for _ in range(times):
        await archive.write(recording.meta_set, "note", "x" * 200_000)


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """A disk that has no more room than this for a file."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes there")
async def test_a_log_that_took_the_last_room_while_somebody_read_is_folded_back_afterwards(
    folder: AccountFolder, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "LIMIT", ROOM // 2)
    with no_file_above(ROOM):
        with reading(folder), pytest.raises(sqlite3.Error):
            await write(archive, 100)
        with pytest.raises(sqlite3.Error):  # what SQLite does by itself
            await write(archive)
        assert checkpoint_large_logs(folder) == []
        await write(archive)
    assert log_size(folder) < ROOM // 2


async def test_a_log_that_took_the_last_block_is_folded_back_into_the_reserve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "LOW", ROOM)
    with small_disk(tmp_path / "default", 24) as disk:
        if disk.missing:
            pytest.skip(disk.missing)
        folder = AccountFolder("default", tmp_path / "default")
        async with open_archive(folder, write=True) as archive:
            assert checkpoint_large_logs(folder) == []  # there is room for a reserve
            with reading(folder):
                with pytest.raises(sqlite3.Error):
                    await write(archive, 1000)
                disk.fill()
                checkpoint_large_logs(folder)
            with pytest.raises(sqlite3.Error):
                await write(archive)
            assert checkpoint_large_logs(folder) == []
            await write(archive)
            assert log_size(folder) < ROOM


async def test_a_log_that_is_still_read_is_logged_once_and_checkpointed_later(
    folder: AccountFolder,
    archive: Archive,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(checkpoints, "LIMIT", ROOM)
    looks = 0

    async def sleep(_: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            scope.cancel()
        await anyio.lowlevel.checkpoint()

    with reading(folder):
        await write(archive, 20)
        with anyio.CancelScope() as scope:
            await keep_logs_small(folder, sleep=sleep)
        assert log_size(folder) > ROOM
    assert [record.message for record in caplog.records if "blocked" in record.message] == [
        "checkpoints: archive.db-wal blocked by a reader"
    ]
    assert checkpoint_large_logs(folder) == []
    assert log_size(folder) == 0
    assert await archive.meta_get("note")


async def test_a_log_of_usual_size_is_left_to_sqlite(folder: AccountFolder, archive: Archive) -> None:
    await write(archive, 3)
    before = log_size(folder)
    assert checkpoint_large_logs(folder) == []
    assert log_size(folder) == before > 0


async def test_a_log_of_usual_size_is_folded_back_where_there_is_little_room(
    folder: AccountFolder, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(archive, 3)
    monkeypatch.setattr(checkpoints, "LOW", 1 << 62)
    assert checkpoint_large_logs(folder) == []
    assert log_size(folder) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes there")
def test_a_reserve_that_could_not_be_written_is_written_later(folder: AccountFolder) -> None:
    with no_file_above(100):
        checkpoint_large_logs(folder)
    assert folder.reserve.stat().st_size <= 100
    checkpoint_large_logs(folder)
    assert folder.reserve.stat().st_size == checkpoints.RESERVE
    assert folder.reserve.stat().st_mode & 0o777 == 0o600


def test_a_log_without_its_file_makes_no_file(folder: AccountFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.archive_db.with_name("archive.db-wal").write_bytes(b"left over")
    monkeypatch.setattr(checkpoints, "LIMIT", 0)
    assert checkpoint_large_logs(folder) == ["archive.db-wal"]
    assert not folder.archive_db.exists()


async def test_what_a_host_that_died_has_left_in_a_log_is_folded_back_at_once(
    folder: AccountFolder, archive: Archive
) -> None:
    await write(archive, 3)
    assert log_size(folder) > 0

    async def sleep(_: float) -> None:
        scope.cancel()
        await anyio.lowlevel.checkpoint()

    with anyio.CancelScope() as scope:
        await keep_logs_small(folder, sleep=sleep)
    assert log_size(folder) == 0
