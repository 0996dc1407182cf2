"""Snapshots lead to the same archive as the log, and a purge leaves nothing that leads back before it."""

from __future__ import annotations

import errno
import io
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, BOB, NOW, journal
from tests.archive.logs import MemoryStorage
from tests.archive.recorded import path_of
from tests.archive.replaying import digests
from whatsapp_mcp.archive import Archive, LogStorage, open_archive, recording
from whatsapp_mcp.archive.care import FolderSnapshots, copy_archive, digest_of
from whatsapp_mcp.archive.projection import snapshotting
from whatsapp_mcp.device.leader.checkpoints import keep_snapshots, make_last_snapshot
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.files.conversion import encrypt
from whatsapp_mcp.files.encrypted_databases import connect
from whatsapp_mcp.files.vault import KeySource, Vault
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import Pruned, Snapshot, Unavailable
from whatsapp_mcp.system import draft_of

pytestmark = pytest.mark.anyio

WORD = "aardvark"


@pytest.fixture
def storage() -> MemoryStorage:
    """An empty log."""
    return MemoryStorage()


async def say(archive: Archive, storage: MemoryStorage, *messages: ev.Raw) -> None:
    """Receive messages and archive them."""
    events = journal(list(messages), after=storage.journal.last_seq())
    await archive.ingest(storage.journal.keep(events))


def at(folder: AccountFolder, storage: LogStorage):
    return open_archive(folder, write=True, now=lambda: NOW, storage=storage)


def unpacked(file: bytes) -> bytes:
    """All that a snapshot holds."""
    with tarfile.open(fileobj=io.BytesIO(file)) as packed:
        return b"".join(content.read() for one in packed if (content := packed.extractfile(one)) is not None)


def holds(storage: MemoryStorage, word: str) -> set[str]:
    """Where a word is."""
    found = {
        "log": b"".join(row.body for row in storage.log.rows),
        "journal": b"".join(row.payload for row in storage.journal.rows),
        "snapshots": b"".join(map(unpacked, storage.snapshots.files.values())),
    }
    return {place for place, content in found.items() if word.encode() in content}


def files_with(folder: AccountFolder, word: str) -> set[str]:
    """The files of an account that hold a word."""
    return {
        path.name for path in folder.path.glob("*") if path.is_file() and word.encode() in path.read_bytes()
    }


async def test_a_snapshot_and_the_rest_of_the_log_give_the_same_archive(
    tmp_path: Path, storage: MemoryStorage
) -> None:
    there, here = path_of(tmp_path, "there"), path_of(tmp_path, "here")
    async with at(there, storage) as archive:
        for number in range(3):
            await say(archive, storage, ev.message(f"A{number}", f"text {number}"))
            await archive.snapshot()
        await say(archive, storage, ev.message("B", "after"))
    assert [row.seq for row in storage.log.rows] == [3, 4]
    assert [row.seq for row in storage.journal.rows] == [3, 4]
    assert sorted(snapshot.seq for snapshot in storage.snapshots.files) == [2, 3]
    async with at(here, storage) as archive:
        assert (await archive.message("A0")).text == "text 0"
    assert digests(here) == digests(there)


async def test_a_log_of_which_nothing_is_left_knows_its_archive_by_the_snapshot(
    tmp_path: Path, storage: MemoryStorage
) -> None:
    there = path_of(tmp_path, "there")
    async with at(there, storage) as archive:
        await say(archive, storage, ev.message("A1", "hi"))
        await archive.snapshot()
    await storage.log.prune(1)
    for _ in range(2):
        async with at(there, storage) as archive:
            await archive.write(recording.meta_set, "key", "value")
    assert not there.archive_db.with_name("archive.db.damaged").exists()


async def test_an_archive_that_was_in_no_log_goes_on_in_one(tmp_path: Path, storage: MemoryStorage) -> None:
    there, here = path_of(tmp_path, "there"), path_of(tmp_path, "here")
    async with open_archive(there, write=True, now=lambda: NOW) as archive:
        await archive.ingest(storage.journal.keep(journal([ev.message("A1", "before")])))
        await archive.write(recording.meta_set, "key", "value")
    digest = digest_of(there)
    with draft_of(tmp_path / "snapshot") as draft:
        snapshot = copy_archive(there, draft, begins=digest)
        await storage.snapshots.put(snapshot, draft)
    await storage.snapshots.point_to(snapshot)
    storage.log.last_seq = snapshot.seq
    for _ in range(2):  # made, and opened again
        async with at(here, storage):
            assert digest_of(here) == digest
    async with at(here, storage) as archive:
        await say(archive, storage, ev.message("A2", "after"))
        assert [(await archive.message(one)).text for one in ("A1", "A2")] == ["before", "after"]
    async with at(path_of(tmp_path, "third"), storage):
        assert digests(path_of(tmp_path, "third")) == digests(here)


async def test_a_copy_that_is_too_old_for_the_log_is_deleted_and_not_quarantined(
    tmp_path: Path, storage: MemoryStorage
) -> None:
    there, here = path_of(tmp_path, "there"), path_of(tmp_path, "here")
    async with at(there, storage) as archive, at(here, storage) as follower:
        await say(archive, storage, ev.message("A1", WORD))
        await follower.catch_up()
        await archive.purge(chat=ANA)
        with pytest.raises(Pruned):
            await follower.catch_up()
    assert files_with(here, WORD)
    async with at(here, storage):
        pass
    assert files_with(here, WORD) == set()
    assert digests(here) == digests(there)


async def test_what_is_purged_is_left_in_no_log_journal_or_snapshot(
    tmp_path: Path, storage: MemoryStorage
) -> None:
    folder = path_of(tmp_path, "there")
    async with at(folder, storage) as archive:
        await say(archive, storage, ev.message("A1", WORD), ev.message("B1", "stays", chat=BOB))
        await archive.snapshot()
        assert holds(storage, WORD) == {"journal", "snapshots"}
        assert (await archive.purge(chat=ANA)).messages == 1
        assert (await archive.message("B1")).text == "stays"
        await say(archive, storage, ev.message("B2", "later", chat=BOB))
    assert holds(storage, WORD) == set()
    assert files_with(folder, WORD) == set()


STEPS: dict[str, Callable[[MemoryStorage], tuple[object, str]]] = {
    "keeping the snapshot": lambda storage: (storage.snapshots, "put"),
    "letting it count": lambda storage: (storage.snapshots, "point_to"),
    "deleting the former": lambda storage: (storage.snapshots, "keep_from"),
    "deleting from the log": lambda storage: (storage.log, "prune"),
    "deleting from the journal": lambda storage: (storage.journal, "prune"),
}


@pytest.mark.parametrize("step", STEPS)
async def test_a_purge_that_is_cut_short_is_finished_by_the_next_leader(
    tmp_path: Path, storage: MemoryStorage, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = path_of(tmp_path, "there")

    def cut(*_: object) -> None:
        raise Unavailable

    async with at(folder, storage) as archive:
        await say(archive, storage, ev.message("A1", WORD), ev.message("B1", "stays", chat=BOB))
        await archive.snapshot()
        with monkeypatch.context() as patch:
            patch.setattr(*STEPS[step](storage), cut)
            with pytest.raises(Unavailable):
                await archive.purge(chat=ANA)
    assert holds(storage, WORD)
    async with at(folder, storage) as archive:
        await archive.finish_purges()
        assert (await archive.message("B1")).text == "stays"
    assert holds(storage, WORD) == set()


async def test_a_purge_that_a_store_of_snapshots_holds_up_is_finished_once_that_works(
    tmp_path: Path, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_: int) -> None:
        raise OSError(errno.EIO, "The store is away.")

    async def no_pause(_: float) -> None:
        await anyio.lowlevel.checkpoint()

    async with at(path_of(tmp_path, "there"), storage) as archive:
        await say(archive, storage, ev.message("A1", WORD), ev.message("B1", "stays", chat=BOB))
        await archive.snapshot()
        with monkeypatch.context() as patch:
            patch.setattr(storage.snapshots, "keep_from", fails)
            with pytest.raises(Busy, match=r"The store is away\."):
                await archive.purge(chat=ANA)
        assert holds(storage, WORD)
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(keep_snapshots, archive, sleep=no_pause))
                while archive.is_purge_left:  # noqa: ASYNC110
                    await anyio.sleep(0.01)
                tasks.cancel_scope.cancel()
        assert holds(storage, WORD) == set()


async def test_the_last_snapshot_is_made_where_events_follow_the_former(
    tmp_path: Path, storage: MemoryStorage
) -> None:
    def give_up() -> None:
        raise AssertionError

    async with at(path_of(tmp_path, "there"), storage) as archive:
        await archive.write(recording.meta_set, "key", "value")
        await make_last_snapshot(archive, give_up)
        assert storage.snapshots.pointer is None
        await say(archive, storage, ev.message("A1", "hi"))
        await make_last_snapshot(archive, give_up)
        assert storage.snapshots.pointer is not None
        await archive.write(recording.meta_set, "key", "another")
        await make_last_snapshot(archive, give_up)
        assert storage.snapshots.pointer.seq == 2


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space"), Unavailable("No answer.")])
async def test_a_last_snapshot_that_fails_fails_nothing_else(
    failure: Exception, tmp_path: Path, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise failure

    async with at(path_of(tmp_path, "there"), storage) as archive:
        await say(archive, storage, ev.message("A1", "hi"))
        monkeypatch.setattr(storage.snapshots, "put", fails)
        await make_last_snapshot(archive, lambda: None)
    assert storage.snapshots.pointer is None


async def test_a_last_snapshot_that_takes_too_long_is_given_up(
    tmp_path: Path, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whatsapp_mcp.device.leader.checkpoints.LAST_LIMIT", 0.05)
    monkeypatch.setattr("whatsapp_mcp.archive.care.snapshots._clean", clean_without_end)
    given_up: list[bool] = []
    with anyio.fail_after(30):
        async with at(path_of(tmp_path, "there"), storage) as archive:
            await say(archive, storage, ev.message("A1", "hi"))
            await make_last_snapshot(archive, lambda: given_up.append(True))
            assert given_up
    assert storage.snapshots.pointer is None
    assert not [*tmp_path.rglob("*.part")]  # noqa: ASYNC240


async def test_a_last_snapshot_that_waits_for_others_is_given_up_in_time_as_well(
    tmp_path: Path, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whatsapp_mcp.device.leader.checkpoints.LAST_LIMIT", 0.05)
    copying = anyio.CapacityLimiter(1)
    shared = LogStorage(storage.log, storage.journal, storage.snapshots, copying)
    with anyio.fail_after(30):
        async with at(path_of(tmp_path, "there"), shared) as archive:
            await say(archive, storage, ev.message("A1", "hi"))
            await copying.acquire_on_behalf_of("another")
            await make_last_snapshot(archive, lambda: None)
            copying.release_on_behalf_of("another")
            assert storage.snapshots.pointer is None
            await archive.snapshot()
    assert storage.snapshots.pointer is not None


def clean_without_end(db: sqlite3.Connection) -> None:
    db.execute("WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT max(n) FROM n")


async def test_a_follower_that_applies_a_purge_keeps_nothing_of_it(
    tmp_path: Path, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, here = path_of(tmp_path, "there"), path_of(tmp_path, "here")

    async def later(_: int) -> int:
        return 0

    async with at(there, storage) as archive, at(here, storage) as follower:
        await say(archive, storage, ev.message("A1", WORD), ev.message("B1", "stays", chat=BOB))
        await follower.catch_up()
        monkeypatch.setattr(storage.log, "prune", later)
        await archive.purge(chat=ANA)
        await follower.catch_up()
        assert files_with(here, WORD) == set()
    assert digests(here) == digests(there)


async def test_a_snapshot_in_a_folder_counts_from_when_it_is_pointed_to(tmp_path: Path) -> None:
    snapshots, file = FolderSnapshots(tmp_path / "snapshots"), tmp_path / "file"
    first, second = Snapshot(1, "aa" * 32, 5), Snapshot(7, "bb" * 32, 9)
    for one in (first, second):
        file.write_bytes(one.hash.encode())
        await snapshots.put(one, file)
        if one is first:
            await snapshots.point_to(one)
    assert await snapshots.newest() == first
    await snapshots.point_to(second)
    assert await FolderSnapshots(tmp_path / "snapshots").newest() == second
    await snapshots.keep_from(7)
    await snapshots.fetch(second, file)
    assert file.read_bytes() == second.hash.encode()
    assert len([*(tmp_path / "snapshots").glob("*.tar.gz")]) == 1
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "snapshots").iterdir()} == {0}


async def test_an_archive_comes_back_from_a_folder_of_snapshots(
    tmp_path: Path, storage: MemoryStorage
) -> None:
    there, here = path_of(tmp_path, "there"), path_of(tmp_path, "here")
    with_folder = LogStorage(storage.log, storage.journal, FolderSnapshots(tmp_path / "snapshots"))
    async with at(there, with_folder) as archive:
        await say(archive, storage, ev.message("A1", "hi"))
        await archive.snapshot()
    await storage.log.prune(1)
    storage.journal.prune(1)
    async with at(here, with_folder) as archive:
        assert (await archive.message("A1")).text == "hi"
    assert digests(here) == digests(there)


async def test_a_file_that_is_no_snapshot_is_an_error_of_the_disk(
    tmp_path: Path, storage: MemoryStorage
) -> None:
    async with at(path_of(tmp_path, "there"), storage) as archive:
        await archive.write(recording.meta_set, "key", "value")
        await archive.snapshot()
    assert storage.snapshots.pointer is not None
    storage.snapshots.files[storage.snapshots.pointer] = b"no snapshot"
    await storage.log.prune(1)
    with pytest.raises(OSError, match="no snapshot"):
        async with at(path_of(tmp_path, "here"), storage):
            pass


async def test_a_snapshot_of_an_encrypted_account_is_encrypted_with_its_key(
    tmp_path: Path, storage: MemoryStorage
) -> None:
    pytest.importorskip("sqlcipher3")
    folder = path_of(tmp_path, "there")
    source = KeySource(file=tmp_path / "key")
    folder = AccountFolder("default", folder.path, Vault(folder.path, source))
    async with at(folder, storage) as archive:
        await say(archive, storage, ev.message("A1", WORD))
    encrypt(folder.vault, folder.databases, [], lambda _: None)
    folder = AccountFolder("default", folder.path, Vault(folder.path, source))
    async with at(folder, storage) as archive:
        await archive.snapshot()
    assert holds(storage, WORD) == {"journal"}
    before = contents_of(folder)
    for path in (folder.archive_db, folder.raw_db):
        path.unlink()
    await storage.log.prune(1)
    async with at(folder, storage) as archive:
        assert (await archive.message("A1")).text == WORD
    assert contents_of(folder) == before


def contents_of(folder: AccountFolder) -> list[object]:
    """The messages of an archive, whatever its key."""
    with closing(connect(folder.archive_db, folder.key_of(folder.archive_db))) as db:
        return db.execute("SELECT * FROM messages").fetchall()


async def test_a_snapshot_is_due_once_enough_was_written_since_the_last(
    folder: AccountFolder, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshotting, "_FEWEST", 3)
    monkeypatch.setattr(snapshotting, "_BYTES_OF_ONE", 1 << 40)
    async with at(folder, storage) as archive:
        for number in range(2):
            await say(archive, storage, ev.message(f"A{number}", "hi"))
        assert not await archive.is_snapshot_due()
        await say(archive, storage, ev.message("A2", "hi"))
        assert await archive.is_snapshot_due()
        await archive.snapshot()
        assert not await archive.is_snapshot_due()


async def test_more_may_follow_the_snapshot_of_a_larger_archive(
    folder: AccountFolder, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshotting, "_FEWEST", 1)
    async with at(folder, storage) as archive:
        await say(archive, storage, ev.message("A1", "hi"))
        assert not await archive.is_snapshot_due()
        monkeypatch.setattr(snapshotting, "_MOST", 1)
        assert await archive.is_snapshot_due()
